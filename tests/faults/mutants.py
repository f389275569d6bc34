"""Ways to write that are wrong on purpose. Each is applied to the driver's process, and each must turn the checks red."""

from __future__ import annotations

import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

from doc_io.saving import Writer
from doc_io.storage.local import LocalStorage
from doc_io.upkeep import prune, removal

if TYPE_CHECKING:
    from doc_io.index.base import Index
    from doc_io.storage.base import Storage

_fsync = os.fsync
_connect = sqlite3.connect


def no_file_fsync() -> None:
    """Folders are synced; files are not, nor is their write-back begun."""

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            _fsync(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    os.posix_fadvise = lambda *_: None


def no_folder_fsync() -> None:
    """Files are synced, folders are not."""

    def fsync(descriptor: int) -> None:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            _fsync(descriptor)

    os.fsync = fsync  # type: ignore[assignment]


class _Normal(sqlite3.Connection):
    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("FULL", "NORMAL") if "synchronous" in sql else sql, *parameters)

    def executescript(self, sql: str) -> sqlite3.Cursor:
        return super().executescript(sql.replace("FULL", "NORMAL"))


def synchronous_normal() -> None:
    """SQLite acknowledges a commit before it is on the disk."""

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = _connect(*arguments, **{**options, "factory": _Normal})
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]


def index_first() -> None:
    """The rows are committed before the files are written."""
    create_many, commit = LocalStorage.create_many, Writer._commit  # noqa: SLF001 - what is wrong here is inside it
    put_off: list[tuple[LocalStorage, Any]] = []

    def create_later(storage: LocalStorage, documents: Any) -> set[str]:
        put_off.append((storage, documents))
        return set()

    def commit_now(writer: Writer, *arguments: Any) -> Any:
        rows = commit(writer, *arguments)
        while put_off:
            create_many(*put_off.pop())
        return rows

    LocalStorage.create_many = create_later  # type: ignore[method-assign, assignment]
    Writer._commit = commit_now  # type: ignore[method-assign, assignment] # noqa: SLF001 - as above


def delete_first() -> None:
    """A pruning removes the files before the rows."""
    remove_documents = removal.remove_documents

    def files_first(storage: Storage, index: Index, documents: Any, before: str) -> list[str]:
        for _, doc_dir in documents:
            storage.remove(doc_dir)
        return remove_documents(storage, index, documents, before)

    prune.remove_documents = files_first  # type: ignore[attr-defined]
