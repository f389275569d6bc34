"""Usage: tokens by model, template, stage, run, experiment or day."""

from __future__ import annotations

from starlette.requests import Request

from doc_io.index.base import GroupedBy
from doc_io.reports import usage
from doc_io.web.address import Links, chosen
from doc_io.web.page import Page, Site

_GROUPS: dict[str, GroupedBy] = {
    "model": "model_id",
    "template": "template_id",
    "stage": "stage",
    "status": "status",
    "run": "run_id",
    "experiment": "experiment_id",
    "day": "day",
}
_ROWS = 120


def usage_page(site: Site, request: Request, links: Links) -> Page:
    """What was spent."""
    picked = chosen(request.query_params)
    by = request.query_params.get("by", "model")
    by = by if by in _GROUPS else "model"
    question = ("usage", by, str(sorted(picked.values.items())))
    spent, age = site.remembered.get(question, lambda: usage(site.store, _GROUPS[by], picked.wanted))
    if by == "day":
        spent = sorted(spent, key=lambda each: each.group or "", reverse=True)
    here = links("/usage", **picked.values)
    totals = [(*each[:4], each.prompt_tokens + each.completion_tokens, each.cost) for each in spent]
    prompt, completion = sum(each.prompt_tokens for each in spent), sum(each.completion_tokens for each in spent)
    most = max((each[4] for each in totals), default=0) or 1
    return Page(
        "usage.html",
        "Usage",
        {"by": by, "usage": spent},
        ((by, "documents", "prompt_tokens", "completion_tokens", "tokens", "cost_usd"), totals),
        {
            "rows": [(*each, round(100 * each[4] / most, 2)) for each in totals[:_ROWS]],
            "unseen": max(0, len(totals) - _ROWS),
            "total": (sum(each.documents for each in spent), prompt, completion, prompt + completion),
            "cost": sum(each.cost or 0 for each in spent) or None,
            "unpriced": sum(each.unpriced for each in spent),
            "groups": [(name, f"{here}{'&' if picked else '?'}by={name}") for name in _GROUPS],
            "filters": picked.values,
            "filter_of": by if by in ("model", "template", "stage", "status", "run", "experiment") else None,
            "age": age,
        },
    )
