"""The file of a SQLite index: one connection for each process and thread, to the file that has the name now."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from doc_io.durable_folders import make_durable_folder, sync_folder
from doc_io.errors import (
    IndexAccessError,
    IndexBusyError,
    IndexFormatError,
    IndexOnNetworkError,
    IndexReadOnlyError,
    IndexVersionError,
)
from doc_io.file_lock import FileLockTimeoutError, file_lock, holder_of
from doc_io.index.network import unsafe_disk
from doc_io.index.schema import NAME_ANOTHER, REBUILD, SCHEMA_VERSION, SET_ASIDE, UPGRADE
from doc_io.index.sqlite_schema import APPLICATION_ID, create_empty_tables, create_rest, schema_difference, write_header

BUSY_SECONDS = 30
"""How long a writer waits for others (sqlite.org/pragma.html#pragma_busy_timeout)."""

_WHAT_IS_IT = (
    "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
    " FROM pragma_application_id, pragma_user_version"
)

_DAMAGE_SIGNS = ("not a database", "malformed")

# A connection that came over a fork may be neither used nor closed: both would act on the parent's locks and its
# write-ahead log (sqlite.org/howtocorrupt.html, section 2.6). Kept here it is never garbage either.
_inherited: list[sqlite3.Connection] = []


class SqliteFile:
    """A database file that holds an index, made with its folders on first use.

    Args:
        path: Where it is.
        on_network: Whether it may be on a network disk, where only one process may use it.
    """

    def __init__(self, path: str | os.PathLike[str], *, on_network: bool) -> None:
        self.name = os.path.abspath(os.fspath(path))
        self._on_network = on_network
        self._held = threading.local()
        self._open: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._lock = threading.Lock()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection in this process, to the file that has the name now; it is made where there is none."""
        held = self._current()
        if held is None or held.in_memory:
            read_only = self.missing_permission() is not None
            held = self._hold(_Held(self._connect(read_only=read_only), self.name, read_only=read_only))
        return held.connection

    def reader(self) -> sqlite3.Connection:
        """As `connection`, for look-ups: where there is no file, they see an empty index and make none."""
        held = self._current()
        if held is None and not os.path.exists(self.name):
            self._require_local_disk()
            held = self._hold(_Held(_empty_index(), self.name, in_memory=True))
        return self.connection() if held is None else held.connection

    def _current(self) -> _Held | None:
        held: _Held | None = getattr(self._held, "held", None)
        return held if held is not None and held.still_holds(self.name) else None

    def _hold(self, held: _Held) -> _Held:
        before: _Held | None = getattr(self._held, "held", None)
        self._held.held = held
        with self._lock:
            self._open.add(held)
            if before is not None:
                self._open.discard(before)
        if before is not None:
            before.close()
        return held

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        self._require_local_disk()
        if not read_only:
            self.make_folder()
        # Another thread only ever closes a connection (`close`), hence no check of the thread.
        connection = sqlite3.connect(
            self.read_only_uri() if read_only else self.name,
            uri=read_only,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if read_only:
                self._require_index(connection)
            else:
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_local_disk(self) -> None:
        disk = None if self._on_network else unsafe_disk(self.name)
        if disk is not None:
            raise IndexOnNetworkError(index=self.name, disk=disk)

    def _require_index(self, connection: sqlite3.Connection) -> None:
        if not self._is_index(connection):
            raise IndexFormatError(index=self.name, reason="it is empty, and may not be written", hint=NAME_ANOTHER)

    def missing_permission(self) -> str | None:
        """What keeps this process from writing to an index that is there; ``None`` if nothing does, or there is none."""
        if not os.path.exists(self.name):
            return None
        for path in (self.name, os.path.dirname(self.name)):
            if not os.access(path, os.W_OK):
                return f"no permission to write {path}"
        return None

    def read_only_uri(self) -> str:
        """How SQLite opens the file without writing anything beside it.

        A reader of a write-ahead log must write to the shared memory beside it; where there is no log, and the folder
        cannot be written, the file is opened as immutable, and again after it was changed.
        """
        immutable = "&immutable=1" if _is_immutable(self.name) and self.missing_permission() else ""
        return f"{Path(self.name).as_uri()}?mode=ro{immutable}"

    def make_folder(self) -> None:
        """Make the folder of the file, so that its name survives a power cut."""
        try:
            make_durable_folder(os.path.dirname(self.name))
        except OSError as error:
            raise IndexAccessError(index=self.name, reason=f"its folder cannot be made: {error}") from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # WAL: readers do not wait for the writer, nor it for them; it stays with the file (sqlite.org/wal.html). Where the
        # disk fails just now SQLite stays in its old mode without an error, and a commit would not be durable in that
        # one: the removal of its journal is a name that FULL does not sync.
        new = not self._is_index(connection)
        # Of many who find it new at once SQLite let the unluckiest wait for 0.7 s.
        with file_lock(f"{self.name}-write-lock", BUSY_SECONDS) if new else nullcontext():
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise IndexAccessError(
                    index=self.name, reason=f"SQLite cannot keep a write-ahead log here (it says {mode!r})"
                )
            if new:
                self._create(connection)
        # NORMAL loses the last commits on power loss (sqlite.org/pragma.html#pragma_synchronous); an acknowledged row
        # must stay.
        connection.execute("PRAGMA synchronous = FULL")

    def _is_index(self, connection: sqlite3.Connection) -> bool:
        """Whether the file holds our table; False for an empty one. Only reads, at one instant."""
        application, version, tables = connection.execute(_WHAT_IS_IT).fetchone()
        if application == APPLICATION_ID:
            if version != SCHEMA_VERSION:
                hint = REBUILD if version < SCHEMA_VERSION else UPGRADE
                raise IndexVersionError(index=self.name, found=version, known=SCHEMA_VERSION, hint=hint)
            difference = schema_difference(connection)
            if difference is not None:
                raise IndexFormatError(index=self.name, reason=difference, hint=SET_ASIDE)
            return True
        if application or version or tables:
            is_foreign = tables and schema_difference(connection) is not None  # as a rebuild judges it
            hint = NAME_ANOTHER if is_foreign else SET_ASIDE
            raise IndexFormatError(index=self.name, reason="it is a database of something else", hint=hint)
        return False

    def _create(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not self._is_index(connection):  # another process may have been first
                for statement in [*create_empty_tables(), *create_rest()]:
                    connection.execute(statement)
                write_header(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        try:
            sync_folder(os.path.dirname(self.name))
        except OSError as error:
            raise IndexAccessError(index=self.name, reason=f"its folder cannot be synced: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction, after those that were asked for before; committed at the end of the block, undone where it raises.

        One deadline, ``BUSY_SECONDS``, holds for the waiting line and for SQLite's own lock. The line only keeps an order:
        where its head is stopped for half of that time, the database itself is asked.
        """
        permission = self.missing_permission()
        if permission is not None:
            raise IndexReadOnlyError(index=self.name, reason=permission)
        deadline = time.monotonic() + BUSY_SECONDS
        line = f"{self.name}-write-lock"
        try:
            connection = self.connection()
            with ExitStack() as stack:
                with suppress(FileLockTimeoutError):
                    stack.enter_context(file_lock(line, BUSY_SECONDS / 2))
                self._begin(connection, deadline)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):  # SQLite may have rolled back by itself, on a full disk for one
                        connection.execute("ROLLBACK")
                    raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self.error(error) from error

    @staticmethod
    def _begin(connection: sqlite3.Connection, deadline: float) -> None:
        # IMMEDIATE: a transaction that begins by reading cannot become a writer after another one wrote; it would fail
        # with SQLITE_BUSY at once (sqlite.org/lang_transaction.html).
        left = max(0.0, deadline - time.monotonic())
        waited = left < BUSY_SECONDS - 1
        if waited:
            connection.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            if waited:
                connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def close(self) -> None:
        """Close the connections of this process, whichever thread has them."""
        with self._lock:
            held, self._open = list(self._open), weakref.WeakSet()
            self._held = threading.local()
        for each in held:
            each.close()

    def error(self, error: Exception) -> IndexAccessError:
        """What went wrong, as an error of doc_io."""
        reason = str(error)
        if "locked" in reason or "busy" in reason:  # Python 3.10 has no sqlite_errorcode
            holder = holder_of(f"{self.name}-write-lock")
            return IndexBusyError(index=self.name, seconds=BUSY_SECONDS, holder=holder, what="its write lock")
        if isinstance(error, UnicodeDecodeError) or any(sign in reason for sign in _DAMAGE_SIGNS):
            return IndexFormatError(index=self.name, reason=reason, hint=SET_ASIDE)
        permission = self.missing_permission()
        if permission is not None:
            return IndexReadOnlyError(index=self.name, reason=f"{reason}; {permission}")
        return IndexAccessError(index=self.name, reason=reason)


class _Held:
    """A connection, and what must still be true for it to be used."""

    def __init__(
        self, connection: sqlite3.Connection, path: str, *, read_only: bool = False, in_memory: bool = False
    ) -> None:
        self.connection = connection
        self.in_memory = in_memory  # in place of a file that is not there
        self._process = os.getpid()
        self._file = None if in_memory else identity(path)
        # A file that SQLite opened as immutable must be opened again after it was changed.
        self._content = _content(path) if read_only else None

    def still_holds(self, path: str) -> bool:
        # The file may have been deleted or replaced: what is written to the old one would be lost with it.
        same = self._process == os.getpid() and self._file == identity(path)
        return same and (self._content is None or self._content == _content(path))

    def close(self) -> None:
        if self._process == os.getpid():
            self.connection.close()
        else:
            _inherited.append(self.connection)

    def __del__(self) -> None:  # the thread ended, or the index was dropped without close()
        self.close()


def _empty_index() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for statement in [*create_empty_tables(), *create_rest()]:
        connection.execute(statement)
    return connection


def identity(path: str) -> tuple[int, int] | None:
    """Which file has this name now; ``None`` where none has."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_immutable(path: str) -> bool:
    """Whether a database has no write-ahead log: then all of it is in the file."""
    try:
        return os.path.getsize(f"{path}-wal") == 0
    except OSError:
        return True


def _content(path: str) -> tuple[int, int, bool] | None:
    """What changes when a process writes to a database."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, _is_immutable(path)
