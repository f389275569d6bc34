"""Did it help? How the documents of a stage did, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request

from doc_io.document import DocumentRow
from doc_io.index.base import ALL, Filter
from doc_io.reports import compare, stage_counts
from doc_io.reports.worst import worst
from doc_io.web.address import Links, chosen
from doc_io.web.page import Page, Site

if TYPE_CHECKING:
    from doc_io.reports.compare import Comparison

_OWN = ("template_id", "model_id", "experiment_id", "run_id", "day")
_OF_ANCESTOR = ("template_id", "model_id")
_NEWEST = 200
_GENERATIONS = 5
_LIMITS = (1.0, 5.0, 10.0, 100.0)  # where scales that people judge by end
_WIDTH = 200  # of a plot
_GROUPS = 80
_COLUMNS = (
    "group", "documents", "ok", "ok_rate", "scored", "mean", "lower_quartile", "median", "upper_quartile", "tokens_mean", "cost_mean"
)  # fmt: skip


class Group(NamedTuple):
    """A group as its template needs it.

    Attributes:
        compared: What `compare` says of it.
        box: Where lower quartile, median, upper quartile and mean of its scores stand in the plot, where it has any.
        tokens: Mean tokens of a document, where known.
    """

    compared: Comparison
    box: tuple[float, float, float, float] | None
    tokens: float | None


def scores_page(site: Site, request: Request, links: Links) -> Page:  # noqa: ARG001 - as every page
    """Groups of one stage side by side."""
    query = request.query_params
    picked = chosen(query)
    counts, _ = site.remembered.get("counts", lambda: stage_counts(site.store))
    stages = sorted({each.stage for each in counts})
    stage = picked.wanted.stage or _scored_stage(site, stages)
    by = query.get("by") or _first_choice(site, stage)
    wanted = picked.wanted
    groups: list[Comparison] = []
    age = 0.0
    if isinstance(stage, str):
        question = ("scores", stage, by, str(sorted(picked.values.items())))
        groups, age = site.remembered.get(question, lambda: compare(site.store, stage, by, wanted))
    low, high = _scale(groups)
    opened = query.get("group")
    lowest = [] if opened is None or not isinstance(stage, str) else _lowest(site, stage, by, opened, wanted)
    return Page(
        "scores.html",
        "Did it help?",
        {"stage": stage, "by": by, "groups": [_flat(each) for each in groups], "worst": lowest},
        (_COLUMNS, [list(_flat(each).values()) for each in groups]),
        {
            "rows": [_group(each, low, high) for each in groups[:_GROUPS]],
            "unseen": max(0, len(groups) - _GROUPS),
            "stages": stages,
            "choices": _choices(stages, stage if isinstance(stage, str) else ""),
            "scale": (low, high),
            "priced": any(each.cost for each in groups),
            "width": _WIDTH,
            "opened": opened,
            "filters": picked.values,
            "age": age,
            "answer": _answer(groups),
        },
    )


def _lowest(site: Site, stage: str, by: str, group: str, wanted: Filter) -> list[DocumentRow]:
    question = ("worst", stage, by, group, str(wanted))
    found, _ = site.remembered.get(question, lambda: worst(site.store, stage, by, group or None, wanted))
    return found


def _scored_stage(site: Site, stages: Sequence[str]) -> str | None:
    """The stage of the newest document that has a score; else the last of all."""

    def find() -> str | None:
        found = (site.store.select(where, limit=_NEWEST) for where in (ALL, *(Filter(stage=each) for each in stages)))
        scored = (row.stage for rows in found for row in rows if row.score is not None)
        return next(scored, stages[-1] if stages else None)

    return site.remembered.get("scored stage", find)[0]


def _first_choice(site: Site, stage: object) -> str:
    """What tells the documents of a stage apart: their template, else that of what they were made from; else a model."""

    def find() -> str:
        rows = site.store.select(Filter(stage=str(stage)), limit=_NEWEST)
        generations = {"": rows}
        while len(generations) < _GENERATIONS:
            above = site.store.index.get_many(list({row.parent_doc_id for row in rows if row.parent_doc_id}))
            rows = [row for row in above if row.stage == above[0].stage]
            if not rows or rows[0].stage == stage or f"{rows[0].stage}." in generations:
                break
            generations[f"{rows[0].stage}."] = rows
        differing = (
            f"{prefix}{column}"
            for column in _OF_ANCESTOR
            for prefix, rows in generations.items()
            if len({getattr(row, column) for row in rows} - {None}) > 1
        )
        return next(differing, "template_id")

    return site.remembered.get(("first choice", stage), find)[0]


def _answer(groups: Sequence[Comparison]) -> tuple[Comparison, Comparison, float, bool] | None:
    """The best group, the next one, by how much its mean score is higher, and whether the middle halves are apart."""
    scored = [each for each in groups if each.score is not None and each.group is not None]
    if len(scored) < 2:  # noqa: PLR2004 - two to compare
        return None
    best, other = scored[:2]
    assert best.score is not None  # noqa: S101 - filtered above
    assert other.score is not None  # noqa: S101 - filtered above
    apart = best.score.lower_quartile > other.score.upper_quartile
    return best, other, best.score.mean - other.score.mean, apart


def _choices(stages: Sequence[str], stage: str) -> list[tuple[str, str]]:
    """What to tell groups apart by: the name in the address, and the words for it."""
    own = [(column, column.removesuffix("_id")) for column in _OWN]
    above = [
        (f"{other}.{column}", f"{column.removesuffix('_id')} of its {other}")
        for other in stages
        if other != stage
        for column in _OF_ANCESTOR
    ]
    return own + above


def _scale(groups: Sequence[Comparison]) -> tuple[float, float]:
    """The least and the greatest value that is drawn: from 0, where no score is below it, to the next of a few round ones."""
    scores = [each.score for each in groups if each.score is not None]
    low = min((each.lower_quartile for each in scores), default=0.0)
    high = max((each.upper_quartile for each in scores), default=1.0)
    return min(0.0, low), next((limit for limit in _LIMITS if limit >= high), high)


def _group(compared: Comparison, low: float, high: float) -> Group:
    score = compared.score
    box = None
    if score is not None:
        places = (score.lower_quartile, score.median, score.upper_quartile, score.mean)
        first, middle, third, mean = (round(_WIDTH * (value - low) / (high - low), 1) for value in places)
        box = (first, middle, third, mean)
    return Group(compared, box, compared.tokens.mean if compared.tokens else None)


def _flat(compared: Comparison) -> dict[str, Any]:
    score = compared.score
    values = {
        "group": compared.group,
        "documents": compared.documents,
        "ok": compared.ok,
        "ok_rate": compared.ok_rate,
        "scored": score.count if score else 0,
    }
    for name in ("mean", "lower_quartile", "median", "upper_quartile"):
        values[name] = getattr(score, name) if score else None
    means = {"tokens_mean": compared.tokens, "cost_mean": compared.cost}
    return {**values, **{name: each.mean if each else None for name, each in means.items()}}
