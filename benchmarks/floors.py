"""The floors: what the same durable result costs when it is written by hand for one purpose, with nothing around it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

TEXT = ("The quick brown fox jumps over the lazy dog, and writes it down. " * 127)[:8192]
"""8 KB, the size of an essay of two pages."""

PROMPT = "Write two pages about the fox, in the third person and without irony. " * 12

FOUR_FILES: Mapping[str, bytes] = {
    "raw.txt": TEXT.encode(),
    "parsed.txt": TEXT.strip().encode(),
    "prompt.txt": PROMPT.encode(),
    "metadata.json": (b'{"schema_version": 1, "status": "ok", "manifest": {}}' + b" " * 1600)[:1600],
}
"""What doc_io writes for a document with a parsed text and a prompt; the commit record is about that long."""

TWO_FILES: Mapping[str, bytes] = {name: FOUR_FILES[name] for name in ("raw.txt", "metadata.json")}

COLUMNS = [
    "doc_id",
    "logical_key_id",
    "stage",
    "task_id",
    "asset_key",
    "parent_doc_id",
    "template_id",
    "model_id",
    "run_id",
    "experiment_id",
    "attempt",
    "prompt_path",
    "parser",
    "status",
    "usage_prompt_tokens",
    "usage_completion_tokens",
    "usage_max_tokens",
    "created_at",
    "doc_dir",
    "raw_chars",
    "parsed_chars",
    "content_hash",
    "meta_small",
    "lineage_prev_doc_id",
]


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable (fsync(2): syncing a file does not sync the entry that names it)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def textbook_write(folder: Path, files: Mapping[str, bytes], *, durable: bool = True) -> None:
    """A new folder of files the way every textbook has it: temporary name, fsync, replace; then both folders.

    Args:
        folder: The folder to make; its parent exists.
        files: Name and content of each file.
        durable: Without it, the same calls but no fsync: what is lost on a power cut.
    """
    folder.mkdir()
    for name, content in files.items():
        temporary = f"{folder}/{name}.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.write(descriptor, content)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, f"{folder}/{name}")  # noqa: PTH105 - the call itself is the floor
    if durable:
        fsync_folder(folder)
        fsync_folder(folder.parent)


class RawIndex:
    """One table and one index, spoken to by sqlite3 alone over one held connection."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA synchronous = {synchronous}")
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS documents (seq INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
        self.connection.execute(
            "CREATE INDEX IF NOT EXISTS latest_ok ON documents (stage, task_id, created_at, seq) WHERE status = 'ok'"
        )
        self._insert = f"INSERT INTO documents ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - constants

    def insert(self, *rows: tuple[object, ...]) -> None:
        """Commit the rows in one transaction."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(self._insert, rows)
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Close the held connection."""
        self.connection.close()


def row(doc_id: str, task_id: str, *, number: int = 0, status: str = "ok", stage: str = "essay") -> tuple[object, ...]:
    """A row as wide as a real one, in the order of ``COLUMNS``.

    Args:
        doc_id: Unique; also the last folder of ``doc_dir``.
        task_id: The partition key.
        number: Grows from row to row; spreads templates and models, and gives the time.
        status: The outcome.
        stage: The kind of document.

    Returns:
        The values.
    """
    key = f"{hash_of(task_id):016x}"
    hours, seconds = divmod(number, 3600)
    days, hours = divmod(hours, 24)
    made = f"2{days // 365 % 1000:03d}-{days % 365 // 31 + 1:02d}-{days % 31 + 1:02d}T{hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}.{0:06d}Z"
    return (
        doc_id, key, stage, task_id, stage, None, f"template-{number % 20}", f"model-{number % 8}", f"run-{number // 1000}", None,
        f"{stage}/result/{task_id}/0", f"{stage}/{key}/{doc_id}/prompt.txt", None, status, 900 + number % 100, 2000 + number % 500, 4096,
        made, f"{stage}/{key}/{doc_id}", 8192, 8192, f"{number:064x}", '{"finish_reason": "stop", "provider": "bench"}', None,
    )  # fmt: skip


def hash_of(text: str) -> int:
    """A stable number for a text: FNV-1a, 64 bits (isthe.com/chongo/tech/comp/fnv), so that seeding needs no doc_io."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


VERSIONS = 100
"""Versions a task has in a seeded index."""


def seed(path: Path, count: int) -> None:
    """Fill an index that has its schema with rows of many tasks, 100 versions each, a tenth of them failed.

    The versions of a task lie scattered over the table, as they do when a pipeline makes one version of everything a day.

    Args:
        path: The database; its table ``documents`` exists.
        count: Rows to add.
    """
    tasks = max(1, count // VERSIONS)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # seeding is not measured, and lost with the folder
    connection.execute("PRAGMA cache_size = -262144")
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        f"INSERT INTO documents ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})",  # noqa: S608 - constants
        (
            row(
                f"s{number:015d}",
                f"seeded-{number % tasks}",
                number=number,
                status="ok" if number % 10 else "truncated",
            )
            for number in range(count)
        ),
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
