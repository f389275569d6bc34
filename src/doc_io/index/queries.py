"""The questions to the index, written once for both engines.

Placeholders are ``?``; an engine whose driver wants others exchanges them. No value is ever part of a statement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from doc_io.document import COLUMNS, OK, DocumentRow, Status
from doc_io.index.base import Filter, GroupedBy, PruneCandidate, VersionSelector
from doc_io.index.schema import INSERTED

_COLUMNS = ", ".join(COLUMNS)
NEWEST_FIRST = "ORDER BY created_at DESC, seq DESC"
_STATUS = COLUMNS.index("status")
_META_SMALL = COLUMNS.index("meta_small")
_REMOVABLE_STATUS = PruneCandidate._fields.index("status")
_STATUSES = {status.value: status for status in Status}
_new_row = object.__new__

_IS_OK = "status = 'ok'"  # spelled out, so that the partial indexes serve
_OF_TASK = f"SELECT {_COLUMNS} FROM documents WHERE stage = ? AND task_id = ? AND"
LATEST_OK_BY_TASK = f"{_OF_TASK} {_IS_OK} {NEWEST_FIRST} LIMIT 1"
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
TALLY = (
    "SELECT stage, status, count(*), coalesce(sum(raw_chars), 0) + coalesce(sum(parsed_chars), 0)"
    " FROM documents GROUP BY stage, status ORDER BY stage, status"
)
STARTING_WITH = f"SELECT {_COLUMNS} FROM documents WHERE doc_id >= ? AND doc_id < ? ORDER BY doc_id LIMIT ?"
NEWEST_SEQ = "SELECT coalesce(max(seq), 0) FROM documents"
COUNT = "SELECT count(*) FROM documents"
LATE = f"SELECT {_COLUMNS} FROM documents WHERE seq > ? ORDER BY seq"
DUPLICATES = (
    "SELECT min(doc_id), max(doc_id), count(*) FROM documents WHERE raw_chars > 0"
    " GROUP BY content_hash HAVING count(*) > 1 ORDER BY 3 DESC, 1"
)
WITHOUT_OK = (
    "SELECT stage, task_id, count(*) FROM documents WHERE status <> 'skipped' AND NOT EXISTS ("
    "SELECT 1 FROM documents AS good WHERE good.stage = documents.stage AND good.task_id = documents.task_id"
    " AND good.status = 'ok') GROUP BY stage, task_id ORDER BY stage, task_id"
)
_REMOVABLE = ", ".join(f"found.{column}" for column in PruneCandidate._fields)


def _not_latest_ok(of: str = "") -> str:
    return (
        "(found.status <> 'ok' OR found.seq <> (SELECT seq FROM documents AS latest WHERE latest.stage = found.stage"
        f" AND latest.task_id = found.task_id AND latest.status = 'ok'{of} {NEWEST_FIRST} LIMIT 1))"
    )


_NOT_LATEST_OK = _not_latest_ok()
_NOT_LATEST_OK_THEN = _not_latest_ok(" AND latest.created_at < ?")
REMOVE = (
    "DELETE FROM documents WHERE doc_id = ?"
    " AND NOT EXISTS (SELECT 1 FROM documents AS child WHERE child.parent_doc_id = documents.doc_id)"
    " AND NOT EXISTS (SELECT 1 FROM document_parents AS child JOIN documents AS made ON made.doc_id = child.doc_id"
    " WHERE child.parent_doc_id = documents.doc_id)"
)
REMOVE_PARENTS = "DELETE FROM document_parents WHERE doc_id = ?"
INSERT = f"INSERT INTO documents ({', '.join(INSERTED)}) VALUES ({', '.join('?' * len(INSERTED))})"
INSERT_PARENT = "INSERT INTO document_parents (doc_id, position, parent_doc_id, input_name) VALUES (?, ?, ?, ?)"


def latest_by_task(stage: str, task_id: str, choice: VersionSelector) -> tuple[str, list[Any]]:
    """The statement and its values for one task, where no run is preferred."""
    where, values = chosen_by(choice)
    return (
        f"{_OF_TASK} {where} {NEWEST_FIRST} LIMIT 1",
        [stage, task_id, *values],
    )


def latest_by_tasks(wanted: str, stage: str, choice: VersionSelector) -> tuple[str, list[Any]]:
    """The statement and its values for many tasks: one correlated ``LIMIT 1`` for each of them.

    A window function over the table took 11 s where this takes 8 ms (1,000 tasks of a million rows in SQLite).

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
    where, values = chosen_by(VersionSelector(status=status))
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
    """The statement for the parents of many documents, given as ``wanted(task, position)``."""
    return (
        f"SELECT wanted.task, found.parent_doc_id, found.input_name FROM {wanted}"
        " JOIN document_parents AS found ON found.doc_id = wanted.task ORDER BY wanted.position, found.position"
    )


def children_of(wanted: str) -> str:
    """The statement for what was made from many documents, given as ``wanted(task, position)``."""
    return (
        f"SELECT wanted.task, made.doc_id FROM {wanted} JOIN documents AS made ON made.doc_id IN ("
        "SELECT doc_id FROM documents WHERE parent_doc_id = wanted.task"
        " UNION SELECT doc_id FROM document_parents WHERE parent_doc_id = wanted.task)"
        " ORDER BY wanted.position, made.created_at, made.seq"
    )


def superseded(wanted: Filter, keep_ok: int, keep_failed: int) -> tuple[str, list[Any]]:
    """The statement and its values for what newer documents of a logical key have taken the place of."""
    where, values = filtered(wanted, of="found")
    place = (
        "row_number() OVER (PARTITION BY logical_key_id, CASE WHEN status = 'ok' THEN 1 ELSE 0 END"
        f" {NEWEST_FIRST}) AS place"
    )
    return (
        f"SELECT {_REMOVABLE} FROM (SELECT {_COLUMNS}, {place} FROM documents) AS found"
        f"{where or ' WHERE true'} AND found.place > CASE WHEN found.status = 'ok' THEN ? ELSE ? END"
        f" AND {_NOT_LATEST_OK} {NEWEST_FIRST}"
    ), [*values, keep_ok, keep_failed]


def removable(wanted: str) -> str:
    """The statement for those of many documents, given as ``wanted(task, position)``, that may be removed."""
    return (
        f"SELECT {_REMOVABLE} FROM {wanted} JOIN documents AS found ON found.doc_id = wanted.task"
        f" WHERE found.created_at < ? AND {_NOT_LATEST_OK} AND {_NOT_LATEST_OK_THEN} ORDER BY wanted.position"
    )


def candidate_from(values: Sequence[Any]) -> PruneCandidate:
    """What `superseded` and `removable` gave."""
    return PruneCandidate(*values)._replace(status=Status(values[_REMOVABLE_STATUS]))


def select(wanted: Filter, after: DocumentRow | None, limit: int, hint: str = "") -> tuple[str, list[Any]]:
    """The statement and its values for one page of the newest rows of a kind.

    The page is chosen by ``seq`` alone, so that an index answers without a look at any row outside of it.

    Args:
        wanted: Which rows.
        after: The last row of the page before.
        limit: How many at most.
        hint: What the engine wants to be told about its plan. Default: nothing.
    """
    where, values = filtered(wanted)
    if after is not None:
        where += f"{' AND' if where else ' WHERE'} (created_at, seq) < (?, ?)"
        values += [after.created_at, after.seq]
    chosen = f"SELECT seq FROM documents{hint}{where} {NEWEST_FIRST} LIMIT ?"
    return f"SELECT {_COLUMNS} FROM documents WHERE seq IN ({chosen}) {NEWEST_FIRST}", [*values, limit]


def usage(by: GroupedBy, wanted: Filter) -> tuple[str, list[Any]]:
    """The statement and its values for token totals, counted in the table."""
    where, values = filtered(wanted)
    prompt, completion = "coalesce(sum(usage_prompt_tokens), 0)", "coalesce(sum(usage_completion_tokens), 0)"
    group = _GROUPS[by]
    totals = f"SELECT {group} AS shared, count(*), {prompt}, {completion} FROM documents{where} GROUP BY shared"
    return f"{totals} ORDER BY {prompt} + {completion} DESC, shared", values


def row_from(values: Sequence[Any]) -> DocumentRow:
    """The row that a query gave."""
    # Filled without __init__, which looks up object.__setattr__ for each of 25 fields (a frozen dataclass has no other
    # way) and so takes three times as long: a history has thousands of rows.
    row = _new_row(DocumentRow)
    columns = row.__dict__
    columns.update(zip(COLUMNS, values, strict=True))
    columns["status"] = _STATUSES[columns["status"]]
    columns["meta_small"] = dict(_meta_small(columns["meta_small"]))
    return row


@lru_cache(1024)
def _meta_small(text: str) -> dict[str, Any]:
    """Documents that ended the same way say the same, so few of many rows have to be parsed."""
    found: dict[str, Any] = json.loads(text)
    return found


def values_of(row: Mapping[str, Any]) -> list[Any]:
    """What `INSERT` takes, from a row as a mapping."""
    values = [row[column] for column in INSERTED]
    values[_STATUS - 1] = str(values[_STATUS - 1])
    # ASCII: PostgreSQL and sqlite3 refuse lone surrogates, and PostgreSQL a NUL; their escapes are plain text.
    values[_META_SMALL - 1] = json.dumps(values[_META_SMALL - 1], allow_nan=False)
    return values


# The words a caller may use, spelled out: no text from outside is ever part of a statement.
_GROUPS: dict[GroupedBy, str] = {
    "model_id": "model_id",
    "template_id": "template_id",
    "stage": "stage",
    "task_id": "task_id",
    "status": "status",
    "run_id": "run_id",
    "experiment_id": "experiment_id",
    "day": "substr(created_at, 1, 10)",
}


def filtered(wanted: Filter, *, of: str = "documents") -> tuple[str, list[Any]]:
    """The conditions of a filter, with the word ``WHERE`` where there are any, and their values.

    Args:
        wanted: Which rows.
        of: The table's name, or its alias, in the statement. Default: ``documents``.
    """
    conditions: list[str] = []
    values: list[Any] = []
    for column in ("stage", "task_id", "model_id", "template_id", "run_id", "experiment_id", "doc_id"):
        value = getattr(wanted, column)
        if isinstance(value, str):
            conditions.append(f"{column} = ?")
            values.append(value)
        elif value:
            conditions.append(f"{column} IN ({', '.join('?' * len(value))})")
            values += value
    if wanted.status:
        conditions.append(f"status IN ({', '.join('?' * len(wanted.status))})")
        values += sorted(str(status) for status in wanted.status)
    if wanted.since is not None:
        conditions.append("created_at >= ?")
        values.append(wanted.since)
    if wanted.until is not None:
        conditions.append("created_at < ?")
        values.append(wanted.until)
    if wanted.newest:
        conditions.append(
            f"NOT EXISTS (SELECT 1 FROM documents AS newer WHERE newer.stage = {of}.stage"
            f" AND newer.task_id = {of}.task_id AND (newer.created_at, newer.seq) > ({of}.created_at, {of}.seq))"
        )
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", values


def chosen_by(choice: VersionSelector) -> tuple[str, list[Any]]:
    """The condition of a choice, without its runs, and its values."""
    values: list[Any] = []
    if frozenset(choice.status) == OK:
        where = _IS_OK
    else:
        values = sorted(str(status) for status in choice.status)
        where = f"status IN ({', '.join('?' * len(values))})"
    if choice.as_of is not None:
        where += " AND created_at <= ?"
        values.append(choice.as_of)
    return where, values
