"""A store has one id: docs root, index and spool that do not belong together are told before anything happens."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from doc_io import DocIOError, DocumentStore, StorageError, StoreMismatchError, maintenance
from doc_io.errors import ConfigurationError
from doc_io.maintenance.prune import Policy
from doc_io.storage.local import LocalStorage
from doc_io.store_identity import IDENTITY_NAME
from doc_io.writing.draft import Origin, make_drafts
from doc_io.writing.spool import spool, spooled


def store_at(folder: Path, index: Path | None = None) -> DocumentStore:
    """A store as a new process would open it."""
    return DocumentStore(folder / "docs", index or folder / "db" / "documents.sqlite")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """The folder of a store with two documents."""
    return filled(tmp_path / "one")


def filled(folder: Path) -> Path:
    """A store with two documents of its own in a folder."""
    with store_at(folder) as store:
        for task in "ab":
            store.save(f"{folder.name} {task}", stage="draft", task_id=task)
    return folder


def without_ids(folder: Path) -> None:
    """As a store was before there were ids."""
    (folder / "docs" / IDENTITY_NAME).unlink()
    with sqlite3.connect(folder / "db" / "documents.sqlite") as connection:
        connection.execute("DELETE FROM documents_properties WHERE name = 'store_id'")
    connection.close()


def state_of(folder: Path) -> dict[str, bytes]:
    """Every file of the docs root."""
    return {str(path): path.read_bytes() for path in sorted((folder / "docs").rglob("*")) if path.is_file()}


def lose_the_index(folder: Path) -> DocumentStore:
    """The database was deleted."""
    shutil.rmtree(folder / "db")
    return store_at(folder)


def lose_the_index_of_before(folder: Path) -> DocumentStore:
    """Likewise of a store without an id."""
    without_ids(folder)
    return lose_the_index(folder)


def unmount(folder: Path) -> DocumentStore:
    """An empty folder is where the docs root should be."""
    (folder / "docs").rename(folder / "elsewhere")
    (folder / "docs").mkdir()
    return store_at(folder)


def unmount_without_ids(folder: Path) -> DocumentStore:
    """Likewise of a store without an id."""
    without_ids(folder)
    return unmount(folder)


def take_a_foreign_index(folder: Path) -> DocumentStore:
    """Two stores of one machine, and their databases were swapped."""
    other = filled(folder.with_name("other"))
    return store_at(folder, other / "db" / "documents.sqlite")


def take_a_foreign_index_of_before(folder: Path) -> DocumentStore:
    """Likewise of stores without ids."""
    other = filled(folder.with_name("other"))
    without_ids(other)
    without_ids(folder)
    return store_at(folder, other / "db" / "documents.sqlite")


def mount_another(folder: Path) -> DocumentStore:
    """The docs root of another store is where this one's should be."""
    other = filled(folder.with_name("other"))
    (folder / "docs").rename(folder / "elsewhere")
    shutil.copytree(other / "docs", folder / "docs")
    return store_at(folder)


def name_a_folder_above(folder: Path) -> DocumentStore:
    """The docs root one level too high, with its own index or a new one."""
    return DocumentStore(folder, folder / "new.sqlite")


def name_a_folder_above_with_its_index(folder: Path) -> DocumentStore:
    """As above."""
    return DocumentStore(folder, folder / "db" / "documents.sqlite")


CASES = {
    lose_the_index: "run `doc-io reindex --empty`|Rebuild the index with `doc-io reindex`",
    lose_the_index_of_before: "Rebuild the index with `doc-io reindex`",
    unmount: "Check that the docs root is mounted",
    unmount_without_ids: "Check that the docs root is mounted",
    take_a_foreign_index: "the index is that of another store",
    take_a_foreign_index_of_before: "of the newest documents in the index the docs root has none",
    mount_another: "the index is that of another store",
    name_a_folder_above: "as the docs root",
    name_a_folder_above_with_its_index: "as the docs root",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_does_not_belong_together_is_reported_before_anything_is_written_or_looked_up(
    one: Path, case: object
) -> None:
    """The error says which it is and what to do; look-ups, writes and scans alike."""
    with case(one) as store:  # type: ignore[operator]
        before = state_of(one)
        for use in (
            lambda: store.save("lost", stage="draft", task_id="c"),
            lambda: store.latest("draft", "a"),
            lambda: store.history("draft", "a"),
            lambda: list(maintenance.verify(store)),
            lambda: maintenance.prune(store),
            lambda: maintenance.reindex(store, incremental=True),
            store.check,
        ):
            with pytest.raises(StoreMismatchError, match=CASES[case]):  # type: ignore[index]
                use()
        assert state_of(one) == before


@pytest.mark.parametrize("lose", [lose_the_index, lose_the_index_of_before])
def test_reindex_makes_a_lost_index_again_and_the_store_is_whole(one: Path, lose: object) -> None:
    """As the error says."""
    with store_at(one) as store:
        rows = list(store.index.scan())
    with lose(one) as store:  # type: ignore[operator]
        maintenance.reindex(store)
    with store_at(one) as store:
        assert [row.doc_id for row in store.index.scan()] == [row.doc_id for row in rows]
        store.save("more", stage="draft", task_id="c")


@pytest.mark.parametrize("case", [unmount, name_a_folder_above_with_its_index])
def test_reindex_does_not_empty_an_index_whose_docs_root_is_away(one: Path, case: object) -> None:
    """Its rows are all that is known of the documents until the disk is back."""
    with case(one) as store:  # type: ignore[operator]
        with pytest.raises(StoreMismatchError):
            maintenance.reindex(store)
        assert len(list(store.unchecked.index.scan())) == 2


def test_reindex_empty_begins_a_new_store(one: Path) -> None:
    """For whoever means it."""
    with unmount(one) as store:
        assert maintenance.reindex(store, empty=True).documents == 0
    with store_at(one) as store:
        row = store.save("first", stage="draft", task_id="a")
        assert store.history("draft", "a") == [row]


def test_reindex_makes_the_index_of_another_store_that_of_this_one(one: Path) -> None:
    """From any state of the index the same rows."""
    with store_at(one) as store:
        ids = [row.doc_id for row in store.index.scan()]
    with take_a_foreign_index(one) as store:
        maintenance.reindex(store)
        index = Path(store.index.name)
    with store_at(one, index) as store:
        assert [row.doc_id for row in store.index.scan()] == ids


def test_a_store_of_before_is_read_and_gets_its_id_at_the_first_write(one: Path) -> None:
    """Reading alone changes nothing."""
    without_ids(one)
    with store_at(one) as store:
        assert store.latest("draft", "a") is not None
        assert not (one / "docs" / IDENTITY_NAME).exists()
        store.save("more", stage="draft", task_id="c")
    assert len(json.loads((one / "docs" / IDENTITY_NAME).read_text())["store_id"]) == 16
    with store_at(one) as store:
        assert len(list(store.index.scan())) == 3


def test_a_root_that_lost_its_id_alone_gets_it_back_at_the_next_write(one: Path) -> None:
    """Its documents tell that it is the right one."""
    identity = (one / "docs" / IDENTITY_NAME).read_bytes()
    (one / "docs" / IDENTITY_NAME).unlink()
    with store_at(one) as store:
        store.save("more", stage="draft", task_id="c")

    assert (one / "docs" / IDENTITY_NAME).read_bytes() == identity


def test_a_store_that_was_moved_is_the_same_store(one: Path) -> None:
    """No path is part of its id."""
    one.rename(one.with_name("moved"))
    with store_at(one.with_name("moved")) as store:
        store.save("more", stage="draft", task_id="a")
        assert len(store.history("draft", "a")) == 2


def test_many_first_writers_give_one_id(tmp_path: Path) -> None:
    """Whoever comes first; all of them write into the same store."""

    def write(number: int) -> None:
        with store_at(tmp_path) as store:
            store.save(str(number), stage="draft", task_id=str(number))

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(write, range(24)))
    with store_at(tmp_path) as store:
        assert len(list(store.index.scan())) == 24


FIRST = "import sys; from doc_io import DocumentStore; DocumentStore(*sys.argv[1:3]).save('x', stage='s', task_id=sys.argv[3])"


def test_many_first_processes_give_one_id(tmp_path: Path) -> None:
    """As above, on locks of the kernel."""
    place = [str(tmp_path / "docs"), str(tmp_path / "documents.sqlite")]
    started = [subprocess.Popen([sys.executable, "-c", FIRST, *place, str(n)]) for n in range(4)]

    assert [each.wait(60) for each in started] == [0] * 4
    with DocumentStore(*place) as store:
        assert len(list(store.index.scan())) == 4


@pytest.fixture
def read_only(one: Path) -> Iterator[Path]:
    """A store whose docs root may only be read."""
    without_ids(one)
    for path in (one / "docs").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield one
    for path in (one / "docs").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_store_without_an_id_that_may_only_be_read_is_readable(read_only: Path) -> None:
    """Nothing is written to find out."""
    with store_at(read_only) as store:
        row = store.latest("draft", "a")
        assert row is not None
        assert store.read(row) == "one a"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"store_id": 1}', b'{"store_id": "../x"}', b"[" * 10**5]
)
def test_a_damaged_identity_is_reported_by_name_at_the_first_write(one: Path, content: bytes) -> None:
    """It is never overwritten."""
    (one / "docs" / IDENTITY_NAME).write_bytes(content)
    with store_at(one) as store, pytest.raises(OSError, match=r"store\.json"):
        store.save("x", stage="draft", task_id="c")

    assert (one / "docs" / IDENTITY_NAME).read_bytes() == content


def test_a_spool_knows_its_store_wherever_that_is_moved(one: Path, tmp_path: Path) -> None:
    """By its id; and refuses another one in the same place."""
    with store_at(one) as store:
        store.check()
        spool(tmp_path / "spool", make_drafts([("waiting", Origin("draft", "c"))]), owner=store.owner)
    one.rename(tmp_path / "moved")
    filled(one)
    with store_at(one) as other:
        other.check()
        with pytest.raises(ConfigurationError, match="another store"):
            list(maintenance.recover(other, tmp_path / "spool"))
    with store_at(tmp_path / "moved") as store:
        assert [each.error for each in maintenance.recover(store, tmp_path / "spool")] == [None]
    assert spooled(tmp_path / "spool") == 0


def test_the_identity_is_read_once_in_the_life_of_a_store(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One small read, however much is looked up and written."""
    with store_at(one) as store:
        reads: list[str] = []
        read = LocalStorage.read

        def counted(storage: LocalStorage, path: str) -> bytes:
            reads.append(path)
            return read(storage, path)

        monkeypatch.setattr(LocalStorage, "read", counted)
        for number in range(10):
            row = store.save(str(number), stage="draft", task_id="c")
            store.read(row)
            store.latest("draft", "c")

    assert reads.count(IDENTITY_NAME) == 1


@contextmanager
def unmounted(store: DocumentStore) -> Iterator[Path]:
    """The docs root is an empty folder meanwhile, as where its file system is not mounted; yields that folder."""
    root = Path(store.docs_root)
    root.rename(root.with_name("away"))
    root.mkdir()
    try:
        yield root
    finally:
        if root.exists():
            root.rename(root.with_name(f"below-{time.monotonic_ns()}"))
        root.with_name("away").rename(root)


def test_a_root_that_is_unmounted_while_a_process_lives_takes_no_document(tmp_path: Path) -> None:
    """It is told by name before anything is written; what comes after the root is back is saved."""
    with DocumentStore(tmp_path / "docs") as store:
        store.save("before", stage="draft", task_id="t")
        with unmounted(store), pytest.raises(StoreMismatchError, match="mounted"):
            store.save("meanwhile", stage="draft", task_id="t")
        store.save("after", stage="draft", task_id="t")

        assert [store.read(row) for row in store.history("draft", "t")] == ["after", "before"]
        assert not [each for folder in tmp_path.glob("below-*") for each in folder.rglob("*")]


def test_a_root_that_is_unmounted_in_the_middle_of_a_write_takes_no_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged onto the disk below, and nothing of the text stays there."""
    with DocumentStore(tmp_path / "docs") as store, ExitStack() as stack:
        store.save("before", stage="draft", task_id="t")
        heads = type(store.index).heads

        def unmounting(index: Any, tasks: Any) -> Any:
            found = heads(index, tasks)
            stack.enter_context(unmounted(store))
            return found

        with monkeypatch.context() as patched:
            patched.setattr(type(store.index), "heads", unmounting)  # a call between the check and the write
            with pytest.raises(StorageError, match="mounted"):
                store.save("meanwhile", stage="draft", task_id="t")
        stack.close()

        assert [store.read(row) for row in store.history("draft", "t")] == ["before"]
        assert not [each for folder in tmp_path.glob("below-*") for each in folder.rglob("*") if each.is_file()]


@pytest.mark.parametrize("verb", ["pin", "prune", "repair", "reindex"])
def test_a_root_that_is_unmounted_while_it_is_maintained_loses_nothing(tmp_path: Path, verb: str) -> None:
    """No row goes for a document that is only out of sight, and no pin is written onto the disk below."""
    with DocumentStore(tmp_path / "docs") as store:
        rows = [store.save(f"{number}", stage="draft", task_id="t") for number in range(3)]
        with unmounted(store) as below:
            with pytest.raises(DocIOError) if verb != "repair" else nullcontext():
                if verb == "pin":
                    maintenance.pin(store, rows[0].doc_id)
                elif verb == "prune":
                    maintenance.prune(store, Policy(grace=timedelta(0)), dry_run=False)
                elif verb == "reindex":
                    maintenance.reindex(store)
                else:
                    list(maintenance.repair(store, maintenance.verify(store), dry_run=False))
            assert not [each for each in below.rglob("*") if each.is_file() and "/clock/" not in str(each)]

        assert {row.doc_id for row in store.index.scan()} == {row.doc_id for row in rows}
