"""Ways to write that are wrong on purpose. Each is applied to the driver's process, and each must turn the checks red."""

from __future__ import annotations

import os
import sqlite3
import stat
from typing import Any

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
