"""A new table for a SQLite index, built in a file beside it and exchanged for the old one in a single transaction.

The new file never takes the old one's name: a rename would leave the old write-ahead log beside it, and SQLite would
replay that into it (sqlite.org/howtocorrupt.html, section 2.5). SQLite's own backup copies its pages into the old file
instead, under SQLite's locks and as one commit: other processes keep their connections, and see one or the other.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress

from doc_io.batches import batches
from doc_io.document import Parent
from doc_io.durable_folders import sync_folder
from doc_io.errors import IndexFormatError, IndexVersionError
from doc_io.index import queries
from doc_io.index.base import NewRow
from doc_io.index.schema import INSERTED, NAME_ANOTHER, SCHEMA_VERSION, UPGRADE
from doc_io.index.sqlite_rows import insert_parent_list, insert_row
from doc_io.index.sqlite_schema import APPLICATION_ID, create_empty_tables, create_rest, schema_difference, write_header
from doc_io.index.sqlite_totals import FILL

_BATCH_SIZE = 1000
_MAX_STEP = 2000  # pages that are copied between two checks for late rows
_PAGE_SIZE = 4096  # bytes; of every file that is built here
_HEADER = (
    "SELECT application_id, user_version, page_size FROM pragma_application_id, pragma_user_version, pragma_page_size"
)
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_DONE = 101  # SQLITE_DONE: the old file has the new rows now, whose seq says nothing about late ones
_WAITING = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED; Python has their names from 3.11 on
_LISTED = ", ".join(INSERTED)
_ARRIVE = f"INSERT INTO arrived VALUES ({', '.join('?' * len(INSERTED))})"
_SORT = (
    f"INSERT INTO documents ({_LISTED}) SELECT {_LISTED} FROM arrived WHERE true ORDER BY created_at, doc_id, rowid"
    " ON CONFLICT (doc_id) DO NOTHING"
)
# A record may have been read before its writer changed its place and committed that: the committed row counts.
_DELETE = "DELETE FROM documents WHERE doc_id = ?"


def build(path: str, rows: Iterable[NewRow]) -> None:
    """Make a new index file; memory stays flat, sorting spills to disk.

    Args:
        path: Where; what an interrupted build left there is removed.
        rows: As for `doc_io.index.sql_index.Index.rebuild`.
    """
    remove_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # No process reads this file before it is complete, and after a crash it is built again.
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA temp_store = FILE")
        for statement in create_empty_tables():
            connection.execute(statement)
        connection.execute(f"CREATE TEMP TABLE arrived ({_LISTED})")
        connection.execute("BEGIN")
        for batch in batches(rows, _BATCH_SIZE):
            values = [queries.values_of(each) for each in batch]
            connection.executemany(_ARRIVE, values)
            for (*_, list_id), (_, parents) in zip(values, batch, strict=True):
                insert_parent_list(connection, list_id, parents)
        connection.execute(_SORT)
        connection.execute("COMMIT")
        connection.execute("DROP TABLE arrived")
        for statement in [*create_rest(), *FILL]:
            connection.execute(statement)
        write_header(connection)


def exchange(new: str, old: sqlite3.Connection, newest_seq: int, timeout: float) -> None:
    """Put the new file's content into the old one, with the rows that others committed meanwhile.

    Args:
        new: The file that `build` made.
        old: A connection to the index.
        newest_seq: The newest row of the old index when the build began; later ones are carried over.
        timeout: Seconds to wait for another writer.

    Raises:
        sqlite3.OperationalError: It stayed locked.
    """
    path = old.execute("PRAGMA database_list").fetchone()[2]
    deadline = time.monotonic() + timeout
    with closing(sqlite3.connect(new, isolation_level=None)) as source, closing(sqlite3.connect(path)) as reader:
        while True:
            newest_seq = _carry_over(reader, source, newest_seq)
            try:
                _copy(source, old, reader, newest_seq, deadline)
            except _LateRowError:
                continue
            break
    with suppress(sqlite3.OperationalError):  # a reader may hold the log; the next checkpoint shortens it
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def unusable(path: str) -> str | None:
    """Why a file cannot be exchanged for another in place; ``None`` for a sound index and for no file at all.

    Raises:
        IndexVersionError: It is an index of a newer schema.
        IndexFormatError: It is a sound database of something else.
    """
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return None
    try:
        with closing(sqlite3.connect(path)) as connection:
            damage = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            application, version, page_size = connection.execute(_HEADER).fetchone()
            difference = schema_difference(connection)
            objects = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "malformed" in str(error):
            return str(error)
        raise  # locked, or not to be opened: that says nothing about its content
    except (sqlite3.DatabaseError, ValueError) as error:
        return str(error)
    if damage != "ok":
        return damage
    if difference is None:  # whatever numbers are in its header, its tables are ours
        sound = (application, version, page_size) == (APPLICATION_ID, SCHEMA_VERSION, _PAGE_SIZE)
        return None if sound else f"its header is wrong: {application:x}, schema {version}, pages of {page_size} bytes"
    if application == APPLICATION_ID and version > SCHEMA_VERSION:
        raise IndexVersionError(index=path, found=version, known=SCHEMA_VERSION, hint=UPGRADE)
    if application != APPLICATION_ID and objects:
        raise IndexFormatError(index=path, reason="it is a database of something else", hint=NAME_ANOTHER)
    return difference


def set_aside(path: str, new: str) -> str:
    """Rename an unusable index with its log, so that nothing is deleted; its store's id goes to the new file if it is known.

    Returns:
        The new name.
    """
    with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(path)) as old:
        found = None if schema_difference(old) else old.execute(queries.STORE_ID).fetchone()
        if found is not None:
            with closing(sqlite3.connect(new, isolation_level=None)) as connection:
                connection.execute(queries.SET_STORE_ID, found)
    aside = f"{path}.replaced-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    for suffix in reversed(_SUFFIXES):
        with suppress(FileNotFoundError):
            os.rename(path + suffix, aside + suffix)
    sync_folder(os.path.dirname(path))
    return aside


def remove_file(path: str) -> None:
    """Remove a database that no process has open, with what SQLite keeps beside it."""
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            os.unlink(path + suffix)


class _LateRowError(Exception):
    """A row was committed after the last look, and before the old file was locked."""


def _copy(
    source: sqlite3.Connection, old: sqlite3.Connection, reader: sqlite3.Connection, newest_seq: int, deadline: float
) -> None:
    """All pages as one transaction of the old file, which is locked for writers after the first step."""

    def watch(status: int, _remaining: int, _pages: int) -> None:
        if status == _DONE:  # and committed: what the reader sees from now on are the new rows
            return
        if status in _WAITING:
            if time.monotonic() > deadline:
                raise sqlite3.OperationalError("database is locked")
        elif reader.execute(_ANY_LATE, (newest_seq,)).fetchone() is not None:
            raise _LateRowError

    # At least two steps, as the look at late rows between them must come before the commit at the end of the last.
    step = max(1, min(_MAX_STEP, source.execute("PRAGMA page_count").fetchone()[0] // 2))
    source.backup(old, pages=step, progress=watch, sleep=0.01)


_ANY_LATE = "SELECT 1 FROM documents WHERE seq > ? LIMIT 1"


def _carry_over(reader: sqlite3.Connection, source: sqlite3.Connection, newest_seq: int) -> int:
    """Add the rows of the old index that came in since, and the id of its store; the newest ``seq`` that was read."""
    source.execute("BEGIN")
    for stored_id in reader.execute(queries.STORE_ID):
        source.execute(queries.SET_STORE_ID, stored_id)
    for values in reader.execute(queries.LATE_ROWS, (newest_seq,)):
        row = queries.row_from(values)
        newest_seq = row.seq
        new = row.as_dict(), [Parent(*each) for each in reader.execute(queries.PARENTS, (row.doc_id,))]
        source.execute(_DELETE, (row.doc_id,))
        insert_row(source, new, queries.values_of(new))
    source.execute("COMMIT")
    return newest_seq
