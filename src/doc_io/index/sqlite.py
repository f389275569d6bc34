"""The index in a SQLite file: safe with threads, processes and forks; a committed row survives power loss."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, TypeVar

from doc_io.document import DocumentRow, Status
from doc_io.errors import DocIOError, IndexBusyError, MaintenanceBusyError, QueryError
from doc_io.file_lock import FileLockTimeoutError, file_lock, holder_of
from doc_io.index import queries, report_queries, sqlite_rebuild, sqlite_totals
from doc_io.index.base import (
    ALL,
    LATEST_OK,
    Filter,
    GroupedBy,
    HistoryHead,
    NewName,
    NewRow,
    StageCount,
    TaskKey,
    TokenUsage,
    VersionSelector,
    first_of_each_task,
)
from doc_io.index.sql_index import Index
from doc_io.index.sqlite_file import BUSY_SECONDS, SqliteFile, identity
from doc_io.index.sqlite_rows import insert_row
from doc_io.index.sqlite_search import SqliteTexts
from doc_io.index.sqlite_totals import LONG_PROMPT, LONG_PROMPTS

# What a database with wrong bytes in it raises: SQLite's own errors, its messages where they quote such bytes and are no
# UTF-8, and values that are no status and no JSON.
_DAMAGE = (sqlite3.Error, ValueError, TypeError, KeyError)

_HEAD = f"SELECT doc_id, created_at FROM documents WHERE stage = ? AND task_id = ? {queries.NEWEST_FIRST} LIMIT 1"
_STEPS_PER_CHECK = 100_000  # of SQLite's virtual machine: some milliseconds

_T = TypeVar("_T")


class SqliteIndex(Index):
    """An index in one file, made with its folders on first use.

    Args:
        path: The database file.
        on_network: Whether it may be on a network disk, where only one process may use it. Default: it is refused.
    """

    keys_table = "(SELECT value AS key, key AS position FROM json_each(?)) AS keys"
    newest_hint = " INDEXED BY documents_newest"

    def __init__(self, path: str | os.PathLike[str], *, on_network: bool = False) -> None:
        self._file = SqliteFile(path, on_network=on_network)
        self.name = self.address = self._file.name

    def heads(self, tasks: Sequence[TaskKey]) -> dict[TaskKey, HistoryHead]:
        return self._run(lambda connection: _heads(connection, tasks))

    def insert_following(self, rows: Sequence[NewRow]) -> dict[str, int]:
        values = [queries.values_of(each) for each in rows]  # outside: a transaction keeps other writers waiting
        first = first_of_each_task(rows)
        seqs = {}
        with self._file.transaction() as connection:
            heads = _heads(connection, list(first))
            if not all(heads[task].is_followed_by(row) for task, row in first.items()):
                return {}
            for each, row_values in zip(rows, values, strict=True):
                inserted = insert_row(connection, each, row_values)
                if inserted is not None:
                    seqs[each[0]["doc_id"]] = inserted
        return seqs

    def insert_placed(self, rows: Iterable[NewRow]) -> int:
        with self._file.transaction() as connection:
            return sum(insert_row(connection, each, queries.values_of(each)) is not None for each in rows)

    def get_many(self, doc_ids: Sequence[str]) -> list[DocumentRow]:
        return self.documents(queries.get_many(self.keys_table), (self.key_list(doc_ids),))

    def latest_by_task(self, stage: str, task_id: str, selector: VersionSelector) -> DocumentRow | None:
        if selector is LATEST_OK:
            return self.document(queries.LATEST_OK_BY_TASK, (stage, task_id))
        if selector.runs:
            return super().latest_by_task(stage, task_id, selector)
        return self.document(*queries.latest_by_task(stage, task_id, selector))

    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], selector: VersionSelector) -> dict[str, DocumentRow]:
        statement, values = queries.latest_by_tasks(self.keys_table, stage, selector)
        # The table of keys stands last in the text of the values, as it is read before the join.
        return {row.task_id: row for row in self.documents(statement, (self.key_list(task_ids), *values))}

    def select(self, where: Filter = ALL, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        # Named, not left to a planner without statistics: any other index makes it sort all rows that match.
        narrow = where.run_id or where.doc_id or (where.stage and where.task_id)
        return self.documents(*queries.select(where, after, limit, "" if narrow else self.newest_hint))

    def stage_counts(self) -> list[StageCount]:
        found = self.rows(sqlite_totals.STAGE_COUNTS, ())
        return [StageCount(stage, Status(status), *counts) for stage, status, *counts in found]

    def usage(self, by: GroupedBy, where: Filter = ALL) -> list[TokenUsage]:
        if not sqlite_totals.can_answer(by, where):
            return super().usage(by, where)
        condition, values = queries.where_clause(where)
        return [TokenUsage(*each) for each in self.rows(sqlite_totals.usage(by, condition), values)]

    def usage_by_model(self, by: GroupedBy, where: Filter, starts: Sequence[int]) -> list[tuple[Any, ...]]:
        if not sqlite_totals.can_answer(by, where) or min(starts, default=LONG_PROMPT) < LONG_PROMPT:
            return super().usage_by_model(by, where, starts)
        condition, values = queries.where_clause(where)
        long = report_queries.usage_by_model(
            by, where, starts, hint=f" INDEXED BY {LONG_PROMPTS}", longer_than=LONG_PROMPT
        )
        return [*self.rows(sqlite_totals.usage_by_model(by, condition), values), *self.rows(*long)]

    def read_sql(
        self, statement: str, limit: int = 1000, *, timeout: float = 30.0
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        self._file.connection()  # makes an index where there is none, and refuses what is no index
        deadline = time.monotonic() + timeout
        try:
            # A connection of its own that SQLite opened for reading: there is nothing that a statement could undo.
            uri = self._file.read_only_uri()
            with closing(sqlite3.connect(uri, uri=True, timeout=min(timeout, BUSY_SECONDS))) as reader:
                reader.set_authorizer(_only_reading)
                reader.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_PER_CHECK)
                cursor = reader.execute(statement)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(limit)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            late = time.monotonic() > deadline
            raise QueryError(reason=f"it took longer than {timeout:g} s" if late else error) from None

    def check(self) -> list[str]:
        try:
            found = self._file.reader().execute("PRAGMA integrity_check(100)").fetchall()
        except (DocIOError, *_DAMAGE) as error:
            if isinstance(error, IndexBusyError):
                raise
            return [str(error)]
        return [str(problem) for (problem,) in found if problem != "ok"]

    def wrong_totals(self) -> int:
        return int(self._run(lambda connection: connection.execute(sqlite_totals.DIFFERENCES).fetchone()[0]))

    def texts(self) -> SqliteTexts:
        self._file.connection()  # makes an index where there is none
        return SqliteTexts(self.name, self._file.read_only_uri, self._file.error)

    def remove(self, doc_ids: Sequence[str]) -> list[str]:
        keys = (self.key_list(doc_ids),)
        with self._file.transaction() as connection:
            lists = [each for (each,) in connection.execute(queries.parent_lists(self.keys_table), keys)]
            while connection.execute(
                queries.remove(self.keys_table), keys
            ).rowcount:  # children; then what has none left
                pass
            if lists:
                connection.execute(queries.remove_parent_lists(self.keys_table), (self.key_list(lists),))
        return self.without_row(doc_ids)

    def rename(self, renames: Iterable[tuple[NewName, Sequence[str]]]) -> None:
        with self._file.transaction() as connection:
            for name, doc_ids in renames:
                connection.execute(queries.rename(self.keys_table), (*name, self.key_list(doc_ids)))
            for statement in sqlite_totals.COUNT_AGAIN:
                connection.execute(statement)

    def rebuild(self, rows: Iterable[NewRow]) -> int:
        new = f"{self.name}.new"
        self._file.make_folder()
        try:
            unusable = sqlite_rebuild.unusable(self.name)
            newest = 0 if unusable else self._newest_seq()
            file = identity(self.name)
            sqlite_rebuild.build(new, rows)
            self.set_aside = sqlite_rebuild.set_aside(self.name, new) if unusable else None
            if file != identity(self.name):  # deleted, and perhaps begun anew by a writer: all its rows are late
                newest = 0
            sqlite_rebuild.exchange(new, self._file.connection(), newest, BUSY_SECONDS)
            return int(self._run(lambda connection: connection.execute(queries.COUNT).fetchone()[0]))
        except DocIOError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise self._file.error(error) from error
        finally:
            with suppress(OSError):  # the next one begins by removing it
                sqlite_rebuild.remove_file(new)

    @property
    def exists(self) -> bool:
        return os.path.exists(self.name)

    def store_id(self) -> str | None:
        if not self.exists:
            return None
        return self._run(_stored_id)

    def set_store_id(self, store_id: str) -> str:
        with self._file.transaction() as connection:
            connection.execute(queries.SET_STORE_ID, (store_id,))
            return _stored_id(connection) or store_id

    def replace_store_id(self, store_id: str) -> None:
        with self._file.transaction() as connection:
            connection.execute(queries.REPLACE_STORE_ID, (store_id,))

    @contextmanager
    def maintenance_lock(self, *, shared: bool = False) -> Iterator[None]:
        self._file.make_folder()
        path = f"{self.name}-maintenance-lock"
        # The system releases it when its holder dies. Only maintenance takes it, writers do not.
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._file.error(error) from error
        try:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MaintenanceBusyError(index=self.name, holder=holder_of(path)) from None
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def repair_lock(self) -> Iterator[None]:
        self._file.make_folder()
        with ExitStack() as stack:
            try:
                stack.enter_context(file_lock(f"{self.name}-repair-lock", BUSY_SECONDS))
            except FileLockTimeoutError as error:
                what = "its repair lock"
                raise IndexBusyError(index=self.name, seconds=BUSY_SECONDS, holder=error.holder, what=what) from error
            yield

    def close(self) -> None:
        self._file.close()

    def _newest_seq(self) -> int:
        return int(self._run(lambda connection: connection.execute(queries.NEWEST_SEQ).fetchone()[0]))

    def query(self, statement: str, values: Sequence[Any], make: Callable[[Sequence[Any]], _T]) -> list[_T]:
        return self._run(lambda connection: list(map(make, connection.execute(statement, values))))

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        if not self.exists:
            return
        self._file.connection()  # refuses what is no index
        try:
            with closing(sqlite3.connect(self._file.read_only_uri(), uri=True, timeout=BUSY_SECONDS)) as reader:
                yield from reader.execute(statement, values)
        except _DAMAGE as error:
            raise self._file.error(error) from error

    def key_list(self, keys: Sequence[str]) -> str:
        return json.dumps(list(keys))

    def document(self, statement: str, values: Sequence[Any]) -> DocumentRow | None:
        # As `_run`, spelled out: this runs for each document that is read.
        try:
            found = self._file.reader().execute(statement, values).fetchone()
            return None if found is None else queries.row_from(found)
        except _DAMAGE as error:
            raise self._file.error(error) from error

    def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return work(self._file.reader())
        except _DAMAGE as error:
            raise self._file.error(error) from error


def _only_reading(action: int, *_: object) -> int:
    """SQLite asks before each part of a statement (sqlite.org/c3ref/set_authorizer.html); ATTACH would open any file."""
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)


def _heads(connection: sqlite3.Connection, tasks: Sequence[TaskKey]) -> dict[TaskKey, HistoryHead]:
    found = ((task, connection.execute(_HEAD, task).fetchone()) for task in tasks)
    return {task: HistoryHead(*(head or ())) for task, head in found}


def _stored_id(connection: sqlite3.Connection) -> str | None:
    found = connection.execute(queries.STORE_ID).fetchone()
    return None if found is None else str(found[0])
