"""What is failing and why: tasks whose newest attempt is not ok, by stage and reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from doc_io.document import FAILED, DocumentRow, Status
from doc_io.index.base import ALL, Filter
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
        newest: The newest of them.
    """

    stage: str
    status: Status
    reason: str
    documents: int
    tasks: int
    newest: DocumentRow


def reason(row: DocumentRow) -> str:
    """Why a document is not ok, in one line: its error, else why the provider stopped, else its status."""
    error = row.meta_small.get("error")
    if error:
        return " ".join(str(error).split())
    finish_reason = row.meta_small.get("finish_reason")
    if finish_reason:
        return f"finish_reason {finish_reason}"
    if row.usage_max_tokens is not None and row.usage_completion_tokens == row.usage_max_tokens:
        return f"all of {row.usage_max_tokens} tokens used"
    return str(row.status)


def failures(store: DocumentStore, where: Filter = ALL, *, every_attempt: bool = False) -> list[FailureGroup]:
    """Failures by stage, status and reason, the most frequent first.

    Reasons that differ only in numbers and ids count as one.

    Args:
        store: Which store.
        where: Which documents. Default: all.
        every_attempt: Also count failed attempts that a newer attempt has made good. Default: only tasks whose newest
            attempt failed.
    """
    status = FAILED.intersection(where.status) if where.status else FAILED
    if not status:
        return []
    groups: dict[tuple[str, Status, str], list[DocumentRow]] = {}
    for row in store.select_all(replace(where, status=tuple(status), newest=where.newest or not every_attempt)):
        groups.setdefault((row.stage, row.status, _VARIABLE.sub("…", reason(row))), []).append(row)
    found = [
        FailureGroup(stage, status, reason(rows[0]), len(rows), len({row.task_id for row in rows}), rows[0])
        for (stage, status, _), rows in groups.items()
    ]
    return sorted(found, key=lambda each: (-each.documents, each.stage, each.reason))
