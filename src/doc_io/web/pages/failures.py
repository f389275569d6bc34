"""Failures: what fails and why, the largest cluster first."""

from __future__ import annotations

from starlette.requests import Request

from doc_io.document import Status
from doc_io.errors import DocIOError
from doc_io.index.base import Filter
from doc_io.reports import failures, stage_counts
from doc_io.reports.failures import FailureGroup, reason
from doc_io.web.address import Links, chosen
from doc_io.web.page import Page, Site

WINDOW = 1_000
"""The newest failures that a page groups."""

_BEGINNING = 400  # characters
_EXAMPLES = 3  # documents of each group
_CLUSTERS = 50


def failures_page(site: Site, request: Request, links: Links) -> Page:  # noqa: ARG001 - as every page
    """Failures by stage and reason."""
    picked = chosen(request.query_params)
    question = ("failures", str(sorted(picked.values.items())))
    clusters, age = site.remembered.get(question, lambda: _failures(site, picked.wanted))
    shown = clusters[:_CLUSTERS]
    counts, _ = site.remembered.get("counts", lambda: stage_counts(site.store))
    failed = sum(each.documents for each in counts if each.status not in (Status.OK, Status.SKIPPED))
    beginnings = _beginnings(site, shown)
    return Page(
        "failures.html",
        "Failures",
        {
            "clusters": [
                {
                    "stage": each.stage,
                    "status": each.status,
                    "reason": each.reason,
                    "count": each.documents,
                    "tasks": each.tasks,
                    "open": each.open,
                    "newest": list(each.examples),
                    "last_good": each.last_ok,
                    "beginning": beginnings.get(each.newest.doc_id),
                }
                for each in shown
            ],
            "looked_at": sum(each.documents for each in clusters),
            "failed": failed,
        },
        (
            ("stage", "status", "reason", "count", "tasks", "open", "newest", "last_good"),
            [
                [
                    each.stage,
                    each.status,
                    each.reason,
                    each.documents,
                    each.tasks,
                    each.open,
                    each.newest.doc_id,
                    each.last_ok and each.last_ok.doc_id,
                ]
                for each in clusters
            ],
        ),
        {
            "filters": picked.values,
            "age": age,
            "window": WINDOW,
            "reason": reason,
            "unseen": len(clusters) - len(shown),
            "most": max((each.documents for each in clusters), default=1),
            "options": {
                "stage": sorted({each.stage for each in counts}),
                "status": [status.value for status in Status if status not in (Status.OK, Status.SKIPPED)],
            },
        },
    )


def _failures(site: Site, where: Filter) -> list[FailureGroup]:
    return failures(site.store, where, every_attempt=True, limit=WINDOW, examples=_EXAMPLES)


def _beginnings(site: Site, groups: list[FailureGroup]) -> dict[str, str]:
    """How the newest text of each group begins; nothing where there is none."""
    beginnings: dict[str, str] = {}
    for group in groups:
        row = group.newest
        if row.raw_chars:
            try:
                beginnings[row.doc_id] = site.store.read(row, "raw")[:_BEGINNING]
            except DocIOError as error:
                beginnings[row.doc_id] = str(error)
    return beginnings
