"""The SQLite file: made on first use, recognised, and left alone where it is not ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from doc_io import DocumentStore, IndexFormatError, IndexVersionError
from doc_io.document import Status
from doc_io.index import queries
from doc_io.index.base import VersionSelector
from doc_io.index.sqlite import SqliteIndex


def test_the_file_is_made_with_its_folders_on_first_use(tmp_path: Path) -> None:
    """And not before."""
    path = tmp_path / "a" / "b" / "documents.sqlite"
    with DocumentStore(tmp_path / "docs", path) as store:
        assert not path.exists()
        store.save("x", stage="draft", task_id="t")
    assert path.exists()


def test_a_committed_row_is_synced_and_readers_do_not_wait(tmp_path: Path) -> None:
    """WAL and synchronous=FULL, as every connection has them."""
    with DocumentStore(tmp_path / "docs", tmp_path / "i.sqlite") as store:
        store.save("x", stage="draft", task_id="t")
        connection = store.index._file.connection()  # type: ignore[attr-defined] # noqa: SLF001 - a setting cannot be seen from outside
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_a_file_that_is_no_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    """A misspelt path must not cost a file."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes, long enough to be looked at as a header of a database" * 20)
    before = path.read_bytes()
    with DocumentStore(tmp_path / "docs", path) as store, pytest.raises(IndexFormatError, match=r"notes\.txt"):
        store.save("x", stage="draft", task_id="t")
    assert path.read_bytes() == before
    assert not (tmp_path / "docs").exists()


def test_a_database_of_something_else_is_refused_and_not_touched(tmp_path: Path) -> None:
    """Somebody's tables are not ours to extend."""
    path = tmp_path / "other.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE documents (id)")
    other.close()
    before = path.read_bytes()
    with DocumentStore(tmp_path / "docs", path) as store, pytest.raises(IndexFormatError, match="something else"):
        store.get("x")
    assert path.read_bytes() == before


def test_an_index_of_a_newer_schema_is_refused_and_not_touched(tmp_path: Path) -> None:
    """An older doc_io must not write rows that a newer one would misread."""
    path = tmp_path / "i.sqlite"
    with DocumentStore(tmp_path / "docs", path) as store:
        store.save("x", stage="draft", task_id="t")
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with DocumentStore(tmp_path / "docs", path) as store, pytest.raises(IndexVersionError, match="schema 99"):
        store.get("x")
    assert path.read_bytes() == before


def test_an_index_that_was_deleted_while_open_takes_no_row_with_it(tmp_path: Path) -> None:
    """A row written to a deleted file would be acknowledged and gone."""
    with DocumentStore(tmp_path / "docs", tmp_path / "i.sqlite") as store:
        store.save("x", stage="draft", task_id="t")
        for path in tmp_path.glob("i.sqlite*"):
            path.unlink()
        row = store.save("y", stage="draft", task_id="t")
    with DocumentStore(tmp_path / "docs", tmp_path / "i.sqlite") as store:
        assert store.latest("draft", "t") == row


PLANNED = {
    "get": (queries.GET, ["d"]),
    "history": queries.history("s", "t", None, 10),
    "answers": (queries.ANSWERS, ["s", "t", "h"]),
    "parents": (queries.PARENTS, ["d"]),
    "parents of many": (queries.parents_of(SqliteIndex.keys_table), ["[]"]),
    "children": (queries.CHILDREN, ["d", "d"]),
    "children of many": (queries.children_of(SqliteIndex.keys_table), ["[]"]),
    "read by a run": (queries.READ_BY_RUN, ["r", "r"]),
    "lists of parents": (queries.parent_lists(SqliteIndex.keys_table), ["[]"]),
    "latest by task": queries.latest_by_task("s", "t", VersionSelector()),
    "latest by key": queries.latest_by_logical("k", frozenset(VersionSelector().status)),
    "latest by task of any status": queries.latest_by_task(
        "s", "t", VersionSelector(status=frozenset({Status.OK, Status.TRUNCATED}))
    ),
}

SORTED = (
    "parents of many",
    "children",
    "children of many",
    "read by a run",
    "lists of parents",
)  # no more than is found


@pytest.mark.parametrize("name", PLANNED)
def test_every_look_up_is_answered_from_an_index_without_sorting(tmp_path: Path, name: str) -> None:
    """The query plan says so; a scan or a temporary tree would grow with the table."""
    statement, values = PLANNED[name]
    plan = plan_of(tmp_path, statement, values)

    assert "SCAN document" not in plan
    assert name in SORTED or "TEMP B-TREE" not in plan


def test_latest_ok_uses_the_partial_index(tmp_path: Path) -> None:
    """So that hundreds of newer failed attempts cost nothing."""
    assert "documents_ok_by_task" in plan_of(tmp_path, *queries.latest_by_task("s", "t", VersionSelector()))
    assert "documents_ok_by_key" in plan_of(
        tmp_path, *queries.latest_by_logical("k", frozenset(VersionSelector().status))
    )


def test_many_tasks_are_one_search_each(tmp_path: Path) -> None:
    """No scan of the table, and the run's own documents come from the index by run."""
    statement, values = queries.latest_by_tasks(SqliteIndex.keys_table, "s", VersionSelector(runs=["r"]))
    plan = plan_of(tmp_path, statement, ["[]", *values])

    assert "SCAN documents" not in plan
    assert "documents_by_run" in plan
    assert "documents_ok_by_task" in plan


def plan_of(tmp_path: Path, statement: str, values: list[str]) -> str:
    """How SQLite would answer, in an index with the real schema."""
    with DocumentStore(tmp_path / "docs", tmp_path / "i.sqlite") as store:
        store.save("x", stage="s", task_id="t")
        database = sqlite3.connect(tmp_path / "i.sqlite")
        try:
            return "\n".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values))
        finally:
            database.close()
