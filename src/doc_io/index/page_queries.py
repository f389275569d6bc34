"""What the pages ask beyond the store's own look-ups: narrow, bounded, and answered from an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from doc_io.document import COLUMNS, DocumentRow
from doc_io.index.base import ALL, Filter
from doc_io.index.queries import CHILDREN, NEWEST_FIRST, where_clause
from doc_io.index.sql_index import Index

SplitBy = Literal["model_id", "template_id", "experiment_id"]
"""What the documents of a stage can be told apart by from an index alone."""

_FOUND = ", ".join(f"found.{column}" for column in COLUMNS)
_SPLITS: dict[SplitBy, str] = {
    "model_id": "model_id",
    "template_id": "template_id",
    "experiment_id": "experiment_id",
}  # spelled out: no text from outside is ever part of a statement
_NEIGHBOURS = (
    "(SELECT doc_id FROM documents WHERE doc_id < found.doc_id ORDER BY doc_id DESC LIMIT 1),"
    " (SELECT doc_id FROM documents WHERE doc_id > found.doc_id ORDER BY doc_id LIMIT 1)"
)
_NEWEST_CHILDREN = f"{CHILDREN} LIMIT ?"
_COUNT_AFTER = "SELECT count(*) FROM (SELECT 1 FROM documents WHERE seq > ? LIMIT ?) AS newer"


Attempt = tuple[int, str, str, str, "str | None"]
"""What an index alone knows of a document: seq, stage, task, status, and its value in the column that was asked for."""


def recent(index: Index, where: Filter = ALL, limit: int = 100, by: SplitBy | None = None) -> list[Attempt]:
    """The newest attempts of a kind, newest first.

    Args:
        index: Which index.
        where: Which documents. Default: all.
        limit: How many at most.
        by: One column more. Default: none.
    """
    condition, values = where_clause(where)
    narrow = where.run_id or (where.stage and where.task_id)
    columns = f"seq, stage, task_id, status, {'NULL' if by is None else _SPLITS[by]}"
    hint = "" if narrow else index.newest_hint
    statement = f"SELECT {columns} FROM documents{hint}{condition} {NEWEST_FIRST} LIMIT ?"
    return cast("list[Attempt]", index.rows(statement, (*values, limit)))


def by_seq(index: Index, seqs: Sequence[int]) -> list[DocumentRow]:
    """The rows of these places in the order of inserts that are there, in the order asked for."""
    statement = (
        f"SELECT {_FOUND} FROM {index.keys_table} JOIN documents AS found ON found.seq = CAST(keys.key AS BIGINT)"
        " ORDER BY keys.position"
    )
    return index.documents(statement, (index.key_list([str(seq) for seq in seqs]),))


def attempts_of_task(index: Index, stage: str, task_id: str) -> int:
    """How many documents a task has."""
    statement = "SELECT count(*) FROM documents WHERE stage = ? AND task_id = ?"
    return int(index.rows(statement, (stage, task_id))[0][0])


def newest_children(index: Index, doc_id: str, limit: int) -> list[DocumentRow]:
    """The newest of what was made from a document, at most so many."""
    return index.documents(_NEWEST_CHILDREN, (doc_id, doc_id, limit))


def distinct_lengths(index: Index, doc_ids: Sequence[str]) -> dict[str, int]:
    """How many characters of each doc_id no other document's begins with; one query, and one not in the index is left out."""
    statement = (
        f"SELECT found.doc_id, {_NEIGHBOURS} FROM {index.keys_table} JOIN documents AS found ON found.doc_id = keys.key"
    )
    found = index.rows(statement, (index.key_list(doc_ids),))
    return {doc_id: max(_shared(doc_id, other or "") for other in beside) + 1 for doc_id, *beside in found}


def _shared(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def newest_seq(index: Index) -> int:
    """The place of the newest insert; 0 where there is none."""
    return int(index.rows("SELECT coalesce(max(seq), 0) FROM documents", ())[0][0])


def count_after(index: Index, seq: int, limit: int) -> int:
    """How many documents were inserted after a place; counts no further than the limit."""
    return int(index.rows(_COUNT_AFTER, (seq, limit))[0][0])
