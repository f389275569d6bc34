"""The index can be lost: `reindex` makes it again from the documents, row for row, and takes no damaged one for whole."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doc_io import Document, DocumentStore, IndexFormatError, StorageError, maintenance
from doc_io.commit_record import RECORD_NAME
from doc_io.storage.base import Folder
from doc_io.storage.local import LocalStorage
from tests.maintenance.damage import DAMAGES
from tests.maintenance.many import fill


def rows_of(store: DocumentStore) -> list[tuple[dict[str, Any], Any]]:
    """Every row with its parents, by ``seq``."""
    return [(row.as_dict(), store.parents(row.doc_id)) for row in store.index.scan()]


def lose_index(store: DocumentStore) -> None:
    """Delete the database file alone, as a person would: its log and its shared memory stay beside it."""
    Path(store.index.name).unlink()


def test_the_rebuilt_table_is_the_lost_one_row_for_row(store: DocumentStore) -> None:
    """Failures, several parents, extras and pins included; ``seq`` too."""
    made = fill(store, 400)
    maintenance.pin(store, made[3], "the best one")
    before = rows_of(store)
    lose_index(store)

    came = maintenance.reindex(store)

    assert rows_of(store) == before
    assert (came.documents, came.added, came.rejected) == (400, 400, ())
    assert maintenance.pins(store) == {made[3]: "the best one"}


def test_a_log_that_stayed_behind_is_not_replayed_into_the_new_table(store: DocumentStore) -> None:
    """Rows of the old file that never reached its pages must not come back by its write-ahead log."""
    kept = store.save("kept", stage="draft", task_id="kept")
    with sqlite3.connect(store.index.name) as holder:
        holder.execute("SELECT * FROM documents").fetchall()  # as long as it is open the log stays
        gone = store.save("gone", stage="draft", task_id="gone")
        shutil.rmtree(Path(store.docs_root) / gone.doc_dir)
        lose_index(store)
        maintenance.reindex(store)
        with DocumentStore(store.docs_root) as again:
            assert [row.doc_id for row in again.index.scan()] == [kept.doc_id]
    holder.close()


def test_a_process_that_holds_the_old_table_reads_and_writes_the_new_one(store: DocumentStore) -> None:
    """The file keeps its inode: nobody writes on into a file that has no name any more."""
    first = store.save("first", stage="draft", task_id="t")
    with DocumentStore(store.docs_root) as other:
        other.get(first.doc_id)
        maintenance.reindex(store)
        second = other.save("second", stage="draft", task_id="t")

    assert [row.doc_id for row in store.history("draft", "t")] == [second.doc_id, first.doc_id]


def test_what_is_saved_during_a_reindex_stays(store: DocumentStore) -> None:
    """Writers go on; their rows are in the new table, and each is acknowledged only once."""
    fill(store, 300)
    stop = threading.Event()
    saved: list[str] = []

    def write() -> None:
        with DocumentStore(store.docs_root) as writer:
            while not stop.is_set():
                saved.append(writer.save(f"more {len(saved)}", stage="more", task_id=f"t{len(saved)}").doc_id)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(3):
            maintenance.reindex(store)
    finally:
        stop.set()
        thread.join()

    assert saved
    there = [row.doc_id for row in store.index.scan()]
    assert len(there) == len(set(there)) == 300 + len(saved)
    assert set(saved) <= set(there)
    assert not list(maintenance.verify(store, grace=0))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_folder_is_reported_and_gets_no_row(store: DocumentStore, damage: Callable[..., None]) -> None:
    """Each kind of damage, hostile records included, between two whole documents."""
    rows = [store.save(f"text {n}", stage="draft", task_id=f"t{n}") for n in range(3)]
    folder = Path(store.docs_root) / rows[1].doc_dir
    damage(folder)
    lose_index(store)

    came = maintenance.reindex(store)

    assert [row.doc_id for row in store.index.scan()] == [rows[0].doc_id, rows[2].doc_id]
    assert [each.path for each in came.rejected] == [rows[1].doc_dir]
    assert came.rejected[0].reasons


def test_a_hundred_damaged_folders_do_not_stop_it(store: DocumentStore) -> None:
    """It finishes, reports each, and indexes none of them."""
    made = fill(store, 200)
    chance = random.Random(7)  # noqa: S311 - which folders is all the same
    damaged = chance.sample(made, 100)
    folders = {row.doc_id: row.doc_dir for row in store.index.scan()}
    for number, doc_id in enumerate(damaged):
        DAMAGES[number % len(DAMAGES)](Path(store.docs_root) / folders[doc_id])
    lose_index(store)

    came = maintenance.reindex(store)

    assert {each.path for each in came.rejected} == {folders[doc_id] for doc_id in damaged}
    assert {row.doc_id for row in store.index.scan()} == set(made) - set(damaged)


def test_an_alteration_that_keeps_the_length_gets_no_row(store: DocumentStore) -> None:
    """A local disk may have other bytes of the right number after a power cut, so every file is hashed."""
    row = store.save("abc", stage="draft", task_id="t")
    (Path(store.docs_root) / row.doc_dir / "raw.txt").write_bytes(b"abX")

    assert maintenance.reindex(store).documents == 0


def test_an_incremental_reindex_adds_what_is_missing_and_keeps_the_rest(store: DocumentStore) -> None:
    """Nothing is read of documents that have a row."""
    fill(store, 50)
    before = rows_of(store)
    new = store.save("unknown to the index", stage="draft", task_id="new")
    store.index.remove([new.doc_id])

    came = maintenance.reindex(store, incremental=True)

    assert (came.added, came.documents) == (1, 51)
    assert rows_of(store)[:50] == before
    assert store.get(new.doc_id) is not None


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_index_is_set_aside_and_made_again(store: DocumentStore, content: bytes) -> None:
    """The damaged file is kept under another name: nothing is deleted."""
    row = store.save("text", stage="draft", task_id="t")
    store.close()
    path = Path(store.index.name)
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    path.write_bytes(content)

    maintenance.reindex(store)

    assert store.get(row.doc_id) == row
    (aside,) = path.parent.glob("documents.sqlite.replaced-*")
    assert aside.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A wrong --db must not cost anybody their data."""
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()

    with DocumentStore(tmp_path / "docs", path) as store, pytest.raises(IndexFormatError):
        maintenance.reindex(store)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    connection.close()


def test_a_reindex_that_is_interrupted_leaves_the_old_table(store: DocumentStore) -> None:
    """The new table takes the old one's place only when it is whole; what was built of it is removed."""
    fill(store, 600)
    before = rows_of(store)

    def interrupt(_done: int, _total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maintenance.reindex(store, progress=interrupt)

    assert rows_of(store) == before
    assert not list(Path(store.index.name).parent.glob("*.new*"))


def test_damage_in_a_large_store_is_found_in_its_shard(store: DocumentStore) -> None:
    """The last document, read by one of several threads."""
    made = fill(store, 1000)
    last = max(store.index.scan(), key=lambda row: row.doc_dir)
    (Path(store.docs_root) / last.doc_dir / "raw.txt").unlink()

    came = maintenance.reindex(store, jobs=4)

    assert came.documents == came.added == len(made) - 1
    assert [each.path for each in came.rejected] == [last.doc_dir]


@pytest.mark.parametrize("incremental", [False, True])
def test_several_threads_make_the_same_table_as_one(store: DocumentStore, *, incremental: bool) -> None:
    """Row for row; also where the index is lost and says nothing of the stages."""
    fill(store, 900)
    before: Any = rows_of(store)
    lose_index(store)
    if incremental:
        maintenance.reindex(store, empty=True)

    came = maintenance.reindex(store, jobs=8, incremental=incremental)

    after: Any = rows_of(store)
    if incremental:  # each row comes after those that were there
        before, after = ({row["doc_id"]: {**row, "seq": 0} for row, _ in rows} for rows in (before, after))
    assert after == before
    assert (came.documents, came.added, came.rejected) == (900, 900, ())


def test_a_thread_that_fails_ends_the_reindex_and_leaves_the_old_table(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not read must not be taken for what is not there."""
    fill(store, 900)
    before = rows_of(store)
    folders = LocalStorage.folders

    def failing(storage: LocalStorage, stage: str = "", first: str = "", last: str = "") -> Iterator[Folder]:
        if (stage, first) == ("essay", "k"):
            raise StorageError(docs_root=storage.root, action="list", path=stage, reason="it is away")
        return folders(storage, stage, first, last)

    monkeypatch.setattr(LocalStorage, "folders", failing)

    with pytest.raises(StorageError, match="it is away"):
        maintenance.reindex(store, jobs=4)
    monkeypatch.undo()
    assert rows_of(store) == before


@pytest.mark.parametrize(("lost", "total"), [(False, 700), (True, None)])
def test_a_reindex_reports_its_progress(store: DocumentStore, *, lost: bool, total: int | None) -> None:
    """The total is what the old index knew."""
    fill(store, 700)
    if lost:
        lose_index(store)
    told: list[tuple[int, int | None]] = []

    maintenance.reindex(store, progress=lambda done, total: told.append((done, total)))

    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (700, total)


def test_the_record_alone_makes_the_row(store: DocumentStore) -> None:
    """What `sql` would have to know is all in metadata.json."""
    row = store.save(Document("text", template_id="t1", metadata={"provider": "p"}), stage="draft", task_id="t")
    record = json.loads((Path(store.docs_root) / row.doc_dir / RECORD_NAME).read_text())

    said = {column: record[column] for column in row.as_dict() if column not in ("seq", "doc_dir")}

    assert {"seq": row.seq, "doc_dir": row.doc_dir, **said} == row.as_dict()
