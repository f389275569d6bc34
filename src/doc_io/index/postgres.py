"""The index in PostgreSQL: many machines write to it, and what it acknowledged survives their deaths and the server's."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from doc_io.document import DocumentRow, Parent, Status
from doc_io.errors import (
    CommitUnknownError,
    IndexAccessError,
    IndexFormatError,
    IndexVersionError,
    MaintenanceBusyError,
    QueryError,
)
from doc_io.index import lateral, queries
from doc_io.index.base import HistoryHead, VersionSelector
from doc_io.index.pool import STATEMENT_SECONDS, Pool
from doc_io.index.postgres_search import PostgresTexts
from doc_io.index.procedure import CREATE, LOCK, Insert, is_lost, lock_key
from doc_io.index.schema import INSERTED, INTEGERS, REALS, SCHEMA_VERSION, create_statements
from doc_io.index.sql_index import SqlIndex

if TYPE_CHECKING:
    import psycopg

_T = TypeVar("_T")

_MARK = "doc_io index, schema "
_MARKED = re.compile(rf"{re.escape(_MARK)}(\d+)")
# Asked of the catalog itself: to_regclass may still say no after another writer made the table.
_FIND = (
    "SELECT obj_description(found.oid, 'pg_class') FROM pg_class AS found"
    " JOIN pg_namespace AS schema ON schema.oid = found.relnamespace"
    " WHERE found.relname = 'documents' AND schema.nspname = ANY (current_schemas(false))"
    " ORDER BY array_position(current_schemas(false), schema.nspname) LIMIT 1"
)
_SCHEMA_LOCK = "doc_io schema"
_BATCH = 1000  # rows


def _sql(statement: str) -> str:
    """The statement with psycopg's placeholders."""
    return statement.replace("?", "%s")


def _array_of(column: str) -> str:
    return "bigint" if column in INTEGERS else "double precision" if column in REALS else "text"


_PLACE, _GET = _sql(queries.PLACE), _sql(queries.GET)
_INSERT_MISSING = (  # a list for each column: one statement for many rows
    f"INSERT INTO documents ({', '.join(INSERTED)}) SELECT * FROM unnest("
    + ", ".join(f"%s::{_array_of(column)}[]" for column in INSERTED)
    + ") ON CONFLICT (doc_id) DO NOTHING RETURNING doc_id"
)
_INSERT_PARENT = _sql(queries.INSERT_PARENT)
_LISTED = ", ".join(INSERTED)
_ARRIVAL = (
    "CREATE TEMP TABLE arrived (LIKE documents) ON COMMIT DROP",
    "ALTER TABLE arrived ALTER COLUMN seq DROP NOT NULL, ADD UNIQUE (doc_id)",
    "CREATE TEMP TABLE arrived_parents (LIKE document_parents, UNIQUE (doc_id, position)) ON COMMIT DROP",
)
_LATE = "(SELECT doc_id FROM documents WHERE seq > %s)"
_LATE_ROWS = (  # they count more than their records, which may have been read before their last change
    f"DELETE FROM arrived_parents WHERE doc_id IN {_LATE}",
    f"DELETE FROM arrived WHERE doc_id IN {_LATE}",
    f"INSERT INTO arrived_parents SELECT * FROM document_parents WHERE doc_id IN {_LATE}",
    f"INSERT INTO arrived ({_LISTED}) SELECT {_LISTED} FROM documents WHERE seq > %s",
)
_EXCHANGE = (
    "DELETE FROM documents",
    "DELETE FROM document_parents",
    (
        f"INSERT INTO documents (seq, {_LISTED}) OVERRIDING SYSTEM VALUE"
        f" SELECT row_number() OVER (ORDER BY created_at, doc_id), {_LISTED} FROM arrived ORDER BY created_at, doc_id"
    ),
    "INSERT INTO document_parents SELECT * FROM arrived_parents",
    "SELECT setval(pg_get_serial_sequence('documents', 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM documents), false)",
)


class PostgresIndex(SqlIndex):
    """An index in a database, its tables made on first use in the schema that comes first in the user's search path.

    Args:
        url: The database; see `doc_io.index.pool.Pool`.
    """

    wanted = lateral.WANTED

    def __init__(self, url: str) -> None:
        self._pool = Pool(url)
        self.name = self._pool.name
        self._lock = threading.Lock()
        self._ready = False

    def __repr__(self) -> str:
        return f"PostgresIndex({self.name!r})"

    def head(self, stage: str, task_id: str, logical_key_id: str) -> HistoryHead:
        found = self._ask(lambda connection: connection.execute(_PLACE, (stage, task_id, logical_key_id)).fetchone())
        return HistoryHead(*(found or ()))

    def insert(self, row: Mapping[str, Any], parents: Iterable[Parent]) -> DocumentRow:
        return self.insert_all([(row, tuple(parents))])[0]

    def insert_all(self, rows: Sequence[tuple[Mapping[str, Any], Sequence[Parent]]]) -> list[DocumentRow]:
        attempt = Insert(rows)
        try:
            seqs = self._ask(attempt)
        except IndexAccessError:
            if attempt.outcome_unknown:
                raise CommitUnknownError(index=self.name, doc_id=rows[0][0]["doc_id"]) from None
            raise
        return [
            DocumentRow(seq=seq, **{**row, "status": Status(row["status"])})
            for seq, (row, _) in zip(seqs, rows, strict=True)
        ]

    def insert_many(self, rows: Iterable[tuple[Mapping[str, Any], Sequence[Parent]]]) -> int:
        inserted = 0
        remaining = iter(rows)
        with self._told(), self._connection() as connection, connection.transaction():
            while batch := list(itertools.islice(remaining, _BATCH)):
                inserted += _insert_batch(connection, batch)
        return inserted

    def get_many(self, doc_ids: Sequence[str]) -> list[DocumentRow]:
        return self.documents(lateral.GET_MANY, (list(doc_ids),))

    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], choice: VersionSelector) -> dict[str, DocumentRow]:
        if len(task_ids) == 1 and not choice.runs:
            row = self.document(*queries.latest_by_task(stage, task_ids[0], choice))
            return {} if row is None else {row.task_id: row}
        statement, values = lateral.latest_by_tasks(stage, choice)
        return {row.task_id: row for row in self.documents(statement, (list(task_ids), *values))}

    def ask(self, statement: str, limit: int = 1000) -> tuple[list[str], list[tuple[Any, ...]]]:
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        try:
            with self._connection() as connection, connection.transaction():
                connection.execute("SET TRANSACTION READ ONLY")
                # Prepared: the protocol then takes one statement only, so that none can end the transaction first.
                cursor = connection.execute(statement.encode(), prepare=True)
                names = [column.name for column in cursor.description or ()]
                return names, cursor.fetchmany(limit) if names else []
        except (psycopg.ProgrammingError, psycopg.DataError, psycopg.InternalError, psycopg.NotSupportedError) as error:
            raise QueryError(reason=error) from None
        except psycopg.Error as error:
            raise self._pool.error(error) from None

    def texts(self) -> PostgresTexts:
        return PostgresTexts(self)

    def change(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Carry out statements in one transaction; each may be carried out twice where the connection is lost."""

        def changed(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                for statement, values in statements:
                    connection.execute(_sql(statement), values)

        self._ask(changed)

    def remove(self, doc_ids: Sequence[str]) -> list[str]:
        def removed(connection: psycopg.Connection[Any]) -> list[str]:
            gone = []
            with connection.transaction():
                # No child can come in between the look for one and the removal of its parent.
                connection.execute("LOCK TABLE documents IN SHARE ROW EXCLUSIVE MODE")
                for doc_id in doc_ids:
                    deleted = connection.execute(_sql(queries.REMOVE), (doc_id,)).rowcount
                    if deleted:
                        connection.execute(_sql(queries.REMOVE_PARENTS), (doc_id,))
                    if deleted or connection.execute(_GET, (doc_id,)).fetchone() is None:
                        gone.append(doc_id)
            return gone

        return self._ask(removed)

    def rebuild(self, rows: Iterable[tuple[Mapping[str, Any], Sequence[Parent]]]) -> int:
        with self._told(), self._connection() as connection, connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            newest = _only(connection, queries.NEWEST_SEQ)
            for statement in _ARRIVAL:
                connection.execute(statement)
            arriving = iter(rows)
            while batch := list(itertools.islice(arriving, _BATCH)):
                _arrive(connection, batch)
            # From here on writers wait; readers see the old rows until the commit.
            connection.execute("LOCK TABLE documents IN EXCLUSIVE MODE")
            for statement in _LATE_ROWS:
                connection.execute(statement, (newest,))
            for statement in _EXCHANGE:
                connection.execute(statement)
            return _only(connection, queries.COUNT)

    @contextmanager
    def maintenance_lock(self) -> Iterator[None]:
        with self._told():
            connection = self._pool.direct()
        try:
            (held,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock_key("upkeep"),)).fetchone() or (
                False,
            )
            if not held:
                raise MaintenanceBusyError(index=self.name)
            yield
        finally:
            connection.close()

    @contextmanager
    def repair_lock(self) -> Iterator[None]:
        with self._told():
            connection = self._pool.direct()
        try:
            with self._told():
                connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
                connection.execute("SELECT pg_advisory_lock(%s)", (lock_key("mending"),))
            yield
        finally:
            connection.close()  # lets go of the lock

    def answers(self, statement: str, values: Sequence[Any], make: Callable[[Sequence[Any]], _T]) -> list[_T]:
        statement = _sql(statement)
        return self._ask(lambda connection: list(map(make, connection.execute(statement, values))))

    def listed(self, ids: Sequence[str]) -> list[str]:
        return list(ids)

    def close(self) -> None:
        self._pool.close()

    def _ask(self, question: Callable[[psycopg.Connection[Any]], _T]) -> _T:
        """Ask, and once more on a new connection where the first one was lost: every question may be asked twice."""
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        with self._told():
            try:
                with self._connection() as connection:
                    return question(connection)
            except psycopg.OperationalError as error:
                if not is_lost(error):
                    raise
            self._pool.complete_partial_write()
            with self._connection() as connection:
                return question(connection)

    @contextmanager
    def _told(self) -> Iterator[None]:
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver
        from psycopg_pool import PoolTimeout  # noqa: PLC0415 - as above

        try:
            yield
        except PoolTimeout as error:
            raise self._pool.error(self._why(error)) from None
        except psycopg.Error as error:
            raise self._pool.error(error) from None

    def _why(self, late: psycopg.Error) -> psycopg.Error:
        """The reason for a pool's time-out, which a connection outside it meets too."""
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        try:
            self._pool.direct().close()
        except psycopg.Error as error:
            return error
        return late

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        if not self._ready:
            with self._lock:
                if not self._ready:
                    self._prepare()
                    self._ready = True
        with self._pool.connection() as connection:
            yield connection

    def _prepare(self) -> None:
        """Make the tables where there are none. Outside the pool, so that a wrong password is known at once."""
        connection = self._pool.direct()
        try:
            if self._is_index(connection):
                return
            with connection.transaction():
                connection.execute(LOCK, ([lock_key(_SCHEMA_LOCK)],))
                if self._is_index(connection):  # another writer was first
                    return
                for statement in create_statements(
                    seq="bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                    integer="bigint",
                    # Order by bytes, as SQLite does; a database's own collation may change with its operating system
                    # and leave its indexes wrong (wiki.postgresql.org/wiki/Locale_data_changes).
                    text='text COLLATE "C"',
                    real="double precision",
                ):
                    connection.execute(statement)
                connection.execute(CREATE)
                connection.execute(f"COMMENT ON TABLE documents IS '{_MARK}{SCHEMA_VERSION}'")
        finally:
            connection.close()

    def _is_index(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether our table is there; False where none of its name is."""
        found = connection.execute(_FIND).fetchone()
        if found is None:
            return False
        mark = _MARKED.fullmatch(found[0] or "")
        if mark is None:
            raise IndexFormatError(index=self.name, reason="its table documents is of something else")
        if int(mark[1]) > SCHEMA_VERSION:
            raise IndexVersionError(index=self.name, found=mark[1], known=SCHEMA_VERSION)
        return True


def _insert_batch(connection: psycopg.Connection[Any], batch: list[tuple[Mapping[str, Any], Sequence[Parent]]]) -> int:
    columns = [list(column) for column in zip(*(queries.values_of(row) for row, _ in batch), strict=True)]
    new = {doc_id for (doc_id,) in connection.execute(_INSERT_MISSING, columns)}
    # A doc_id that comes twice in a batch is one document.
    parents = {row["doc_id"]: parents for row, parents in reversed(batch) if row["doc_id"] in new}
    _insert_parents(connection, parents.items())
    return len(new)


def _arrive(connection: psycopg.Connection[Any], batch: list[tuple[Mapping[str, Any], Sequence[Parent]]]) -> None:
    columns = [list(column) for column in zip(*(queries.values_of(row) for row, _ in batch), strict=True)]
    connection.execute(_INSERT_MISSING.replace("INTO documents", "INTO arrived", 1), columns)
    connection.cursor().executemany(
        f"{_INSERT_PARENT.replace('INTO document_parents', 'INTO arrived_parents', 1)} ON CONFLICT DO NOTHING",
        [
            (row["doc_id"], position, parent.doc_id, parent.input_name)
            for row, parents in batch
            for position, parent in enumerate(parents)
        ],
    )


def _only(connection: psycopg.Connection[Any], question: str) -> int:
    (answer,) = connection.execute(_sql(question)).fetchone() or (0,)
    return int(answer)


def _insert_parents(connection: psycopg.Connection[Any], documents: Iterable[tuple[str, Sequence[Parent]]]) -> None:
    values = [
        (doc_id, position, parent.doc_id, parent.input_name)
        for doc_id, parents in documents
        for position, parent in enumerate(parents)
    ]
    if values:
        connection.cursor().executemany(_INSERT_PARENT, values)
