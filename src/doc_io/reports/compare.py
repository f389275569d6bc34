"""Comparing templates, models, runs …: how the documents of a stage did, group by group."""

from __future__ import annotations

import statistics
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from doc_io.document import Status
from doc_io.errors import InvalidGroupError
from doc_io.index.base import ALL, Filter
from doc_io.index.report_queries import COMPARABLE, comparison
from doc_io.prices import price_of
from doc_io.store import DocumentStore


@dataclass(frozen=True)
class Distribution:
    """How a number is distributed over the documents of a group that have it.

    Attributes:
        count: How many have it.
        mean: Arithmetic mean.
        lower_quartile: A quarter of them have this or less (linear interpolation, as numpy and PostgreSQL do it).
        median: Half of them have this or less.
        upper_quartile: Three quarters of them have this or less.
    """

    count: int
    mean: float
    lower_quartile: float
    median: float
    upper_quartile: float


@dataclass(frozen=True)
class Comparison:
    """The documents of a stage that share a value.

    Attributes:
        group: The value; ``None`` where it is not known, or where there is no such ancestor.
        documents: How many there are.
        ok: How many of them are ``ok``.
        score: Of their scores; ``None`` where no document has one.
        tokens: Of prompt and completion tokens together; ``None`` where no document has any.
        characters: Of the length of their texts (the parsed one where there is one, else the raw one).
        cost: Of their cost in US dollars at list price; ``None`` where no document has one, see `doc_io.prices`.
    """

    group: str | None
    documents: int
    ok: int
    score: Distribution | None
    tokens: Distribution | None
    characters: Distribution | None
    cost: Distribution | None

    @property
    def ok_rate(self) -> float:
        """The share of documents that are ``ok``, from 0 to 1."""
        return self.ok / self.documents


def compare(
    store: DocumentStore,
    stage: str,
    by: str = "template_id",
    where: Filter = ALL,
    *,
    attempts: Literal["newest", "all"] = "newest",
) -> list[Comparison]:
    """How the documents of a stage did, group by group; one query.

    Args:
        store: Which store.
        stage: The stage whose documents are counted, ``evaluation`` for example.
        by: A column of theirs, or ``STAGE.COLUMN`` for that of their nearest ancestor of another stage, such as
            ``draft.template_id``: found through every parent, over any number of generations; of several that are
            equally near, the one that was made first. Columns: template_id, model_id, run_id, experiment_id, task_id,
            day, status, stage, attempt, asset_key, parser, logical_key_id, parent_doc_id, doc_id. Default: the template.
        where: Which of these documents count; its ``stage`` is not used. Default: all.
        attempts: ``newest`` counts the newest document of each task within each group, whatever its status, so that
            retries do not count twice and a task that was done with two templates counts for both; ``all`` counts every
            attempt. Default: ``newest``.

    Returns:
        The groups, the highest mean score first, those without scores last.

    Raises:
        InvalidGroupError: ``by`` names no column.
    """
    ancestor, _, column = by.rpartition(".")
    if column not in COMPARABLE or by.startswith("."):
        raise InvalidGroupError(by=by, columns=", ".join(COMPARABLE))
    groups: dict[str | None, _Group] = {}

    newest, task, seen = attempts == "newest", None, set[str | None]()

    def add(values: Sequence[Any]) -> None:
        nonlocal task
        shared, of_task = values[0], values[1]
        if newest:
            if of_task != task:
                task = of_task
                seen.clear()
            if shared in seen:
                return
            seen.add(shared)
        group = groups.get(shared)
        if group is None:
            group = groups[shared] = _Group()
        group.add(values)

    store.index.query(*comparison(column, ancestor or None, replace(where, stage=stage)), add)
    compared = [group.comparison(name) for name, group in groups.items()]
    return sorted(
        compared, key=lambda each: (each.score is None, -(each.score.mean if each.score else 0), each.group or "")
    )


class _Group:
    """Numbers of one group; arrays, as there may be a million of them."""

    def __init__(self) -> None:
        self._documents = self._ok = 0
        self._scores, self._tokens, self._characters, self._costs = array("d"), array("d"), array("d"), array("d")

    def add(self, values: Sequence[Any]) -> None:
        _, _, status, score, prompt_tokens, completion_tokens, characters, model = values
        self._documents += 1
        self._ok += status == Status.OK
        if score is not None:
            self._scores.append(score)
        if prompt_tokens is not None or completion_tokens is not None:
            self._tokens.append((prompt_tokens or 0) + (completion_tokens or 0))
        if characters is not None:
            self._characters.append(characters)
        if model is not None and prompt_tokens is not None and completion_tokens is not None:
            price = price_of(model)
            if price is not None:
                self._costs.append(price.of(prompt_tokens, completion_tokens))

    def comparison(self, name: str | None) -> Comparison:
        distributions = map(_distribution, (self._scores, self._tokens, self._characters, self._costs))
        return Comparison(name, self._documents, self._ok, *distributions)


def _distribution(values: array[float]) -> Distribution | None:
    if not values:
        return None
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else list(values) * 3
    return Distribution(len(values), statistics.fmean(values), *quartiles)
