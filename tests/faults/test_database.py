"""An index that is locked, deleted, cut short, corrupted, or carried over a fork."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from doc_io import DocIOError, Document, DocumentStore, maintenance
from doc_io.errors import IndexAccessError, IndexBusyError
from doc_io.index import sqlite_file
from tests.faults.promises import broken_promises
from tests.faults.writers import database, docs, open_store


def test_a_database_that_is_locked_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """A long transaction of another program delays a save and does not fail it."""
    with open_store(tmp_path) as store:
        store.save("first", stage="essay", task_id="t")
        other = sqlite3.connect(database(tmp_path), check_same_thread=False, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(1.0, lambda: other.execute("COMMIT"))
        release.start()
        began = time.monotonic()
        row = store.save("second", stage="essay", task_id="t")
        release.join()
        other.close()

        assert time.monotonic() - began > 0.9
        assert store.latest("essay", "t") == row


def test_a_database_that_stays_locked_fails_the_save_and_keeps_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time-out the error says so; the files are on disk and the same attempt converges later."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.3)
    with open_store(tmp_path) as store:
        store.save("first", stage="essay", task_id="t")
        other = sqlite3.connect(database(tmp_path), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(IndexBusyError):
            store.save("paid for", stage="essay", task_id="t", attempt="2")
        assert "paid for" in {path.read_text() for path in docs(tmp_path).rglob("raw.txt")}
        other.execute("ROLLBACK")
        other.close()
        row = store.save("paid for", stage="essay", task_id="t", attempt="2")

        assert store.read(row) == "paid for"
        assert broken_promises(tmp_path, {}) == []


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_database_that_is_locked_for_a_minute_costs_one_error_and_no_text(tmp_path: Path) -> None:
    """With the time-out as it is: the first try ends in an error that says so, the second waits for the rest and succeeds."""
    with open_store(tmp_path) as store:
        store.save("first", stage="essay", task_id="t")
        other = sqlite3.connect(database(tmp_path), check_same_thread=False, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(60.0, lambda: other.execute("COMMIT"))
        release.start()
        began = time.monotonic()
        with pytest.raises(IndexBusyError):
            store.save("paid for", stage="essay", task_id="t", attempt="2")
        row = store.save("paid for", stage="essay", task_id="t", attempt="2")
        waited = time.monotonic() - began
        release.join()
        other.close()

        assert 55 < waited < 75
        assert store.history("essay", "t")[0] == row
        assert broken_promises(tmp_path, {row.doc_id: str(row.content_hash)}) == []


def test_an_index_deleted_while_it_is_open_is_made_anew(tmp_path: Path) -> None:
    """A row is never written to a file that has lost its name, and a rebuild brings the older ones back."""
    with open_store(tmp_path) as store:
        before = store.save("before", stage="essay", task_id="t")
        for path in database(tmp_path).parent.iterdir():
            path.unlink()
        after = store.save("after", stage="essay", task_id="t")

    with open_store(tmp_path) as store:
        assert store.get(after.doc_id) is not None
        maintenance.reindex(store)
        assert {row.doc_id for row in store.history("essay", "t")} == {before.doc_id, after.doc_id}


@pytest.mark.parametrize("keep", [0, 1, 100, 4096, 10_000])
def test_an_index_cut_short_is_an_error_and_not_an_answer(tmp_path: Path, keep: int) -> None:
    """What is left of the file is either refused with an error of doc_io, or is empty and can be filled again."""
    with open_store(tmp_path) as store:
        for number in range(20):
            store.save(f"text {number}", stage="essay", task_id=str(number))
    os.truncate(database(tmp_path), keep)

    with open_store(tmp_path) as store:
        try:
            found = store.latest("essay", "3")
        except IndexAccessError:
            return
        assert found is None or store.read(found) == "text 3"


def test_flipped_bytes_of_the_index_never_give_another_text(tmp_path: Path) -> None:
    """A thousand random bytes changed, a few at a time: an error of doc_io, or a text that was saved for that very task."""
    chance = random.Random(11)  # noqa: S311 - a seed that can be repeated is the point
    with open_store(tmp_path) as store:
        for number in range(30):
            store.save(f"text {number}", stage="essay", task_id=str(number))
    whole = database(tmp_path).read_bytes()
    errors = 0
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(10):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        database(tmp_path).write_bytes(damaged)
        with open_store(tmp_path) as store:
            try:
                rows = store.latest_many("essay", [str(number) for number in range(30)])
                for row in rows.values():
                    assert store.read(row).startswith("text ")
            except DocIOError:
                errors += 1
    assert errors > 0


def test_a_store_may_be_used_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    """The child opens a connection of its own, and closing it leaves the parent's as it was."""
    with open_store(tmp_path) as store:
        store.save("before", stage="essay", task_id="t")
        child = os.fork()
        if not child:
            try:
                for number in range(20):
                    store.save(f"child {number}", stage="essay", task_id="child")
                store.close()
            except BaseException:  # noqa: BLE001 - the child must never go on with the tests
                os._exit(1)
            os._exit(0)
        for number in range(20):
            store.save(f"parent {number}", stage="essay", task_id="parent")
        assert os.waitpid(child, 0)[1] == 0

        assert len(store.history("essay", "child")) == len(store.history("essay", "parent")) == 20
    assert broken_promises(tmp_path, {}) == []


def test_sixteen_threads_share_one_store(tmp_path: Path) -> None:
    """Every save of every thread is there, and the times of one task never run backwards."""
    with open_store(tmp_path) as store, ThreadPoolExecutor(16) as threads:
        rows = list(threads.map(lambda n: store.save(f"text {n}", stage="essay", task_id=str(n % 3)), range(160)))

        assert len({row.doc_id for row in rows}) == 160
        for task in "012":
            history = store.history("essay", task)
            assert [row.seq for row in history] == sorted((row.seq for row in history), reverse=True)
            assert len({row.created_at for row in history}) == len(history)
    assert broken_promises(tmp_path, {}) == []


def test_the_same_attempt_from_many_threads_is_one_document(tmp_path: Path) -> None:
    """Two machines with the same attempt, or a retry beside the first try: one row, one folder, no error."""
    document = Document("the same", extras={"a": "b"})
    for attempt in map(str, range(15)):
        stores = [DocumentStore(docs(tmp_path), database(tmp_path)) for _ in range(6)]
        with ThreadPoolExecutor(6) as threads:
            rows = list(
                threads.map(lambda each, n=attempt: each.save(document, stage="essay", task_id="t", attempt=n), stores)
            )
        for each in stores:
            each.close()
        assert len({row.seq for row in rows}) == 1
    assert broken_promises(tmp_path, {}) == []
