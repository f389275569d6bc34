"""A task: all its attempts, the newest first."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request

from doc_io.document import DocumentRow, Status
from doc_io.errors import UnknownDocumentError
from doc_io.index import page_queries
from doc_io.reports.failures import reason
from doc_io.web.address import AddressError, Links, name_in
from doc_io.web.page import Page, Site

_ATTEMPTS = 80  # on a page
_COLUMNS = ("doc_id", "status", "created_at", "model_id", "template_id", "run_id", "score", "usage_prompt_tokens", "usage_completion_tokens", "raw_chars", "content_hash")  # fmt: skip


def task_page(site: Site, request: Request, links: Links) -> Page:  # noqa: ARG001 - every page is called the same way
    """The attempts at a task as a timeline."""
    if "stage" in request.path_params:
        stage, task_id = name_in(request.path_params["stage"]), name_in(request.path_params["task"])
    else:
        stage, task_id = request.query_params.get("stage", ""), request.query_params.get("task", "")
        if not (stage and task_id):
            raise AddressError(reason="name a task: /t/<stage>/<task>")
    after = site.store.get(request.query_params["after"]) if "after" in request.query_params else None
    found = attempts_of(site, stage, task_id, after)
    attempts = found.rows
    if not attempts:
        raise UnknownDocumentError(doc_id=f"{stage}/{task_id}", docs_root=site.store.docs_root)
    served = served_of(site, found) if after is None else site.store.latest(stage, task_id)
    rows = _rows(attempts)
    return Page(
        "task.html",
        f"{task_id} · {stage}",
        {
            "stage": stage,
            "task_id": task_id,
            "total": found.total,
            "served": served and served.doc_id,
            "attempts": attempts,
        },
        (_COLUMNS, [[getattr(row, column) for column in _COLUMNS] for row in attempts]),
        {
            "rows": rows,
            "a": rows[min(1, len(rows) - 1)][0].doc_id,
            "b": rows[0][0].doc_id,
            "reason": reason,
            "older": attempts[-1].doc_id if found.more else None,
            "elsewhere": _other_stages(site, stage, task_id),
            "longest": max((row.raw_chars or 0 for row in attempts), default=0) or 1,
        },
    )


class Attempts(NamedTuple):
    """The attempts at a task that a page shows.

    Attributes:
        rows: The newest first.
        total: How many there are in all.
        more: Whether there are older ones than these.
    """

    rows: list[DocumentRow]
    total: int
    more: bool


def attempts_of(site: Site, stage: str, task_id: str, after: DocumentRow | None = None) -> Attempts:
    """The newest attempts at a task, or those before one of them."""
    found = site.store.history(stage, task_id, after=after, limit=_ATTEMPTS + 1)
    more = len(found) > _ATTEMPTS
    counted = more or after is not None
    total = page_queries.attempts_of_task(site.store.index, stage, task_id) if counted else len(found)
    return Attempts(found[:_ATTEMPTS], total, more)


def served_of(site: Site, attempts: Attempts) -> DocumentRow | None:
    """The attempt at a task that readers get: the latest ok one.

    Args:
        site: The site.
        attempts: The newest ones.
    """
    ok = next((row for row in attempts.rows if row.status is Status.OK), None)
    return ok if ok or not attempts.more else site.store.latest(attempts.rows[0].stage, attempts.rows[0].task_id)


def _rows(attempts: list[DocumentRow]) -> list[tuple[DocumentRow, DocumentRow | None, int]]:
    """Attempts in order; those with the very same text as a newer one stand below it.

    Returns:
        An attempt, the newest one with its text where that is another, and before the first of these how many they are.
    """
    groups: dict[str, list[DocumentRow]] = {}
    for row in attempts:
        groups.setdefault(row.content_hash if row.content_hash and row.raw_chars else row.doc_id, []).append(row)
    return [
        (row, group[0] if place else None, len(group) - 1 if place == 1 else 0)
        for group in groups.values()
        for place, row in enumerate(group)
    ]


def _other_stages(site: Site, stage: str, task_id: str) -> list[DocumentRow]:
    """The newest document of the same task at other stages."""
    counts, _ = site.remembered.get("stages", site.store.index.stage_counts)
    stages = sorted({each.stage for each in counts} - {stage})[:20]
    found = (site.store.latest(other, task_id, tuple(Status)) for other in stages)
    return [row for row in found if row is not None]
