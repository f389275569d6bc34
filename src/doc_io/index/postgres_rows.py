"""Inserting rows into PostgreSQL: a list for each column, so that many rows are one statement."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from doc_io.document import Parent
from doc_io.index import queries
from doc_io.index.base import NewRow, first_of_each_task
from doc_io.index.postgres_queries import statement_for
from doc_io.index.schema import INSERTED, INTEGERS, REALS

if TYPE_CHECKING:
    import psycopg


def _array_of(column: str) -> str:
    return "bigint[]" if column in INTEGERS else "double precision[]" if column in REALS else "text[]"


_COLUMNS = ", ".join(INSERTED)
_ROWS = f"unnest({', '.join(f'%s::{_array_of(column)}' for column in INSERTED)})"


def _insert(condition: str = "", suffix: str = "") -> str:
    """Inserts rows that are not there, and returns the ``seq`` of each; values as `columns_of` gives."""
    return (
        f"INSERT INTO documents{suffix} ({_COLUMNS}) SELECT * FROM {_ROWS}{condition}"
        " ON CONFLICT (doc_id) DO NOTHING RETURNING doc_id, seq"
    )


def _insert_lists(suffix: str = "") -> str:
    """Inserts lists of parents that are not there, if one of their documents is; values as `_list_values` gives."""
    return (
        f"INSERT INTO document_parent_lists{suffix} (list_id, position, parent_doc_id, input_name)"
        " SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[])"
        f" WHERE EXISTS (SELECT 1 FROM documents{suffix} WHERE doc_id = ANY (%s)) ON CONFLICT DO NOTHING"
    )


# False where any task has another head than the one that its first row follows: then nothing is inserted.
_HEADS_HOLD = (
    " WHERE NOT EXISTS (SELECT 1 FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])"
    " AS claim(stage, task_id, prev_doc_id, created_at) LEFT JOIN LATERAL (SELECT doc_id, created_at FROM documents"
    f" WHERE stage = claim.stage AND task_id = claim.task_id {queries.NEWEST_FIRST} LIMIT 1) AS head ON true"
    " WHERE head.doc_id IS DISTINCT FROM claim.prev_doc_id OR head.created_at >= claim.created_at)"
)
_INSERT_FOLLOWING = statement_for(_insert(_HEADS_HOLD))

# Until the end of the transaction, in a fixed order, so that no two writers wait for each other.
LOCK = "SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest(%s::bigint[]) AS key ORDER BY 1) AS keys"
"""Takes the advisory locks of its one value, a list of numbers."""


class InsertFollowing:
    """The transaction of `doc_io.index.sql_index.Index.insert_following`, in one round trip.

    Attributes:
        outcome_unknown: Whether a COMMIT may have reached the server without an answer.
    """

    def __init__(self, rows: Sequence[NewRow]) -> None:
        self.outcome_unknown = False
        first = first_of_each_task(rows)
        self._locks = [lock_key("task", *task) for task in first]
        claims = [
            (stage, task_id, row["lineage_prev_doc_id"], row["created_at"]) for (stage, task_id), row in first.items()
        ]
        columns, self._lists = _columns_of(rows)
        self._values = [*columns, *map(list, zip(*claims, strict=True))]

    def __call__(self, connection: psycopg.Connection[Any]) -> dict[str, int]:
        """Insert and commit; returns the ``seq`` of each inserted document."""
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        before, self.outcome_unknown = self.outcome_unknown, True
        try:
            with connection.pipeline():
                # READ COMMITTED, whatever the database's default is: each statement sees what was committed before it
                # began, so the one behind the locks sees what the last holder of the locks wrote.
                connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                connection.execute(LOCK, (self._locks,))
                inserted = connection.execute(_INSERT_FOLLOWING, self._values)
                insert_parent_lists(connection, self._lists)
                connection.execute("COMMIT")
            seqs = dict(inserted.fetchall())
        except psycopg.Error as error:
            if not is_lost(error):  # the server refused it
                self.outcome_unknown = before
                connection.rollback()
            raise
        self.outcome_unknown = False
        return seqs


ParentLists = Mapping[str, tuple[str, Sequence[Parent]]]
"""Lists of parents by their ids, each with a document that has it."""


def insert_placed(
    connection: psycopg.Connection[Any], batch: Sequence[NewRow], suffix: str = ""
) -> tuple[int, ParentLists]:
    """Insert rows that are not there yet; of those with one ``doc_id`` the first.

    Args:
        connection: In a transaction.
        batch: The rows.
        suffix: Of the tables; see `doc_io.index.schema.create_tables`.

    Returns:
        The number of rows inserted, and what `insert_parent_lists` must be given before the end of the transaction.
    """
    first: dict[str, NewRow] = {}
    for each in batch:
        first.setdefault(each[0]["doc_id"], each)
    columns, lists = _columns_of(list(first.values()))
    return len(connection.execute(_insert(suffix=suffix), columns).fetchall()), lists


def insert_parent_lists(connection: psycopg.Connection[Any], lists: ParentLists, suffix: str = "") -> None:
    """Insert lists of parents that are not there yet.

    Args:
        connection: In a transaction that inserts no document after this: all writers insert documents first and then
            lists, in the order of their ids, so that no two of them wait for each other.
        lists: As `insert_placed` returned them.
        suffix: As for `insert_placed`.
    """
    if lists:
        connection.execute(_insert_lists(suffix), _list_values(lists))


def _columns_of(rows: Sequence[NewRow]) -> tuple[list[list[Any]], ParentLists]:
    """The values of rows as a list for each column, and the lists of their parents."""
    values = [queries.values_of(each) for each in rows]
    lists = {
        list_id: (row["doc_id"], parents)
        for (*_, list_id), (row, parents) in zip(values, rows, strict=True)
        if list_id is not None
    }
    return [list(column) for column in zip(*values, strict=True)], lists


def _list_values(lists: ParentLists) -> list[list[Any]]:
    listed = [
        (list_id, position, *parent)
        for list_id, (_, parents) in sorted(lists.items())
        for position, parent in enumerate(parents)
    ]
    return [*map(list, zip(*listed, strict=True)), [doc_id for doc_id, _ in lists.values()]]


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection failed, and not the statement."""
    # Without a code it is the client's own; 08 is a connection's, 57P the server's shutting down
    # (postgresql.org/docs/current/errcodes-appendix.html).
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def lock_key(*names: str) -> int:
    """The number of an advisory lock: 64 bits, signed; a rare collision only makes one writer wait."""
    digest = hashlib.sha256("\0".join(("doc_io", *names)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
