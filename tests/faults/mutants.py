"""Ways to write that are wrong on purpose. Each is applied to the driver's process, and each must turn the checks red."""

from __future__ import annotations

import importlib
import math
import os
import shutil
import sqlite3
import stat
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from doc_io.clock import utc_now
from doc_io.index.sqlite import SqliteIndex
from doc_io.maintenance import removal
from doc_io.storage.local import LocalStorage
from doc_io.writing.draft import time_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from doc_io.index.sql_index import Index
    from doc_io.storage.base import Storage
    from doc_io.store import DocumentStore
    from doc_io.writing.draft import Draft


def module(verb: str) -> Any:
    """The module of a verb; the package's attribute of that name is the function."""
    return importlib.import_module(f"doc_io.maintenance.{verb}")


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
    create_many, insert, insert_placed = LocalStorage.create_many, SqliteIndex.insert, SqliteIndex.insert_placed
    put_off: list[tuple[LocalStorage, Any]] = []

    def create_later(storage: LocalStorage, documents: Any) -> set[str]:
        put_off.append((storage, documents))
        return set()

    def then_the_files(function: Callable[..., Any]) -> Callable[..., Any]:
        def commit_now(*arguments: Any) -> Any:
            done = function(*arguments)
            while put_off:
                create_many(*put_off.pop(0))
            return done

        return commit_now

    LocalStorage.create_many = create_later  # type: ignore[method-assign, assignment]
    SqliteIndex.insert_placed = then_the_files(insert_placed)  # type: ignore[method-assign]
    SqliteIndex.insert = then_the_files(insert)  # type: ignore[method-assign]


def delete_first() -> None:
    """A pruning removes the files before the rows."""
    remove_documents = removal.remove_documents

    def files_first(storage: Storage, index: Index, documents: Any, before: removal.Cutoff) -> removal.Removed:
        for _, doc_dir in documents:
            storage.remove(doc_dir)
        time.sleep(0.01)  # on a busy machine readers would hardly come in between
        return remove_documents(storage, index, documents, before)

    module("prune").remove_documents = files_first


def prunes_the_young() -> None:
    """A pruning that knows no grace period."""
    module("prune").cutoff = lambda _storage, _grace: removal.Cutoff(time_text(utc_now() + timedelta(days=1)), math.inf)


def renames_rows_first() -> None:
    """A rename changes the index before the new names are durable."""
    rename = module("rename")

    def rows_first(store: DocumentStore, names: Any) -> None:
        renames = rename.Renames({**rename.read_renames(store.storage).names, **names})
        store.index.rename(list(renames.groups()))
        rename.write_renames(store.storage, renames)

    rename.file_under = rows_first


def spool_emptied_first() -> None:
    """A recovery takes a text out of the spool before it is filed."""
    recover = module("recover")
    draft_of = recover.spooled_draft

    def draft_and_gone(folder: Path) -> Draft:
        draft: Draft = draft_of(folder)
        shutil.rmtree(folder)
        return draft

    recover.spooled_draft = draft_and_gone
