"""`verify` finds every difference between files and rows, and on a store that is whole nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from doc_io import Document, DocumentStore, StorageError, StoreMismatchError, maintenance
from doc_io.commit_record import RECORD_COLUMNS
from doc_io.maintenance.verify import NOTES, Finding
from doc_io.storage.local import LocalStorage
from tests.maintenance.damage import DAMAGES
from tests.maintenance.many import fill

FILES = ("raw.txt", "parsed.txt", "prompt.txt", "extras/notes.md", "metadata.json")


@pytest.fixture
def folder(store: DocumentStore) -> Path:
    """The folder of a document with every type of file, between two others."""
    store.save("before", stage="draft", task_id="before")
    row = store.save(
        Document("raw text", parsed="parsed text", prompt="a prompt", extras={"notes.md": "notes"}),
        stage="draft",
        task_id="t",
    )
    store.save("after", stage="draft", task_id="after")
    return Path(store.docs_root) / row.doc_dir


def found(store: DocumentStore, *, full: bool = False, grace: float = 0) -> list[tuple[str, str]]:
    """Kind and place of what is unsound."""
    findings = maintenance.verify(store, full=full, grace=grace)
    return [(each.kind, each.where) for each in findings if each.kind not in NOTES]


def inside(store: DocumentStore, path: Path) -> str:
    """A path as findings name it."""
    return str(path.relative_to(store.docs_root))


def test_a_clean_store_has_nothing_to_tell(store: DocumentStore) -> None:
    """No finding and no note."""
    for task in ("a", "b"):
        draft = store.save(f"draft {task}", stage="draft", task_id=task)
        store.save(f"essay {task}", stage="essay", task_id=task, parents=[draft.doc_id])
    store.save(Document.skipped("nothing to do"), stage="draft", task_id="c")

    assert list(maintenance.verify(store, full=True, grace=0)) == []


def test_a_large_clean_store_has_nothing_unsound(store: DocumentStore) -> None:
    """Failures, several parents and extras are all as they should be."""
    fill(store, 300)

    assert found(store, full=True) == []


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte_is_found_in_every_type_of_file(store: DocumentStore, folder: Path, name: str) -> None:
    """By the hash in the manifest, and for the record by its own checksum."""
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)

    assert found(store, full=True) == [("damaged", inside(store, folder))]


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_found_wherever_it_is(store: DocumentStore, folder: Path, name: str, step: int) -> None:
    """In a text at every place; in the record at every one, its last newline included, or in the short form at many."""
    whole = (folder / name).read_bytes()
    for position in {*range(0, len(whole), step if len(whole) > 50 else 1), len(whole) - 1}:
        data = bytearray(whole)
        data[position] ^= 0x10
        (folder / name).write_bytes(data)

        assert found(store, full=True) == [("damaged", inside(store, folder))], position


@pytest.mark.parametrize("name", FILES)
def test_one_missing_file_is_found_in_every_type_of_file(store: DocumentStore, folder: Path, name: str) -> None:
    """Without reading more than the record."""
    (folder / name).unlink()

    assert found(store) == [("damaged", inside(store, folder))]


def test_a_missing_folder_is_found(store: DocumentStore, folder: Path) -> None:
    """A row without a document."""
    folder.rename(Path(store.docs_root).parent / "elsewhere")

    assert found(store) == [("missing", inside(store, folder))]


@pytest.mark.parametrize("name", ["notes.md", "raw.txt.bak", "extras/more.md", "deep/er/file"])
def test_one_extra_file_is_found(store: DocumentStore, folder: Path, name: str) -> None:
    """What the manifest does not know was put there by somebody else."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("somebody else's")

    assert found(store) == [("extra", inside(store, folder))]


def test_one_extra_row_is_found(store: DocumentStore, folder: Path) -> None:
    """Also where its folder's name is that of no document."""
    row = next(iter(store.index.scan())).as_dict()
    ids = {"logical_key_id": "e" * 16, "doc_id": "f" * 16, "doc_dir": f"draft/{'e' * 16}/{'f' * 16}"}
    values = {**row, **ids, "attempt": "forged"}
    store.index.insert_placed([(values, ())])

    assert found(store) == [("missing", values["doc_dir"])]


def test_an_extra_row_that_points_to_another_documents_folder_is_found(store: DocumentStore, folder: Path) -> None:
    """A folder is of one document; a repair takes the row away and nothing else."""
    before = list(store.index.scan())
    row = next(each for each in before if each.task_id == "t").as_dict()
    store.index.insert_placed([({**row, "doc_id": "f" * 16, "attempt": "forged"}, ())])

    findings = [each for each in maintenance.verify(store, grace=0) if each.kind not in NOTES]

    assert [each.kind for each in findings] == ["missing"]
    assert [each.action for each in maintenance.repair(store, findings, dry_run=False)] == ["remove the row"]
    assert list(store.index.scan()) == before
    assert found(store, full=True) == []


def test_one_extra_folder_is_found(store: DocumentStore, folder: Path) -> None:
    """A whole document that the index does not know."""
    row = store.save("unknown", stage="draft", task_id="unknown")
    store.index.remove([row.doc_id])

    assert found(store) == [("unindexed", row.doc_dir)]


def test_a_row_that_says_something_else_than_its_record_is_found(store: DocumentStore, folder: Path) -> None:
    """Somebody wrote into the database."""
    with sqlite3.connect(store.index.name) as connection:
        connection.execute("UPDATE documents SET model_id = 'forged' WHERE task_id = 't'")
    connection.close()

    assert found(store) == [("differs", inside(store, folder))]


@pytest.mark.parametrize("column", [*RECORD_COLUMNS, "doc_dir"])
def test_whatever_a_row_says_otherwise_is_found(store: DocumentStore, folder: Path, column: str) -> None:
    """In every column; a row of another id is one without a document, and a document without a row."""
    other = {"status": "skipped", "meta_small": '{"x": 1}', "raw_chars": 1, "doc_id": "0" * 16}.get(column, "9")
    with sqlite3.connect(store.index.name) as connection:
        changed = connection.execute(f"UPDATE documents SET {column} = ? WHERE task_id = 't'", (other,))  # noqa: S608
        assert changed.rowcount == 1
    connection.close()

    kinds = {kind for kind, _ in found(store)}

    assert kinds == ({"missing", "unindexed"} if column == "doc_id" else {"differs"})


@pytest.mark.parametrize("change", ["SET parent_input_name = NULL", "SET parent_input_name = 'x'"])
def test_another_input_of_the_one_parent_is_found(store: DocumentStore, change: str) -> None:
    """It is no column of a `DocumentRow`, and as much a part of what the record says."""
    draft = store.save("draft", stage="draft", task_id="t")
    essay = store.save("essay", stage="essay", task_id="t", parents=[draft.doc_id])
    with sqlite3.connect(store.index.name) as connection:
        connection.execute(f"UPDATE documents {change} WHERE stage = 'essay'")
    connection.close()

    assert found(store) == [("differs", essay.doc_dir)]


@pytest.mark.parametrize(
    "change", ["DELETE FROM document_parent_lists", "UPDATE document_parent_lists SET input_name = 'x'"]
)
def test_another_list_of_parents_is_found(store: DocumentStore, change: str) -> None:
    """It stands in a table of its own."""
    drafts = [store.save(f"draft {task}", stage="draft", task_id=task).doc_id for task in "tu"]
    essay = store.save("essay", stage="essay", task_id="t", parents=drafts)
    with sqlite3.connect(store.index.name) as connection:
        connection.execute(change)
    connection.close()

    assert found(store) == [("differs", essay.doc_dir)]


def test_a_row_that_points_out_of_the_root_is_found(store: DocumentStore, folder: Path) -> None:
    """Though nothing is read there."""
    row = next(iter(store.index.scan())).as_dict()
    forged = {**row, "doc_id": "f" * 16, "doc_dir": f"../../etc/{'f' * 16}", "attempt": "forged"}
    store.index.insert_placed([(forged, ())])

    assert [kind for kind, _ in found(store)] == ["missing"]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_found_once(store: DocumentStore, folder: Path, damage: object) -> None:
    """One finding for one damage, and none for its neighbours."""
    damage(folder)  # type: ignore[operator]

    assert found(store) == [("damaged", inside(store, folder))]


def test_stray_files_and_folders_are_found_at_every_depth(store: DocumentStore, folder: Path) -> None:
    """Nothing below the root goes unseen."""
    root = Path(store.docs_root)
    for place in (root, root / "draft", folder.parent):
        (place / "stray.txt").write_text("stray")
    (root / "draft" / "link").symlink_to("/etc/passwd")

    key = inside(store, folder.parent)
    assert sorted(found(store)) == [
        ("stray", "draft/link"),
        ("stray", "draft/stray.txt"),
        ("stray", f"{key}/stray.txt"),
        ("stray", "stray.txt"),
    ]


def test_a_temporary_folder_is_reported_once_its_writer_must_be_dead(store: DocumentStore, folder: Path) -> None:
    """A young one may be a writer's at work."""
    left = folder.parent / ".tmp-0123456789abcdef-00"
    left.mkdir()
    (left / "raw.txt").write_text("half")
    assert found(store, grace=3600) == []

    long_ago = time.time() - 7200
    os.utime(left / "raw.txt", (long_ago, long_ago))

    assert found(store, grace=3600) == [("temporary", inside(store, left))]


def test_a_torn_document_without_a_row_is_found(store: DocumentStore, folder: Path) -> None:
    """What an object store keeps of a writer that died between two objects."""
    torn = folder.parent / ("0" * 16)
    torn.mkdir()
    (torn / "raw.txt").write_text("half")

    assert found(store) == [("torn", inside(store, torn))]


def test_notes_tell_orphans_duplicates_empty_texts_and_tasks_without_ok(store: DocumentStore) -> None:
    """None of them is damage."""
    store.save("same", stage="draft", task_id="a", parents=["nobody"])
    store.save("same", stage="draft", task_id="b")
    store.save(Document("", status="ok"), stage="draft", task_id="c")
    store.save(Document("half", status="truncated"), stage="draft", task_id="d")

    findings = list(maintenance.verify(store, grace=0))

    assert sorted(each.kind for each in findings) == ["duplicate", "empty", "orphan", "without_ok"]
    assert next(each for each in findings if each.kind == "without_ok").where == "draft/d"


def test_verifying_changes_nothing(store: DocumentStore, folder: Path) -> None:
    """Not a byte and not a time, damaged or not."""
    (folder / "raw.txt").unlink()
    root = Path(store.docs_root)

    def state() -> list[tuple[str, int, int]]:
        return sorted((str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in root.rglob("*"))

    before = state()
    list(maintenance.verify(store, full=True, grace=0))
    list(maintenance.repair(store, maintenance.verify(store, grace=0)))

    assert state() == before


def test_a_repair_adds_and_removes_rows_and_deletes_no_document(store: DocumentStore, folder: Path) -> None:
    """A document gets its row, a row without a document goes, a damaged document stays for people to look at."""
    unknown = store.save("unknown", stage="draft", task_id="unknown")
    store.index.remove([unknown.doc_id])
    lost = store.latest("draft", "before")
    assert lost is not None
    (Path(store.docs_root) / lost.doc_dir).rename(Path(store.docs_root).parent / "elsewhere")
    (folder / "raw.txt").unlink()

    done = list(maintenance.repair(store, maintenance.verify(store, grace=0), dry_run=False))

    assert sorted(each.action for each in done) == ["add the row", "remove the row"]
    assert store.get(unknown.doc_id) is not None
    assert store.get(lost.doc_id) is None
    assert found(store) == [("damaged", inside(store, folder))]


def test_a_root_that_is_not_mounted_costs_no_row(store: DocumentStore, folder: Path) -> None:
    """Where there is no document at all a row without a document is no reason to remove it."""
    root = Path(store.docs_root)
    root.rename(root.with_name("unmounted"))
    root.mkdir()

    with DocumentStore(root, store.index.name) as later, pytest.raises(StoreMismatchError, match="is mounted"):
        list(maintenance.repair(later, maintenance.verify(later, grace=0), dry_run=False))
    assert len(list(store.index.scan())) == 3


def test_a_row_whose_document_came_back_before_the_repair_stays(store: DocumentStore, folder: Path) -> None:
    """Each repair judges again at the moment it acts."""
    away = Path(store.docs_root).parent / "away"
    folder.rename(away)
    findings = list(maintenance.verify(store, grace=0))
    away.rename(folder)

    assert [each.kind for each in findings] == ["missing"]
    assert list(maintenance.repair(store, findings, dry_run=False)) == []
    assert found(store) == []


def test_a_temporary_folder_whose_writer_came_back_before_the_repair_stays(store: DocumentStore, folder: Path) -> None:
    """As above: what was old when it was found may be young now."""
    left = folder.parent / ".tmp-0123456789abcdef-00"
    left.mkdir()
    (left / "raw.txt").write_text("half")
    os.utime(left / "raw.txt", (1, 1))
    os.utime(left, (1, 1))
    findings = list(maintenance.verify(store))
    planned = maintenance.repair(store, findings)
    (left / "raw.txt").write_text("more")

    assert [each.kind for each in findings] == ["temporary"]
    assert list(maintenance.repair(store, findings, dry_run=False)) == []
    assert [each.action for each in planned] == ["none"]
    assert left.exists()


def test_threads_find_what_one_pass_finds(store: DocumentStore) -> None:
    """Of every kind, in every shard, and beside the stages and the keys; each once."""
    made = fill(store, 1000)
    root = Path(store.docs_root)
    folders = {row.doc_id: root / row.doc_dir for row in store.index.scan()}
    for number, doc_id in enumerate(made[::40]):
        DAMAGES[number % len(DAMAGES)](folders[doc_id])
    for doc_id in made[50::150]:
        shutil.rmtree(folders[doc_id])
    store.index.remove(made[-3:])
    for stray in ("stray", "draft/stray", "draft/~odd/stray", "draft/B1/stray", "unknown/stray", "essay/.tmp-1/old/a"):
        (root / stray).parent.mkdir(parents=True, exist_ok=True)
        (root / stray).write_text("not here")
    folders[made[1]].rename(folders[made[1]].with_name("0123456789abcdef"))

    one = sorted(maintenance.verify(store, full=True, grace=0))
    several = sorted(maintenance.verify(store, full=True, grace=0, jobs=8))

    assert several == one
    assert {each.kind for each in one} >= {"damaged", "missing", "unindexed", "stray", "torn"}


def test_a_folder_that_was_moved_is_missing_where_it_was(store: DocumentStore, folder: Path) -> None:
    """Its row is not taken for one with a document because the name of the folder is found elsewhere."""
    elsewhere = folder.parent.parent / "0000000000000000"
    elsewhere.mkdir()
    folder.rename(elsewhere / folder.name)

    assert sorted(found(store)) == [
        ("missing", inside(store, folder)),
        ("torn", inside(store, elsewhere / folder.name)),
    ]


@pytest.mark.parametrize(("fails", "kinds"), [(1, []), (2, ["unreadable"])])
@pytest.mark.parametrize("name", ["raw.txt", "metadata.json"])
def test_a_file_that_could_not_be_read_is_read_again_and_never_called_damaged(
    store: DocumentStore, folder: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, fails: int, kinds: list[str]
) -> None:
    """Nothing is known of what is in it."""
    read_many = LocalStorage.read_many
    left = [fails]

    def failing(storage: LocalStorage, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        for path in paths:
            if path == f"{inside(store, folder)}/{name}" and left[0]:
                left[0] -= 1
                yield StorageError(docs_root=storage.root, action="read", path=path, reason="it is away")
            else:
                yield from read_many(storage, [path])

    monkeypatch.setattr(LocalStorage, "read_many", failing)

    assert found(store, full=True) == [(kind, inside(store, folder)) for kind in kinds]
    assert left == [0]


def test_a_stage_that_cannot_be_listed_is_found_once(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once in each of its shards."""
    fill(store, 900)
    scandir = os.scandir

    def failing(path: str) -> object:
        if path == f"{store.docs_root}/essay":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)

    findings = [each for each in maintenance.verify(store, jobs=4) if each.kind not in NOTES]

    assert findings == [Finding("unreadable", "essay", "Permission denied")]
