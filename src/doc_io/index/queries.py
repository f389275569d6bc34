"""The SQL of the index that both engines share.

Placeholders are ``?``; an engine whose driver has others replaces them. No value is ever part of a statement.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from doc_io.document import COLUMNS, OK, DocumentRow, Status
from doc_io.ids import parent_list_id
from doc_io.index.base import Filter, GroupedBy, NewRow, PruneCandidate, VersionSelector
from doc_io.index.schema import INSERTED

_COLUMNS = ", ".join(COLUMNS)
NEWEST_FIRST = "ORDER BY created_at DESC, seq DESC"
_STATUS = COLUMNS.index("status")
_META_SMALL = COLUMNS.index("meta_small")
_CANDIDATE_STATUS = PruneCandidate._fields.index("status")
_STATUSES = {status.value: status for status in Status}
_new_row = object.__new__

_IS_OK = "status = 'ok'"  # spelled out, so that the partial indexes serve
_OF_TASK = f"SELECT {_COLUMNS} FROM documents WHERE stage = ? AND task_id = ? AND"
LATEST_OK_BY_TASK = f"{_OF_TASK} {_IS_OK} {NEWEST_FIRST} LIMIT 1"
GET = f"SELECT {_COLUMNS} FROM documents WHERE doc_id = ?"
SCAN = f"SELECT {_COLUMNS} FROM documents WHERE seq > ? ORDER BY seq LIMIT 1000"
# The stage is compared as an expression, so that the engine walks along the keys: a page is a part of one walk then.
SCAN_KEYS = (
    f"SELECT {_COLUMNS} FROM documents WHERE stage || '' = ? AND logical_key_id < ?"
    " AND (logical_key_id, created_at, seq) > (?, ?, ?) ORDER BY logical_key_id, created_at, seq LIMIT 1000"
)

LISTED = "LEFT JOIN document_parent_lists AS listed ON listed.list_id = made.parent_list_id"
"""Joins the parents of documents ``made``; for one without a list, which has at most one parent, a row without any."""
PARENT, INPUT_NAME = (
    "coalesce(listed.parent_doc_id, made.parent_doc_id)",
    "coalesce(listed.input_name, made.parent_input_name)",
)
"""Each of these parents, and the name of its input, which is not null for any parent but one named in the row alone."""
PARENTS = (
    f"SELECT {PARENT}, {INPUT_NAME} FROM documents AS made {LISTED}"
    f" WHERE made.doc_id = ? AND {INPUT_NAME} IS NOT NULL ORDER BY listed.position"
)
LAST_OF_RUN = f"SELECT {_COLUMNS} FROM documents WHERE run_id = ? {NEWEST_FIRST} LIMIT 1"
READ_BY_RUN = (
    f"SELECT {_COLUMNS} FROM documents WHERE doc_id IN (SELECT parent_doc_id FROM documents WHERE run_id = ?"
    " UNION SELECT parent_doc_id FROM document_parent_lists WHERE list_id IN ("
    "SELECT parent_list_id FROM documents WHERE run_id = ?))"
)
CHILDREN = (
    f"SELECT {_COLUMNS} FROM documents WHERE doc_id IN ("
    "SELECT doc_id FROM documents WHERE parent_doc_id = ? UNION SELECT made.doc_id FROM document_parent_lists AS listed"
    f" JOIN documents AS made ON made.parent_list_id = listed.list_id WHERE listed.parent_doc_id = ?) {NEWEST_FIRST}"
)
STAGE_COUNTS = (
    "SELECT stage, status, count(*), coalesce(sum(raw_chars), 0) + coalesce(sum(parsed_chars), 0)"
    " FROM documents GROUP BY stage, status ORDER BY stage, status"
)
BY_PREFIX = f"SELECT {_COLUMNS} FROM documents WHERE doc_id >= ? AND doc_id < ? ORDER BY doc_id LIMIT ?"
NEWEST_SEQ = "SELECT coalesce(max(seq), 0) FROM documents"
COUNT = "SELECT count(*) FROM documents"
LATE_ROWS = f"SELECT {_COLUMNS} FROM documents WHERE seq > ? ORDER BY seq"
DUPLICATES = (
    "SELECT min(doc_id), max(doc_id), count(*) FROM documents WHERE raw_chars > 0"
    " GROUP BY content_hash HAVING count(*) > 1 ORDER BY 3 DESC, 1"
)
WITHOUT_OK = (
    "SELECT stage, task_id, count(*) FROM documents WHERE status <> 'skipped' AND NOT EXISTS ("
    "SELECT 1 FROM documents AS good WHERE good.stage = documents.stage AND good.task_id = documents.task_id"
    " AND good.status = 'ok') GROUP BY stage, task_id ORDER BY stage, task_id"
)
_CANDIDATE = ", ".join(f"found.{column}" for column in PruneCandidate._fields)


def _not_latest_ok(of: str = "") -> str:
    return (
        "(found.status <> 'ok' OR found.seq <> (SELECT seq FROM documents AS latest WHERE latest.stage = found.stage"
        f" AND latest.task_id = found.task_id AND latest.status = 'ok'{of} {NEWEST_FIRST} LIMIT 1))"
    )


_NOT_LATEST_OK = _not_latest_ok()
_NOT_LATEST_OK_THEN = _not_latest_ok(" AND latest.created_at < ?")
INSERT = f"INSERT INTO documents ({', '.join(INSERTED)}) VALUES ({', '.join('?' * len(INSERTED))})"

STORE_ID = "SELECT value FROM documents_properties WHERE name = 'store_id'"
SET_STORE_ID = "INSERT INTO documents_properties (name, value) VALUES ('store_id', ?) ON CONFLICT (name) DO NOTHING"
REPLACE_STORE_ID = (
    "INSERT INTO documents_properties (name, value) VALUES ('store_id', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
AFTER_ANY_ID = "{"
"""The character that follows ``z``, the last one of an id."""

ANSWERS = f"SELECT {_COLUMNS} FROM documents WHERE stage = ? AND task_id = ? AND prompt_hash = ? {NEWEST_FIRST}"


def history(stage: str, task_id: str, after: DocumentRow | None, limit: int | None) -> tuple[str, list[Any]]:
    """The statement and its values for the documents of a task, or a page of them."""
    statement = f"SELECT {_COLUMNS} FROM documents WHERE stage = ? AND task_id = ?"
    values: list[Any] = [stage, task_id]
    if after is not None:
        statement, values = f"{statement} AND (created_at, seq) < (?, ?)", [*values, after.created_at, after.seq]
    if limit is not None:
        return f"{statement} {NEWEST_FIRST} LIMIT ?", [*values, limit]
    return f"{statement} {NEWEST_FIRST}", values


def latest_by_task(stage: str, task_id: str, selector: VersionSelector) -> tuple[str, list[Any]]:
    """The statement and its values for one task, where no run is preferred."""
    where, values = condition_of(selector)
    return (
        f"{_OF_TASK} {where} {NEWEST_FIRST} LIMIT 1",
        [stage, task_id, *values],
    )


def latest_by_tasks(keys_table: str, stage: str, selector: VersionSelector) -> tuple[str, list[Any]]:
    """The statement and its values for many tasks: one correlated ``LIMIT 1`` for each of them.

    A window function over the table took 11 s where this takes 8 ms (1,000 tasks of a million rows in SQLite).

    Args:
        keys_table: A table expression ``keys(key, position)`` in the engine's own SQL.
        stage: Kind of document.
        selector: Which of each task's documents.
    """
    condition, selected = condition_of(selector)
    of_task = f"SELECT seq FROM documents WHERE stage = ? AND task_id = keys.key AND {condition}"
    preferred = [f"({of_task} AND run_id = ? {NEWEST_FIRST} LIMIT 1)" for _ in selector.runs]
    values: list[Any] = []
    for run in selector.runs:
        values += [stage, *selected, run]
    any_run = f"({of_task} {NEWEST_FIRST} LIMIT 1)"
    values += [stage, *selected]
    seq = f"COALESCE({', '.join([*preferred, any_run])})" if preferred else any_run
    columns = ", ".join(f"found.{column}" for column in COLUMNS)
    return (
        f"SELECT {columns} FROM {keys_table} JOIN documents AS found ON found.seq = {seq} ORDER BY keys.position",
        values,
    )


def latest_by_logical(logical_key_id: str, status: Sequence[Status] | frozenset[Status]) -> tuple[str, list[Any]]:
    """The statement and its values for a logical key."""
    where, values = condition_of(VersionSelector(status=status))
    return (
        f"SELECT {_COLUMNS} FROM documents WHERE logical_key_id = ? AND {where} {NEWEST_FIRST} LIMIT 1",
        [logical_key_id, *values],
    )


def get_many(keys_table: str) -> str:
    """The statement for many doc ids, given as a table expression ``keys(key, position)``."""
    columns = ", ".join(f"found.{column}" for column in COLUMNS)
    return (
        f"SELECT {columns} FROM {keys_table} JOIN documents AS found ON found.doc_id = keys.key ORDER BY keys.position"
    )


def parents_of(keys_table: str) -> str:
    """The statement for the parents of many documents, given as ``keys(key, position)``."""
    return (
        f"SELECT keys.key, {PARENT}, {INPUT_NAME} FROM {keys_table} JOIN documents AS made ON made.doc_id = keys.key"
        f" {LISTED} WHERE {INPUT_NAME} IS NOT NULL ORDER BY keys.position, listed.position"
    )


def children_of(keys_table: str) -> str:
    """The statement for what was made from many documents: the ``seq`` of each and of its children.

    Args:
        keys_table: A table expression ``keys(key, position)`` of ``seq`` numbers.
    """
    return (
        f"WITH level AS (SELECT found.seq, found.doc_id FROM {_by_seq(keys_table)})"
        " SELECT level.seq, made.seq FROM level CROSS JOIN documents AS made WHERE made.parent_doc_id = level.doc_id"
        " UNION SELECT level.seq, made.seq FROM level CROSS JOIN document_parent_lists AS listed"
        " CROSS JOIN documents AS made"
        " WHERE listed.parent_doc_id = level.doc_id AND made.parent_list_id = listed.list_id"
    )


def candidates(keys_table: str) -> str:
    """The statement for what `prune` needs of many documents, given as for `children_of`."""
    return f"SELECT {_CANDIDATE} FROM {_by_seq(keys_table)} ORDER BY keys.position"


def _by_seq(keys_table: str) -> str:
    return f"{keys_table} JOIN documents AS found ON found.seq = CAST(keys.key AS bigint)"


def superseded(where: Filter, keep_ok: int, keep_failed: int) -> tuple[str, list[Any]]:
    """The statement and its values for what is not among the newest of its (stage, task)."""
    condition, values = where_clause(where, table="found")
    position = (
        "row_number() OVER (PARTITION BY stage, task_id, CASE WHEN status = 'ok' THEN 1 ELSE 0 END"
        f" {NEWEST_FIRST}) AS position"
    )
    return (
        f"SELECT {_CANDIDATE} FROM (SELECT {_COLUMNS}, {position} FROM documents) AS found"
        f"{condition or ' WHERE true'} AND found.position > CASE WHEN found.status = 'ok' THEN ? ELSE ? END"
        f" AND {_NOT_LATEST_OK} {NEWEST_FIRST}"
    ), [*values, keep_ok, keep_failed]


def removable(keys_table: str) -> str:
    """The statement for those of many documents, given as ``keys(key, position)``, that may be removed."""
    return (
        f"SELECT {_CANDIDATE} FROM {keys_table} JOIN documents AS found ON found.doc_id = keys.key"
        f" WHERE found.created_at < ? AND {_NOT_LATEST_OK} AND {_NOT_LATEST_OK_THEN} ORDER BY keys.position"
    )


def remove(keys_table: str) -> str:
    """The statement that deletes those of many documents, given as ``keys(key, position)``, that have no child now."""
    return (
        f"DELETE FROM documents WHERE doc_id IN (SELECT key FROM {keys_table})"
        " AND NOT EXISTS (SELECT 1 FROM documents AS child WHERE child.parent_doc_id = documents.doc_id)"
        " AND NOT EXISTS (SELECT 1 FROM document_parent_lists AS listed"
        " JOIN documents AS child ON child.parent_list_id = listed.list_id"
        " WHERE listed.parent_doc_id = documents.doc_id)"
    )


def parent_lists(keys_table: str) -> str:
    """The statement for the ids of the lists of parents that many documents, given as ``keys(key, position)``, have."""
    return (
        f"SELECT DISTINCT parent_list_id FROM documents WHERE doc_id IN (SELECT key FROM {keys_table})"
        " AND parent_list_id IS NOT NULL"
    )


def remove_parent_lists(keys_table: str) -> str:
    """The statement that deletes those of many lists of parents, given as for `remove`, that no document has."""
    return (
        f"DELETE FROM document_parent_lists WHERE list_id IN (SELECT key FROM {keys_table})"
        " AND NOT EXISTS (SELECT 1 FROM documents WHERE parent_list_id = document_parent_lists.list_id)"
    )


def rename(keys_table: str) -> str:
    """The statement that gives many documents another stage, and another task where that is not null."""
    return (
        "UPDATE documents SET (stage, task_id) = (?, coalesce(?, task_id))"
        f" WHERE doc_id IN (SELECT key FROM {keys_table})"
    )


def successors(keys_table: str) -> str:
    """The statement for the folder of the ok document that replaced each of many documents as the latest of its task."""
    return (
        f"SELECT keys.key, (SELECT doc_dir FROM documents AS next WHERE next.stage = found.stage"
        " AND next.task_id = found.task_id AND next.status = 'ok'"
        " AND (next.created_at, next.seq) > (found.created_at, found.seq) ORDER BY next.created_at, next.seq LIMIT 1)"
        f" FROM {keys_table} JOIN documents AS found ON found.doc_id = keys.key WHERE found.status = 'ok'"
    )


def candidate_from(values: Sequence[Any]) -> PruneCandidate:
    """The candidate of a result row of `superseded`, `candidates` or `removable`."""
    return PruneCandidate(*values)._replace(status=Status(values[_CANDIDATE_STATUS]))


def select(where: Filter, after: DocumentRow | None, limit: int, hint: str = "") -> tuple[str, list[Any]]:
    """The statement and its values for one page of the newest rows that match a filter.

    The page is selected by ``seq`` alone, so that it is answered from an index without reading any other row.

    Args:
        where: The filter.
        after: The last row of the previous page.
        limit: Maximum number of rows.
        hint: A hint for the engine's planner. Default: none.
    """
    condition, values = where_clause(where)
    if after is not None:
        condition += f"{' AND' if condition else ' WHERE'} (created_at, seq) < (?, ?)"
        values += [after.created_at, after.seq]
    page = f"SELECT seq FROM documents{hint}{condition} {NEWEST_FIRST} LIMIT ?"
    return f"SELECT {_COLUMNS} FROM documents WHERE seq IN ({page}) {NEWEST_FIRST}", [*values, limit]


def usage(by: GroupedBy, where: Filter) -> tuple[str, list[Any]]:
    """The statement and its values for token totals, summed over the table."""
    condition, values = where_clause(where)
    prompt, completion = "coalesce(sum(usage_prompt_tokens), 0)", "coalesce(sum(usage_completion_tokens), 0)"
    totals = (
        f"SELECT {_GROUPS[by]} AS shared, count(*), {prompt}, {completion} FROM documents{condition} GROUP BY shared"
    )
    return f"{totals} ORDER BY {prompt} + {completion} DESC, shared", values


def row_from(values: Sequence[Any]) -> DocumentRow:
    """The row of a query result."""
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
    """Cached: documents that ended the same way have the same text here, so few of many rows have to be parsed."""
    found: dict[str, Any] = json.loads(text)
    return found


def values_of(new: NewRow) -> list[Any]:
    """The values of `INSERT` of a row; the last is the id of the list of its parents, ``None`` where it needs none."""
    row, parents = new
    values = [row[column] for column in INSERTED[:-2]]
    values[_STATUS - 1] = str(values[_STATUS - 1])
    # ASCII: PostgreSQL and sqlite3 refuse lone surrogates, and PostgreSQL a NUL; their escapes are plain text.
    values[_META_SMALL - 1] = json.dumps(values[_META_SMALL - 1], allow_nan=False)
    if not parents:
        return [*values, None, None]
    if len(parents) == 1 and parents[0].doc_id == row["parent_doc_id"]:
        return [*values, parents[0].input_name, None]
    return [*values, None, parent_list_id(parents)]


# What a caller may group by, spelled out: no text of a caller is ever part of a statement.
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


def where_clause(where: Filter, *, table: str = "documents") -> tuple[str, list[Any]]:
    """The conditions of a filter, with the word ``WHERE`` if there are any, and their values.

    Args:
        where: Which rows.
        table: The name or the alias of the table in the statement. Default: ``documents``.
    """
    conditions: list[str] = []
    values: list[Any] = []
    for column in ("stage", "task_id", "model_id", "template_id", "run_id", "experiment_id", "doc_id"):
        value = getattr(where, column)
        if isinstance(value, str):
            conditions.append(f"{column} = ?")
            values.append(value)
        elif value:
            conditions.append(f"{column} IN ({', '.join('?' * len(value))})")
            values += value
    if where.status:
        conditions.append(f"status IN ({', '.join('?' * len(where.status))})")
        values += sorted(str(status) for status in where.status)
    if where.since is not None:
        conditions.append("created_at >= ?")
        values.append(where.since)
    if where.until is not None:
        conditions.append("created_at < ?")
        values.append(where.until)
    if where.newest:
        conditions.append(
            f"NOT EXISTS (SELECT 1 FROM documents AS newer WHERE newer.stage = {table}.stage"
            f" AND newer.task_id = {table}.task_id AND (newer.created_at, newer.seq) > ({table}.created_at, {table}.seq))"
        )
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", values


def condition_of(selector: VersionSelector) -> tuple[str, list[Any]]:
    """The condition of a selector, without its runs, and its values."""
    values: list[Any] = []
    if frozenset(selector.status) == OK:
        condition = _IS_OK
    else:
        values = sorted(str(status) for status in selector.status)
        condition = f"status IN ({', '.join('?' * len(values))})"
    if selector.as_of is not None:
        condition += " AND created_at <= ?"
        values.append(selector.as_of)
    return condition, values
