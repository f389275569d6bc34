"""Two runs, or two experiments, task by task: what changed, what got better or worse, what is new or gone."""

from __future__ import annotations

from typing import Literal, NamedTuple

from doc_io.document import DocumentRow
from doc_io.index import page_queries
from doc_io.index.base import Filter
from doc_io.store import DocumentStore

WINDOW = 5_000
"""The newest documents of each side that are compared."""

Outcome = Literal["worse", "better", "changed", "new", "gone", "same"]
OUTCOMES: tuple[Outcome, ...] = ("worse", "better", "changed", "new", "gone", "same")
"""In the order in which they are worth looking at."""


class Pair(NamedTuple):
    """A task on both sides.

    Attributes:
        stage: Kind of document.
        task_id: What it was made for.
        outcome: What became of it.
        old: The newest document of the first side, where there is one.
        new: The newest document of the second side, where there is one.
    """

    stage: str
    task_id: str
    outcome: Outcome
    old: DocumentRow | None
    new: DocumentRow | None


def compare_selections(store: DocumentStore, old: Filter, new: Filter) -> list[Pair]:
    """The newest document of each task in two selections, side by side.

    Args:
        store: Which store.
        old: The older run or experiment.
        new: The newer one.

    Returns:
        Pairs, what got worse first, by stage and task.
    """
    before, after = _newest(store, old), _newest(store, new)
    pairs = []
    for stage, task_id in {**before, **after}:
        one, other = before.get((stage, task_id)), after.get((stage, task_id))
        pairs.append(Pair(stage, task_id, _outcome(one, other), one, other))
    return sorted(pairs, key=lambda pair: (OUTCOMES.index(pair.outcome), pair.stage, pair.task_id))


def _newest(store: DocumentStore, where: Filter) -> dict[tuple[str, str], DocumentRow]:
    seqs: dict[tuple[str, str], int] = {}
    for seq, stage, task_id, _, _ in page_queries.recent(store.index, where, WINDOW):
        seqs.setdefault((stage, task_id), seq)
    return {(row.stage, row.task_id): row for row in page_queries.by_seq(store.index, list(seqs.values()))}


def _outcome(old: DocumentRow | None, new: DocumentRow | None) -> Outcome:
    if old is None:
        return "new"
    if new is None:
        return "gone"
    if old.status != new.status and "ok" in (old.status, new.status):
        return "better" if new.status == "ok" else "worse"
    if old.score is not None and new.score is not None and old.score != new.score:
        return "better" if new.score > old.score else "worse"
    if old.content_hash != new.content_hash or old.status != new.status:
        return "changed"
    return "same"
