"""What the pages ask beyond the store's own look-ups: narrow, bounded, and answered from an index."""

from __future__ import annotations

from typing import Any

from doc_io.document import COLUMNS
from doc_io.index.base import Filter, SplitBy
from doc_io.index.queries import NEWEST_FIRST, filtered

_COLUMNS = ", ".join(COLUMNS)
_SPLITS: dict[SplitBy, str] = {
    "model_id": "model_id",
    "template_id": "template_id",
    "experiment_id": "experiment_id",
}  # spelled out: no text from outside is ever part of a statement


ATTEMPTS_OF_TASK = "SELECT count(*) FROM documents WHERE stage = ? AND task_id = ?"
NEWEST_SEQ = "SELECT coalesce(max(seq), 0) FROM documents"
COUNT_AFTER = "SELECT count(*) FROM (SELECT 1 FROM documents WHERE seq > ? LIMIT ?) AS newer"
CHILDREN = (
    f"SELECT {_COLUMNS} FROM documents WHERE doc_id IN ("
    "SELECT doc_id FROM documents WHERE parent_doc_id = ?"
    f" UNION SELECT doc_id FROM document_parents WHERE parent_doc_id = ?) {NEWEST_FIRST} LIMIT ?"
)


def recent(wanted: Filter, limit: int, by: SplitBy | None, hint: str) -> tuple[str, list[Any]]:
    """The statement and its values for the newest attempts of a kind, newest first.

    Args:
        wanted: Which documents.
        limit: How many at most.
        by: One more column. Default: none.
        hint: What the engine wants to be told about its plan.
    """
    where, values = filtered(wanted)
    value = "NULL" if by is None else _SPLITS[by]
    columns = f"seq, stage, task_id, status, {value}"
    return f"SELECT {columns} FROM documents{hint}{where} {NEWEST_FIRST} LIMIT ?", [*values, limit]


def by_seq(wanted: str) -> str:
    """The statement for the rows of many places in the order of inserts, given as ``wanted(task, position)``."""
    columns = ", ".join(f"found.{column}" for column in COLUMNS)
    return (
        f"SELECT {columns} FROM {wanted} JOIN documents AS found ON found.seq = CAST(wanted.task AS BIGINT)"
        " ORDER BY wanted.position"
    )
