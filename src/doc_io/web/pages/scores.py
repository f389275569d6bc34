"""Did it help? How the documents of a stage did, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request

from doc_io.document import DocumentRow
from doc_io.index.base import Filter
from doc_io.reports import compare, stage_counts
from doc_io.reports.worst import worst
from doc_io.web.address import Links, chosen
from doc_io.web.page import Page, Site

if TYPE_CHECKING:
    from doc_io.reports.compare import Comparison

_OWN = ("template_id", "model_id", "experiment_id", "run_id", "day")
_OF_ANCESTOR = ("template_id", "model_id")
_NEWEST = 200
_GROUPS = 100
_COLUMNS = (
    "group", "documents", "ok", "ok_rate", "scored", "mean", "lower_quartile", "median", "upper_quartile", "tokens_mean"
)  # fmt: skip


class Group(NamedTuple):
    """A group as its template needs it.

    Attributes:
        compared: What `compare` says of it.
        box: Lower quartile, median, upper quartile and mean of its scores on a scale from 0 to 100, where it has any.
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
    by = query.get("by") or "template_id"
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
            "more": max(0, len(groups) - _GROUPS),
            "stages": stages,
            "choices": _choices(stages, stage if isinstance(stage, str) else ""),
            "scale": (low, high),
            "opened": opened,
            "filters": picked.values,
            "age": age,
            "most": max((each.documents for each in groups), default=1),
        },
    )


def _lowest(site: Site, stage: str, by: str, group: str, wanted: Filter) -> list[DocumentRow]:
    question = ("worst", stage, by, group, str(wanted))
    found, _ = site.remembered.get(question, lambda: worst(site.store, stage, by, group or None, wanted))
    return found


def _scored_stage(site: Site, stages: Sequence[str]) -> str | None:
    """The stage of the newest document that has a score; else any."""
    scored = (row.stage for row in site.store.select(limit=_NEWEST) if row.score is not None)
    return next(scored, stages[-1] if stages else None)


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
    """The least and the greatest value that is drawn; a scale begins at 0 where scores are not below it."""
    scores = [each.score for each in groups if each.score is not None]
    low = min((each.lower_quartile for each in scores), default=0.0)
    high = max((each.upper_quartile for each in scores), default=1.0)
    return min(0.0, low), high if high > low else low + 1.0


def _group(compared: Comparison, low: float, high: float) -> Group:
    score = compared.score
    box = None
    if score is not None:
        places = (score.lower_quartile, score.median, score.upper_quartile, score.mean)
        first, middle, third, mean = (round(100 * (value - low) / (high - low), 2) for value in places)
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
    return {**values, "tokens_mean": compared.tokens.mean if compared.tokens else None}
