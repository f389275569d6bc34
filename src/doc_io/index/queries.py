"""The questions to the index, written once for both engines.

Placeholders are ``?``; an engine whose driver wants others exchanges them. No value is ever part of a statement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from doc_io.document import COLUMNS, OK, DocumentRow, Status
from doc_io.index.base import Choice
from doc_io.index.schema import INSERTED

_COLUMNS = ", ".join(COLUMNS)
NEWEST_FIRST = "ORDER BY created_at DESC, seq DESC"
_STATUS = COLUMNS.index("status")
_META_SMALL = COLUMNS.index("meta_small")
_STATUSES = {status.value: status for status in Status}
_SLOTS = tuple(getattr(DocumentRow, column).__set__ for column in COLUMNS)
_new_row = object.__new__
_decode_json = json.JSONDecoder().raw_decode

GET = f"SELECT {_COLUMNS} FROM documents WHERE doc_id = ?"
HISTORY = f"SELECT {_COLUMNS} FROM documents WHERE stage = ? AND task_id = ? {NEWEST_FIRST}"
SCAN = f"SELECT {_COLUMNS} FROM documents WHERE seq > ? ORDER BY seq LIMIT 1000"
PARENTS = "SELECT parent_doc_id, input_name FROM document_parents WHERE doc_id = ? ORDER BY position"
LAST_OF_RUN = f"SELECT {_COLUMNS} FROM documents WHERE run_id = ? {NEWEST_FIRST} LIMIT 1"
READ_BY_RUN = (
    f"SELECT {_COLUMNS} FROM documents WHERE doc_id IN (SELECT parent_doc_id FROM document_parents WHERE doc_id IN ("
    "SELECT doc_id FROM documents WHERE run_id = ?))"
)
CHILDREN = (
    f"SELECT {_COLUMNS} FROM documents WHERE doc_id IN ("
    "SELECT doc_id FROM documents WHERE parent_doc_id = ?"
    f" UNION SELECT doc_id FROM document_parents WHERE parent_doc_id = ?) {NEWEST_FIRST}"
)
PLACE = (
    f"SELECT (SELECT created_at FROM documents WHERE stage = ? AND task_id = ? {NEWEST_FIRST} LIMIT 1),"
    f" (SELECT doc_id FROM documents WHERE logical_key_id = ? {NEWEST_FIRST} LIMIT 1)"
)
INSERT = f"INSERT INTO documents ({', '.join(INSERTED)}) VALUES ({', '.join('?' * len(INSERTED))})"
INSERT_PARENT = "INSERT INTO document_parents (doc_id, position, parent_doc_id, input_name) VALUES (?, ?, ?, ?)"


def latest_by_task(stage: str, task_id: str, choice: Choice) -> tuple[str, list[Any]]:
    """The statement and its values for one task, where no run is preferred."""
    where, values = chosen_by(choice)
    return (
        f"SELECT {_COLUMNS} FROM documents WHERE stage = ? AND task_id = ? AND {where} {NEWEST_FIRST} LIMIT 1",
        [stage, task_id, *values],
    )


def latest_by_tasks(wanted: str, stage: str, choice: Choice) -> tuple[str, list[Any]]:
    """The statement and its values for many tasks: one correlated ``LIMIT 1`` for each of them.

    A window function over the table took 11 s where this takes 8 ms (1,000 of a million; TRAPS, "SQLite").

    Args:
        wanted: A table expression ``wanted(task, position)`` in the engine's own SQL.
        stage: Kind of document.
        choice: Which of each task's documents.
    """
    where, chosen = chosen_by(choice)
    of_task = f"SELECT seq FROM documents WHERE stage = ? AND task_id = wanted.task AND {where}"
    preferred = [f"({of_task} AND run_id = ? {NEWEST_FIRST} LIMIT 1)" for _ in choice.runs]
    values: list[Any] = []
    for run in choice.runs:
        values += [stage, *chosen, run]
    any_run = f"({of_task} {NEWEST_FIRST} LIMIT 1)"
    values += [stage, *chosen]
    seq = f"COALESCE({', '.join([*preferred, any_run])})" if preferred else any_run
    columns = ", ".join(f"found.{column}" for column in COLUMNS)
    return (
        f"SELECT {columns} FROM {wanted} JOIN documents AS found ON found.seq = {seq} ORDER BY wanted.position",
        values,
    )


def latest_by_logical(logical_key_id: str, status: Sequence[Status] | frozenset[Status]) -> tuple[str, list[Any]]:
    """The statement and its values for a logical key."""
    where, values = chosen_by(Choice(status=status))
    return (
        f"SELECT {_COLUMNS} FROM documents WHERE logical_key_id = ? AND {where} {NEWEST_FIRST} LIMIT 1",
        [logical_key_id, *values],
    )


def get_many(wanted: str) -> str:
    """The statement for many doc ids, given as a table expression ``wanted(task, position)``."""
    columns = ", ".join(f"found.{column}" for column in COLUMNS)
    return (
        f"SELECT {columns} FROM {wanted} JOIN documents AS found ON found.doc_id = wanted.task ORDER BY wanted.position"
    )


def parents_of(wanted: str) -> str:
    """The statement for the parents of many documents, given as a table expression ``wanted(task, position)``."""
    return (
        f"SELECT parents.doc_id, parents.parent_doc_id, parents.input_name FROM {wanted}"
        " JOIN document_parents AS parents ON parents.doc_id = wanted.task ORDER BY wanted.position, parents.position"
    )


def row_from(values: Sequence[Any]) -> DocumentRow:
    """The row that a query gave."""
    # Its slots are filled without __init__, which looks up object.__setattr__ for each of them (a frozen dataclass has
    # no other way) and so takes half as long again: a history has thousands of rows.
    row = _new_row(DocumentRow)
    for fill, value in zip(_SLOTS, values, strict=True):
        fill(row, value)
    _SLOTS[_STATUS](row, _STATUSES[values[_STATUS]])
    _SLOTS[_META_SMALL](row, _decode_json(values[_META_SMALL])[0])
    return row


def values_of(row: Mapping[str, Any]) -> list[Any]:
    """What `INSERT` takes, from a row as a mapping."""
    values = [row[column] for column in INSERTED]
    values[_STATUS - 1] = str(values[_STATUS - 1])
    # ASCII: PostgreSQL and sqlite3 refuse lone surrogates, and PostgreSQL a NUL; their escapes are plain text.
    values[_META_SMALL - 1] = json.dumps(values[_META_SMALL - 1], allow_nan=False)
    return values


def chosen_by(choice: Choice) -> tuple[str, list[Any]]:
    """The condition of a choice, without its runs, and its values."""
    values: list[Any] = []
    if frozenset(choice.status) == OK:
        where = "status = 'ok'"  # spelled out, so that the partial index serves
    else:
        values = sorted(str(status) for status in choice.status)
        where = f"status IN ({', '.join('?' * len(values))})"
    if choice.as_of is not None:
        where += " AND created_at <= ?"
        values.append(choice.as_of)
    return where, values
