"""The index in a SQLite file: safe with threads, processes and forks; a committed row survives power loss."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from doc_io.document import DocumentRow, Parent, Status
from doc_io.errors import DocIOError, MaintenanceBusyError, QueryError
from doc_io.file_lock import file_lock
from doc_io.index import queries, sqlite_rebuild, sqlite_totals
from doc_io.index.base import (
    ALL,
    LATEST_OK,
    ConcurrentWriteError,
    DocumentIndexedError,
    Filter,
    GroupedBy,
    HistoryHead,
    StageCount,
    TokenUsage,
    VersionSelector,
)
from doc_io.index.sql_index import SqlIndex
from doc_io.index.sqlite_file import BUSY_SECONDS, SqliteFile, identity, write_header
from doc_io.index.sqlite_search import SqliteTexts

_WANTED = "(SELECT value AS task, key AS position FROM json_each(?)) AS wanted"

# What a database with wrong bytes in it raises: SQLite's own errors, its messages where they quote such bytes and are no
# UTF-8, and values that are no status and no JSON.
_DAMAGE = (sqlite3.Error, ValueError, TypeError, KeyError)

_T = TypeVar("_T")


class SqliteIndex(SqlIndex):
    """An index in one file, made with its folders on first use.

    Args:
        path: The database file.
        on_network: Whether it may lie on a network disk, where only one process may use it. Default: it is refused.
    """

    wanted = _WANTED
    newest_hint = " INDEXED BY documents_newest"

    def __init__(self, path: str | os.PathLike[str], *, on_network: bool = False) -> None:
        self._file = SqliteFile(path, on_network=on_network)
        self.name = self._file.name

    def head(self, stage: str, task_id: str, logical_key_id: str) -> HistoryHead:
        return self._ask(lambda connection: _place(connection, stage, task_id, logical_key_id))

    def insert(self, row: Mapping[str, Any], parents: Iterable[Parent]) -> DocumentRow:
        return self.insert_all([(row, tuple(parents))])[0]

    def insert_all(self, rows: Sequence[tuple[Mapping[str, Any], Sequence[Parent]]]) -> list[DocumentRow]:
        values = [queries.values_of(row) for row, _ in rows]  # outside: a transaction keeps other writers waiting
        with self._file.transaction() as connection:
            seqs = [_insert(connection, row, parents, each) for (row, parents), each in zip(rows, values, strict=True)]
        return [
            DocumentRow(seq=seq, **{**row, "status": Status(row["status"])})
            for seq, (row, _) in zip(seqs, rows, strict=True)
        ]

    def insert_many(self, rows: Iterable[tuple[Mapping[str, Any], Sequence[Parent]]]) -> int:
        inserted = 0
        with self._file.transaction() as connection:
            for row, parents in rows:
                if connection.execute(f"{queries.INSERT} ON CONFLICT DO NOTHING", queries.values_of(row)).rowcount:
                    _insert_parents(connection, row["doc_id"], parents)
                    inserted += 1
        return inserted

    def get_many(self, doc_ids: Sequence[str]) -> list[DocumentRow]:
        return self.documents(queries.get_many(_WANTED), (json.dumps(list(doc_ids)),))

    def latest_by_task(self, stage: str, task_id: str, choice: VersionSelector) -> DocumentRow | None:
        if choice is LATEST_OK:
            return self.document(queries.LATEST_OK_BY_TASK, (stage, task_id))
        if choice.runs:
            return super().latest_by_task(stage, task_id, choice)
        return self.document(*queries.latest_by_task(stage, task_id, choice))

    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], choice: VersionSelector) -> dict[str, DocumentRow]:
        statement, values = queries.latest_by_tasks(_WANTED, stage, choice)
        # The list of tasks stands last in the text of the values, as ``wanted`` is read before the join.
        return {row.task_id: row for row in self.documents(statement, (json.dumps(list(task_ids)), *values))}

    def select(self, wanted: Filter = ALL, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        # Told, and not left to a planner without statistics: any other index makes a sort of all rows of the kind.
        narrow = wanted.run_id is not None or (wanted.stage is not None and wanted.task_id is not None)
        return self.documents(*queries.select(wanted, after, limit, "" if narrow else " INDEXED BY documents_newest"))

    def stage_counts(self) -> list[StageCount]:
        return [
            StageCount(stage, Status(status), *counts) for stage, status, *counts in self.rows(sqlite_totals.TALLY, ())
        ]

    def usage(self, by: GroupedBy, wanted: Filter = ALL) -> list[TokenUsage]:
        if not sqlite_totals.serve(by, wanted):
            return super().usage(by, wanted)
        where, values = queries.filtered(wanted)
        return [TokenUsage(*each) for each in self.rows(sqlite_totals.usage(by, where), values)]

    def ask(self, statement: str, limit: int = 1000) -> tuple[list[str], list[tuple[Any, ...]]]:
        self._file.connection()  # makes an index where there is none, and refuses what is no index
        try:
            # A connection of its own that SQLite opened for reading: there is nothing that a statement could undo.
            # `immutable` is not set: the log must be read too.
            reader = sqlite3.connect(f"{Path(self.name).as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
            with closing(reader):
                reader.set_authorizer(_only_reading)
                cursor = reader.execute(statement)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(limit)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise QueryError(reason=error) from None

    def texts(self) -> SqliteTexts:
        self._file.connection()  # makes an index where there is none
        return SqliteTexts(self.name, self._file.error)

    def remove(self, doc_ids: Sequence[str]) -> list[str]:
        gone = []
        with self._file.transaction() as connection:
            for doc_id in doc_ids:
                removed = connection.execute(queries.REMOVE, (doc_id,)).rowcount
                if removed:
                    connection.execute(queries.REMOVE_PARENTS, (doc_id,))
                if removed or connection.execute(queries.GET, (doc_id,)).fetchone() is None:
                    gone.append(doc_id)
        return gone

    def rebuild(self, rows: Iterable[tuple[Mapping[str, Any], Sequence[Parent]]]) -> int:
        new = f"{self.name}.new"
        try:
            damaged = sqlite_rebuild.damage(self.name) is not None
            newest = 0 if damaged else self._newest_seq()
            file = identity(self.name)
            sqlite_rebuild.build(new, rows, write_header)
            if damaged:
                sqlite_rebuild.quarantine(self.name)
            if file != identity(self.name):  # deleted, and perhaps begun anew by a writer: all its rows are late
                newest = 0
            sqlite_rebuild.exchange(new, self._file.connection(), newest, BUSY_SECONDS)
            return int(self._ask(lambda connection: connection.execute(queries.COUNT).fetchone()[0]))
        except DocIOError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise self._file.error(error) from error
        finally:
            with suppress(OSError):  # the next one begins by taking it away
                sqlite_rebuild.remove_file(new)

    @contextmanager
    def maintenance_lock(self) -> Iterator[None]:
        self._file.make_folder()
        # A lock that the system lets go of when its holder dies. It guards upkeep only; writers do not ask for it.
        try:
            descriptor = os.open(f"{self.name}.upkeep", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._file.error(error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MaintenanceBusyError(index=self.name) from None
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def repair_lock(self) -> Iterator[None]:
        self._file.make_folder()
        with file_lock(f"{self.name}-mending"):
            yield

    def close(self) -> None:
        self._file.close()

    def _newest_seq(self) -> int:
        return int(self._ask(lambda connection: connection.execute(queries.NEWEST_SEQ).fetchone()[0]))

    def answers(self, statement: str, values: Sequence[Any], make: Callable[[Sequence[Any]], _T]) -> list[_T]:
        return self._ask(lambda connection: list(map(make, connection.execute(statement, values))))

    def listed(self, ids: Sequence[str]) -> str:
        return json.dumps(list(ids))

    def document(self, statement: str, values: Sequence[Any]) -> DocumentRow | None:
        # As `_ask`, spelled out: this is the one question that is asked for each document that is read.
        try:
            found = self._file.connection().execute(statement, values).fetchone()
            return None if found is None else queries.row_from(found)
        except _DAMAGE as error:
            raise self._file.error(error) from error

    def _ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return question(self._file.connection())
        except _DAMAGE as error:
            raise self._file.error(error) from error


def _only_reading(action: int, *_: object) -> int:
    """SQLite asks before each part of a statement (sqlite.org/c3ref/set_authorizer.html); ATTACH would open any file."""
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)


def _place(connection: sqlite3.Connection, stage: str, task_id: str, logical_key_id: str) -> HistoryHead:
    return HistoryHead(*connection.execute(queries.PLACE, (stage, task_id, logical_key_id)).fetchone())


def _insert(
    connection: sqlite3.Connection, row: Mapping[str, Any], parents: Sequence[Parent], values: Sequence[Any]
) -> int:
    """Insert a row where it comes right here, and is not there yet; its ``seq``."""
    now = _place(connection, row["stage"], row["task_id"], row["logical_key_id"])
    free = now.is_held_by(row)
    inserted = connection.execute(f"{queries.INSERT} ON CONFLICT DO NOTHING", values) if free else None
    if inserted is None or not inserted.rowcount:
        there = connection.execute(queries.GET, (row["doc_id"],)).fetchone()
        raise ConcurrentWriteError(now) if there is None else DocumentIndexedError(queries.row_from(there))
    if parents:
        _insert_parents(connection, row["doc_id"], parents)
    return inserted.lastrowid or 0


def _insert_parents(connection: sqlite3.Connection, doc_id: str, parents: Iterable[Parent]) -> None:
    connection.executemany(
        queries.INSERT_PARENT,
        [(doc_id, position, parent.doc_id, parent.input_name) for position, parent in enumerate(parents)],
    )
