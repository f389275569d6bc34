"""What fails and why: attempts that are not ok, those of one stage and one reason together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from doc_io.document import FAILED, DocumentRow, Status
from doc_io.index.base import ALL, Filter
from doc_io.reports.board import latest_of
from doc_io.store import DocumentStore

WINDOW = 1_000
"""The newest failures that are looked at."""

_SAID = ("error", "refusal")
_VARYING = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b(?=\w*\d)[0-9a-z]{12,}\b|\d+(?:[.,:]\d+)*", re.IGNORECASE
)
_MAX_REASON = 160


@dataclass(frozen=True)
class FailureCluster:
    """Failures of one stage for one reason.

    Attributes:
        stage: Kind of document.
        status: How they ended.
        reason: Why, with ``#`` in the place of numbers and ids that differ.
        count: How many attempts.
        tasks: How many tasks.
        open: Of how many tasks the newest attempt is one of these.
        newest: The newest few of them.
        last_good: The latest ok document of the newest one's task, where there is one.
    """

    stage: str
    status: Status
    reason: str
    count: int
    tasks: int
    open: int
    newest: tuple[DocumentRow, ...]
    last_good: DocumentRow | None


def failure_clusters(store: DocumentStore, wanted: Filter = ALL, *, examples: int = 3) -> list[FailureCluster]:
    """The newest failures by stage and reason, the largest cluster first.

    Args:
        store: Which store.
        wanted: Which documents; without a status, every one that is a failure. Default: all.
        examples: How many documents of each cluster at most.
    """
    if not wanted.status:
        wanted = replace(wanted, status=tuple(sorted(FAILED)))
    found: dict[tuple[str, Status, str], list[DocumentRow]] = {}
    rows = store.select(wanted, limit=WINDOW)
    for row in rows:
        found.setdefault((row.stage, row.status, failure_reason(row)), []).append(row)
    newest = latest_of(store, rows, tuple(Status))
    good = latest_of(store, [each[0] for each in found.values()])
    clusters = []
    for (stage, status, reason), members in found.items():
        ids = {row.doc_id for row in members}
        tasks = {row.task_id for row in members}
        still = sum((now := newest.get((stage, task))) is not None and now.doc_id in ids for task in tasks)
        last_good = good.get((stage, members[0].task_id))
        clusters.append(
            FailureCluster(stage, status, reason, len(members), len(tasks), still, tuple(members[:examples]), last_good)
        )
    return sorted(clusters, key=lambda each: (-each.count, each.stage, each.reason))


def failure_reason(row: DocumentRow) -> str:
    """Why a document is not ok, in words that others of the same kind share."""
    for name in _SAID:
        said = row.meta_small.get(name)
        if isinstance(said, str) and said.strip():
            return _VARYING.sub("#", " ".join(said.split()))[:_MAX_REASON]
    if row.status is Status.TRUNCATED:
        return "cut short by the token limit"
    if not row.raw_chars:
        return "no text"
    finish = row.meta_small.get("finish_reason")
    return f"finish reason {finish}" if isinstance(finish, str) and finish else "no reason was given"
