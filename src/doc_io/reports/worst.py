"""The documents of a group with the lowest scores: where to look when a comparison says that something got worse."""

from __future__ import annotations

from dataclasses import replace

from doc_io.document import DocumentRow
from doc_io.index.base import ALL, Filter
from doc_io.store import DocumentStore

WINDOW = 2_000
"""The newest documents of the stage that are looked at."""

_GENERATIONS = 20


def worst(
    store: DocumentStore, stage: str, by: str, group: str | None, where: Filter = ALL, *, limit: int = 10
) -> list[DocumentRow]:
    """The documents of a stage and a group with the lowest scores, the lowest first; those without a score last.

    Args:
        store: Which store.
        stage: The stage whose documents are meant.
        by: A column of theirs, or ``STAGE.COLUMN`` of an ancestor, as for `compare`.
        group: The value of that column.
        where: Which of these documents count. Default: all.
        limit: How many at most.
    """
    ancestor, _, column = by.rpartition(".")
    rows = store.select(replace(where, stage=stage), limit=WINDOW)
    found = _ancestors(store, rows, ancestor) if ancestor else {row.doc_id: row for row in rows}
    members = [row for row in rows if _value(found.get(row.doc_id), column) == group]
    return sorted(members, key=lambda row: (row.score is None, row.score or 0.0))[:limit]


def _ancestors(store: DocumentStore, rows: list[DocumentRow], stage: str) -> dict[str, DocumentRow]:
    """The nearest primary ancestor of each document at a stage; one query a generation."""
    found: dict[str, DocumentRow] = {}
    climbing = {row.doc_id: row.parent_doc_id for row in rows if row.parent_doc_id is not None}
    for _ in range(_GENERATIONS):
        if not climbing:
            break
        parents = {row.doc_id: row for row in store.index.get_many(list(dict.fromkeys(climbing.values())))}
        found |= {
            doc_id: parents[parent]
            for doc_id, parent in climbing.items()
            if parent in parents and parents[parent].stage == stage
        }
        climbing = {
            doc_id: above
            for doc_id, parent in climbing.items()
            if doc_id not in found and parent in parents and (above := parents[parent].parent_doc_id) is not None
        }
    return found


def _value(row: DocumentRow | None, column: str) -> str | None:
    if row is None:
        return None
    value = row.created_at[:10] if column == "day" else getattr(row, column, None)
    return None if value is None else str(value)
