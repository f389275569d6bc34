"""What is failing and why: tasks whose newest attempt is not ok, by stage and reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import chain, islice

from doc_io.document import FAILED, DocumentRow, Status
from doc_io.index.base import ALL, Filter
from doc_io.reports.board import latest_of
from doc_io.store import DocumentStore

# What differs between two failures of one kind: ids of requests, addresses, counts.
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|\b(?=[\w-]*\d)[\w-]{8,}\b|\d+(?:[.,:]\d+)*")


@dataclass(frozen=True)
class FailureGroup:
    """Documents that failed in one way.

    Attributes:
        stage: Kind of document.
        status: How they ended.
        reason: Why, as the newest of them says it.
        documents: How many.
        tasks: Of how many tasks.
        open: Of how many tasks the newest attempt is one of these.
        examples: The newest few of them.
        last_ok: The latest ok document of the newest one's task, where there is one.
    """

    stage: str
    status: Status
    reason: str
    documents: int
    tasks: int
    open: int
    examples: tuple[DocumentRow, ...]
    last_ok: DocumentRow | None

    @property
    def newest(self) -> DocumentRow:
        """The newest of them."""
        return self.examples[0]


def reason(row: DocumentRow) -> str:
    """Why a document is not ok, in one line: its error, else where it was cut or why the provider stopped, else its status.

    Args:
        row: The document.

    Returns:
        The reason; empty where the document is ok.
    """
    if row.status is Status.OK:
        return ""
    for name in ("error", "skip_reason", "refusal"):
        said = row.meta_small.get(name)
        if isinstance(said, str) and said.strip():
            return " ".join(said.split())
    if row.status is Status.TRUNCATED and row.usage_max_tokens is not None:
        return f"cut after {row.usage_completion_tokens or 0:,} of {row.usage_max_tokens:,} tokens"
    finish_reason = row.meta_small.get("finish_reason")
    return f"finish_reason {finish_reason}" if finish_reason else str(row.status).replace("_", " ")


def failures(
    store: DocumentStore,
    where: Filter = ALL,
    *,
    every_attempt: bool = False,
    limit: int | None = None,
    examples: int = 1,
) -> list[FailureGroup]:
    """Failures by stage, status and reason, the most frequent first.

    Reasons that differ only in numbers and ids count as one.

    Args:
        store: Which store.
        where: Which documents. Default: all.
        every_attempt: Also count failed attempts that a newer attempt has made good. Default: only tasks whose newest
            attempt failed.
        limit: Only so many of the newest failures. Default: all.
        examples: How many documents of each group are given at most.
    """
    status = FAILED.intersection(where.status) if where.status else FAILED
    if not status:
        return []
    groups: dict[tuple[str, Status, str], list[DocumentRow]] = {}
    filters = replace(where, status=tuple(status), newest=where.newest or not every_attempt)
    for row in islice(store.select_all(filters), limit):
        groups.setdefault((row.stage, row.status, _VARIABLE.sub("…", reason(row))), []).append(row)
    newest = latest_of(store, chain(*groups.values()), tuple(Status))
    last_ok = latest_of(store, [rows[0] for rows in groups.values()])
    found = []
    for (stage, ended, _), rows in groups.items():
        ids, tasks = {row.doc_id for row in rows}, {row.task_id for row in rows}
        still_open = sum((now := newest.get((stage, task))) is not None and now.doc_id in ids for task in tasks)
        ok = last_ok.get((stage, rows[0].task_id))
        shown = tuple(rows[:examples])
        found.append(FailureGroup(stage, ended, reason(rows[0]), len(rows), len(tasks), still_open, shown, ok))
    return sorted(found, key=lambda each: (-each.documents, each.stage, each.reason))
