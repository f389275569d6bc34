"""The index in PostgreSQL: shared by many machines; a committed row survives their crashes and the server's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from doc_io.batches import batches
from doc_io.document import DocumentRow, Parent
from doc_io.errors import (
    CommitUnknownError,
    IndexAccessError,
    IndexBusyError,
    IndexVersionError,
    MaintenanceBusyError,
    QueryError,
)
from doc_io.index import postgres_queries, postgres_schema, queries
from doc_io.index.base import HistoryHead, NewName, NewRow, TaskKey, VersionSelector
from doc_io.index.pool import STATEMENT_SECONDS, Pool
from doc_io.index.postgres_rows import InsertFollowing, insert_parent_lists, insert_placed, is_lost, lock_key
from doc_io.index.postgres_search import PostgresTexts
from doc_io.index.schema import REBUILD, SCHEMA_VERSION
from doc_io.index.sql_index import Index

if TYPE_CHECKING:
    import psycopg

_T = TypeVar("_T")
_BATCH_SIZE = 1000  # rows


_sql = postgres_queries.statement_for
_REMOVE = _sql(queries.remove(postgres_queries.KEYS_TABLE))
_PARENT_LISTS = _sql(queries.parent_lists(postgres_queries.KEYS_TABLE))
_REMOVE_PARENT_LISTS = _sql(queries.remove_parent_lists(postgres_queries.KEYS_TABLE))
_TRY_LOCK, _TRY_SHARED_LOCK = "SELECT pg_try_advisory_lock(%s)", "SELECT pg_try_advisory_lock_shared(%s)"
_HOLDER = (  # an advisory lock of 64 bits stands in two columns of pg_locks
    "SELECT 'process ' || activity.pid || coalesce(' of ' || host(client_addr), '') FROM pg_locks"
    " JOIN pg_stat_activity AS activity USING (pid) WHERE locktype = 'advisory' AND granted"
    " AND (classid::bigint << 32 | objid::bigint) = %s LIMIT 1"
)
_READ_ONLY = (
    "SELECT set_config('default_transaction_read_only', 'on', false), set_config('statement_timeout', %s, false)"
)
_SUPERUSER = (
    "the role of `db_url` is a superuser, who can do more than read. Give `db_read_url` a role that may only read"
)


class PostgresIndex(Index):
    """An index in a database, its tables made on first use in the schema that comes first in the user's search path.

    Args:
        url: The database; see `doc_io.index.pool.Pool`.
        read_url: The same database for `read_sql`, with a role that may only read. Default: ``url``.
    """

    keys_table = postgres_queries.KEYS_TABLE

    def __init__(self, url: str, read_url: str | None = None) -> None:
        self._pool = Pool(url)
        self._reader = self._pool if read_url is None else Pool(read_url)
        self.name, self.address = self._pool.name, self._pool.address
        self.environment = ("PGPASSWORD",) if self._pool.has_password else ()  # read by libpq
        self._lock = threading.Lock()
        self._ready = False

    def __repr__(self) -> str:
        return f"PostgresIndex({self.name!r})"

    def heads(self, tasks: Sequence[TaskKey]) -> dict[TaskKey, HistoryHead]:
        stages, task_ids = [stage for stage, _ in tasks], [task_id for _, task_id in tasks]
        found = self.rows(postgres_queries.HEADS, (stages, task_ids))
        return dict.fromkeys(tasks, HistoryHead()) | {(stage, task): HistoryHead(*head) for stage, task, *head in found}

    def insert_following(self, rows: Sequence[NewRow]) -> dict[str, int]:
        insertion = InsertFollowing(rows)
        try:
            return self._run(insertion)
        except IndexAccessError:
            if insertion.outcome_unknown:
                raise CommitUnknownError(index=self.name, doc_id=rows[0][0]["doc_id"]) from None
            raise

    def insert_placed(self, rows: Iterable[NewRow]) -> int:
        inserted = 0
        lists: dict[str, tuple[str, Sequence[Parent]]] = {}
        with self._translate_errors(), self._connection() as connection, connection.transaction():
            for batch in batches(rows, _BATCH_SIZE):
                count, found = insert_placed(connection, batch)
                inserted += count
                lists |= found
            insert_parent_lists(connection, lists)
        return inserted

    def get_many(self, doc_ids: Sequence[str]) -> list[DocumentRow]:
        return self.documents(postgres_queries.GET_MANY, (list(doc_ids),))

    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], selector: VersionSelector) -> dict[str, DocumentRow]:
        if len(task_ids) == 1 and not selector.runs:
            row = self.document(*queries.latest_by_task(stage, task_ids[0], selector))
            return {} if row is None else {row.task_id: row}
        statement, values = postgres_queries.latest_by_tasks(stage, selector)
        return {row.task_id: row for row in self.documents(statement, (list(task_ids), *values))}

    def read_sql(
        self, statement: str, limit: int = 1000, *, timeout: float = 30.0
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        if self._reader is self._pool:
            with self._translate_errors(), self._connection():  # makes an index where there is none, or refuses it
                pass
        try:
            connection = self._reader.direct()
        except psycopg.Error as error:
            raise self._reader.error(error) from None
        try:
            connection.execute(_READ_ONLY, (f"{int(timeout * 1000)}ms",))
            (superuser,) = connection.execute("SELECT current_setting('is_superuser')").fetchone() or ("on",)
            if superuser != "off" and self._reader is self._pool:
                raise QueryError(reason=_SUPERUSER)
            # A cursor takes one statement, a SELECT, and the server computes no more rows than are fetched.
            with connection.transaction(), connection.cursor(name="doc_io") as cursor:
                cursor.execute(statement.encode())
                return [column.name for column in cursor.description or ()], cursor.fetchmany(limit)
        except psycopg.errors.QueryCanceled:
            raise QueryError(reason=f"it took longer than {timeout:g} s") from None
        except (
            psycopg.ProgrammingError,
            psycopg.DataError,
            psycopg.InternalError,
            psycopg.NotSupportedError,
            ValueError,
        ) as error:
            raise QueryError(reason=error) from None
        except psycopg.Error as error:
            raise self._reader.error(error) from None
        finally:
            connection.close()

    def check(self) -> list[str]:
        with self._translate_errors(), self._connection() as connection:
            return postgres_schema.differences(connection)

    def texts(self) -> PostgresTexts:
        return PostgresTexts(self)

    def change(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements in one transaction; it may run twice where the connection is lost."""

        def changed(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                for statement, values in statements:
                    connection.execute(_sql(statement), values)

        self._run(changed)

    def remove(self, doc_ids: Sequence[str]) -> list[str]:
        def removed(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                # No child can be inserted between the check for one and the removal of its parent.
                connection.execute("LOCK TABLE documents IN SHARE ROW EXCLUSIVE MODE")
                lists = [each for (each,) in connection.execute(_PARENT_LISTS, (list(doc_ids),))]
                while connection.execute(_REMOVE, (list(doc_ids),)).rowcount:  # the children; then what has none left
                    pass
                if lists:
                    connection.execute(_REMOVE_PARENT_LISTS, (lists,))

        self._run(removed)
        return self.without_row(doc_ids)

    def rename(self, renames: Iterable[tuple[NewName, Sequence[str]]]) -> None:
        self.change([(queries.rename(self.keys_table), (*name, list(doc_ids))) for name, doc_ids in renames])

    def rebuild(self, rows: Iterable[NewRow]) -> int:
        with self._translate_errors(), self._pool.connection() as connection:
            postgres_schema.replace(connection, self.name, rows)
            (count,) = connection.execute(queries.COUNT).fetchone() or (0,)
            return int(count)

    def store_id(self) -> str | None:
        with self._translate_errors(), self._pool.connection() as connection:
            if not self._ready and not self._is_current(connection):
                return None
            found = connection.execute(queries.STORE_ID).fetchone()
            return None if found is None else str(found[0])

    def set_store_id(self, store_id: str) -> str:
        self.change([(queries.SET_STORE_ID, (store_id,))])
        return self.store_id() or store_id

    def replace_store_id(self, store_id: str) -> None:
        self.change([(queries.REPLACE_STORE_ID, (store_id,))])

    @contextmanager
    def maintenance_lock(self, *, shared: bool = False) -> Iterator[None]:
        key = lock_key("maintenance")
        with self._direct() as connection:
            with self._translate_errors():
                statement = _TRY_SHARED_LOCK if shared else _TRY_LOCK
                (held,) = connection.execute(statement, (key,)).fetchone() or (False,)
                if not held:
                    raise MaintenanceBusyError(index=self.name, holder=_holder_of(connection, key))
            yield

    @contextmanager
    def repair_lock(self) -> Iterator[None]:
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        key = lock_key("repair")
        with self._direct() as connection:
            with self._translate_errors():
                connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
                try:
                    connection.execute("SELECT pg_advisory_lock(%s)", (key,))
                except psycopg.errors.QueryCanceled:
                    holder, what = _holder_of(connection, key), "its repair lock"
                    raise IndexBusyError(index=self.name, seconds=STATEMENT_SECONDS, holder=holder, what=what) from None
            yield

    @contextmanager
    def _direct(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection outside the pool; closing it releases its locks."""
        with self._translate_errors():
            connection = self._pool.direct()
        try:
            yield connection
        finally:
            connection.close()

    def query(self, statement: str, values: Sequence[Any], make: Callable[[Sequence[Any]], _T]) -> list[_T]:
        statement = _sql(statement)
        return self._run(lambda connection: list(map(make, connection.execute(statement, values))))

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with self._translate_errors():
            with self._connection():  # makes an index where there is none, or refuses it
                pass
            with (
                self._direct() as connection,
                connection.transaction(),
                connection.cursor(name="doc_io") as cursor,
            ):
                cursor.execute(_sql(statement), values)
                yield from cursor

    def key_list(self, keys: Sequence[str]) -> list[str]:
        return list(keys)

    def close(self) -> None:
        self._pool.close()

    def _run(self, work: Callable[[psycopg.Connection[Any]], _T]) -> _T:
        """Do some work, and once more on a new connection where the first one was lost: all work may be done twice."""
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        with self._translate_errors():
            try:
                with self._connection() as connection:
                    return work(connection)
            except psycopg.OperationalError as error:
                if not is_lost(error):
                    raise
            self._pool.discard_broken()
            with self._connection() as connection:
                return work(connection)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver
        from psycopg_pool import PoolTimeout  # noqa: PLC0415 - as above

        try:
            yield
        except PoolTimeout as error:
            raise self._pool.error(self._reason(error)) from None
        except psycopg.Error as error:
            raise self._pool.error(error) from None

    def _reason(self, timeout: psycopg.Error) -> psycopg.Error:
        """The reason for a pool's time-out, which a connection outside it meets too."""
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        try:
            self._pool.direct().close()
        except psycopg.Error as error:
            return error
        return timeout

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
            if not self._is_current(connection):
                postgres_schema.create(connection, self.name)
                self._is_current(connection)
        finally:
            connection.close()

    def _is_current(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether there is an index of this schema; ``False`` where there is none at all."""
        version = postgres_schema.found_schema(connection, self.name)
        if version is not None and version < SCHEMA_VERSION:
            raise IndexVersionError(index=self.name, found=version, known=SCHEMA_VERSION, hint=REBUILD)
        return version is not None


def _holder_of(connection: psycopg.Connection[Any], key: int) -> str:
    """Who holds an advisory lock, for people."""
    found = connection.execute(_HOLDER, (key,)).fetchone()
    return "another process" if found is None else str(found[0])
