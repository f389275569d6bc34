"""The store keeps its promises on the local disk with SQLite."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doc_io import (
    DamagedDocumentError,
    Document,
    DocumentNotFoundError,
    DocumentStore,
    InvalidDocumentError,
    MissingTextError,
    Origin,
    Parent,
    Status,
    StorageError,
    StoredDocument,
    Usage,
    maintenance,
    register_parser,
    reports,
)
from doc_io.document import COLUMNS, OK
from doc_io.writing.draft import make_drafts

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def files_of(store: DocumentStore) -> dict[str, bytes]:
    """Every file below the docs root."""
    root = Path(store.docs_root)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_saved_text_comes_back(store: DocumentStore) -> None:
    """The main job."""
    row = store.save("hello", stage="draft", task_id="t")

    assert store.latest("draft", "t") == row
    assert store.read(row) == "hello"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> DocumentStore:
    """One store for many examples."""
    return DocumentStore(tmp_path_factory.mktemp("shared") / "docs")


@settings(max_examples=60)
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_every_text_comes_back_exactly(shared: DocumentStore, raw: str, parsed: str, prompt: str) -> None:
    """Newlines, NUL, BOM, astral characters and lone surrogates included."""
    row = shared.save(Document(raw, parsed=parsed, prompt=prompt), stage="any", task_id="t")

    assert (shared.read(row, "raw"), shared.read(row), shared.read(row, "prompt")) == (raw, parsed, prompt)


@pytest.mark.parametrize(
    "text", ["a\r\nb\rc\n", "\ufeffbom", "\0", "\ud800 alone", "\ud83d\ude00 as two", "", "x" * 10**6]
)
def test_texts_that_others_change_come_back_exactly(store: DocumentStore, text: str) -> None:
    """Each is one that a plain read_text or a JSON round trip would alter."""
    row = store.save(text, stage="draft", task_id="t")

    assert store.read(row) == text
    assert store.read_many([row]) == {row.doc_id: text}


def test_the_folder_of_a_document_reads_like_the_design(store: DocumentStore) -> None:
    """A person can open it."""
    document = Document("raw", parsed="parsed", prompt="prompt", extras={"a/b.json": "{}"}, metadata={"seed": 7})
    row = store.save(document, stage="essay", task_id="t")

    assert row.doc_dir == f"essay/{row.logical_key_id}/{row.doc_id}"
    assert {path.removeprefix(f"{row.doc_dir}/") for path in files_of(store)} == {
        "raw.txt", "parsed.txt", "prompt.txt", "extras/a%2Fb.json", "metadata.json", ".doc_io/store.json",
    }  # fmt: skip


def test_the_commit_record_says_every_field_of_the_row(store: DocumentStore) -> None:
    """The row can be rebuilt from it."""
    usage = Usage(10, 20, 30)
    row = store.save(
        Document("x", usage=usage, model_id="m", identifiers={"seed": "1"}), stage="s", task_id="t", run_id="r"
    )
    fields = json.loads((Path(store.docs_root) / row.doc_dir / "metadata.json").read_text())

    assert {column: fields[column] for column in COLUMNS if column not in ("seq", "doc_dir")} == {
        column: value for column, value in row.as_dict().items() if column not in ("seq", "doc_dir")
    }


def test_nothing_on_disk_names_the_root(store: DocumentStore, tmp_path: Path) -> None:
    """A root can be moved or copied."""
    row = store.save(Document("x", prompt="p"), stage="draft", task_id="t")
    shutil.copytree(store.docs_root, tmp_path / "moved")
    with DocumentStore(tmp_path / "moved", tmp_path / "db" / "documents.sqlite") as moved:
        found = moved.latest("draft", "t")
        assert found == row
        assert moved.read(row, "prompt") == "p"
    assert not any(str(tmp_path).encode() in data for data in files_of(store).values())


def test_a_truncated_draft_does_not_hide_the_older_ok_one(store: DocumentStore) -> None:
    """latest_ok skips newer attempts whose status is not ok."""
    whole = store.save(Document("whole"), stage="draft", task_id="t")
    half = store.save(Document("half", finish_reason="length"), stage="draft", task_id="t")

    assert store.latest("draft", "t") == whole
    assert store.latest("draft", "t", {"truncated"}) == half
    assert store.history("draft", "t") == [half, whole]


def test_the_newest_ok_document_is_the_latest(store: DocumentStore) -> None:
    """By created_at, then seq."""
    rows = [store.save(f"v{number}", stage="draft", task_id="t") for number in range(5)]

    assert store.latest("draft", "t") == rows[-1]
    assert store.index.latest_by_logical(rows[0].logical_key_id, OK) == rows[-1]
    assert [row.lineage_prev_doc_id for row in rows] == [None, *(row.doc_id for row in rows[:-1])]


def test_created_at_grows_though_the_clock_steps_back(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer takes the later of its clock and the newest row's time plus one microsecond."""
    first = store.save("1", stage="draft", task_id="t")
    with sqlite3.connect(store.index.name) as database:  # as if a machine whose clock is ahead had written it
        database.execute("UPDATE documents SET created_at = '2199-12-31T23:59:59.999999Z'")
    database.close()
    second = store.save("2", stage="draft", task_id="t")
    third = store.save("3", stage="draft", task_id="t")

    assert second.created_at == "2200-01-01T00:00:00.000000Z"
    assert third.created_at == "2200-01-01T00:00:00.000001Z"
    assert store.latest("draft", "t") == third
    assert first.seq < second.seq < third.seq


def test_the_time_is_utc_with_microseconds_in_row_and_record(store: DocumentStore) -> None:
    """Text that sorts by time."""
    row = store.save("x", stage="draft", task_id="t")

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row.created_at)
    assert store.record(row).row["created_at"] == row.created_at


def test_many_tasks_are_resolved_at_once_and_never_swapped(store: DocumentStore) -> None:
    """In the order asked for; a task without a document is left out."""
    for number in range(50):
        store.save(f"text of {number}", stage="draft", task_id=f"t{number}")
    wanted = [f"t{number}" for number in reversed(range(60))]
    found = store.latest_many("draft", wanted)
    texts = store.read_many(found.values())

    assert list(found) == [f"t{number}" for number in reversed(range(50))]
    assert {task: texts[row.doc_id] for task, row in found.items()} == {f"t{n}": f"text of {n}" for n in range(50)}


@pytest.mark.parametrize("task", ["a'; DROP TABLE documents; --", '"', "%", "_", "ünï/..", "\n", "[1]", "x" * 10_000])
def test_any_task_id_is_found_by_its_own_name_only(store: DocumentStore, task: str) -> None:
    """No name runs SQL or matches another."""
    store.save("other", stage="draft", task_id="other")
    row = store.save("mine", stage="draft", task_id=task)

    assert store.latest("draft", task) == row
    assert store.latest_many("draft", [task, "none"]) == {task: row}


def test_a_run_is_preferred_over_a_newer_document_of_another(store: DocumentStore) -> None:
    """So that two runs at once do not mix."""
    mine = store.save("mine", stage="draft", task_id="t", run_id="me")
    other = store.save("other", stage="draft", task_id="t", run_id="other")

    assert store.latest("draft", "t", runs=["me"]) == mine
    assert store.latest("draft", "t", runs=["nobody", "me"]) == mine
    assert store.latest("draft", "t", runs=["nobody"]) == other


def test_as_of_hides_what_came_later(store: DocumentStore) -> None:
    """A pipeline can be replayed on the documents it saw."""
    old = store.save("old", stage="draft", task_id="t")
    store.save("new", stage="draft", task_id="t")

    assert store.latest("draft", "t", as_of=old.created_at) == old
    assert store.latest("draft", "t", as_of="2000-01-01T00:00:00.000000Z") is None


def test_the_same_attempt_twice_is_one_document(store: DocumentStore) -> None:
    """A retry after a lost acknowledgement converges."""
    first = store.save("x", stage="draft", task_id="t", run_id="r", attempt="1")
    before = files_of(store)

    assert store.save("x", stage="draft", task_id="t", run_id="r", attempt="1") == first
    assert (files_of(store), store.history("draft", "t")) == (before, [first])


def nested(levels: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


FACTS = {f"fact {number}": number for number in range(32)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Document("x"), Document("y")),
        (Document("x"), Document("x", prompt="p")),
        (Document("x"), Document("x", finish_reason="stop")),
        (Document("x"), Document("x", metadata={"a": 1})),
        (Document("x"), Document("x", usage=Usage(prompt_tokens=1))),
        (Document("x", extras={"a": "1"}), Document("x", extras={"b": "1"})),
        (Document("x", metadata={"eval": {"score": 1}}), Document("x", metadata={"eval": {"score": 9}})),
        (Document("x", metadata={"a": "w" * 200 + "1"}), Document("x", metadata={"a": "w" * 200 + "2"})),
        (Document("x", finish_reason="w" * 200 + "1"), Document("x", finish_reason="w" * 200 + "2")),
        (Document("x", metadata={**FACTS, "last": 1}), Document("x", metadata={**FACTS, "last": 2})),
        (Document("x", metadata={"a": [1]}), Document("x", metadata={"a": [1.0]})),
        (Document("x", metadata={"a": None}), Document("x", metadata={})),
    ],
)
def test_other_content_under_the_same_attempt_is_another_document_and_both_stay(
    store: DocumentStore, one: Document, other: Document
) -> None:
    """A committed document never changes, to the byte, whatever differs."""
    first = store.save(one, stage="draft", task_id="t", run_id="r", attempt="1")
    before = files_of(store)
    second = store.save(other, stage="draft", task_id="t", run_id="r", attempt="1")

    assert store.history("draft", "t") == [second, first]
    assert before.items() <= files_of(store).items()
    assert {each.kind for each in maintenance.verify(store, full=True, grace=0)} <= {"duplicate"}


def test_parents_are_part_of_what_makes_a_document(store: DocumentStore) -> None:
    """The same text made from other inputs is another document."""
    a, b = (store.save(name, stage="draft", task_id=name).doc_id for name in "ab")
    lists: list[list[Parent | str]] = [[a, b], [b, a], [Parent(a, "input"), b]]
    made = [store.save("x", stage="essay", task_id="t", run_id="r", attempt="1", parents=parents) for parents in lists]

    assert len({row.doc_id for row in made}) == 3


def test_what_an_author_changes_after_the_save_changes_nothing(store: DocumentStore) -> None:
    """The metadata is read once."""
    metadata: dict[str, list[int]] = {"a": [1]}
    [draft] = make_drafts([(Document("x", metadata=metadata), Origin("draft", "t"))])
    metadata["a"].append(2)
    [row] = store.commit([draft])

    assert store.stored(row).metadata == {"a": [1]}


def test_drafts_can_be_committed_again_and_are_not_parsed_again(store: DocumentStore) -> None:
    """A retry costs no second parse and makes no second document."""
    parsed: list[str] = []

    def upper(text: str) -> str:
        parsed.append(text)
        return text.upper()

    register_parser("counting", upper)
    drafts = make_drafts([(Document("x", parser="counting"), Origin("draft", "t"))])

    assert store.commit(drafts) == store.commit(drafts)
    assert parsed == ["x"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": nested(64)},
        {"a": 10**640},
        {"a": {"b": [-(10**640)]}},
        {"a": float("nan")},
        {"a": {1, 2}},
        {"a": "x" * (64 * 2**20)},
    ],
    ids=["deep", "digits", "negative digits", "nan", "a set", "large"],
)
def test_what_could_not_be_read_back_is_refused_before_anything_is_written(
    store: DocumentStore, metadata: dict[str, Any]
) -> None:
    """Every limit of the reader is one of the writer."""
    with pytest.raises(InvalidDocumentError):
        store.save(Document("x", metadata=metadata), stage="draft", task_id="t")

    assert list(Path(store.docs_root).glob("*")) == []


@pytest.mark.parametrize("metadata", [{"a": nested(63)}, {"a": 10**640 - 1}, {"a": "x" * 2**20}])
def test_what_is_within_the_limits_is_read_back(store: DocumentStore, metadata: dict[str, Any]) -> None:
    """By verify and reindex too."""
    row = store.save(Document("x", metadata=metadata), stage="draft", task_id="t")

    assert store.stored(row).metadata == metadata
    assert maintenance.reindex(store).rejected == ()
    assert list(maintenance.verify(store, full=True)) == []


def test_an_attempt_whose_writer_died_before_its_row_is_taken_up(store: DocumentStore) -> None:
    """The files were there, the row was not."""
    first = store.save("x", stage="draft", task_id="t", run_id="r", attempt="1")
    with sqlite3.connect(store.index.name) as database:
        database.execute("DELETE FROM documents")
    database.close()
    again = store.save("x", stage="draft", task_id="t", run_id="r", attempt="1")

    assert again == first
    assert store.read(again) == "x"


@pytest.mark.parametrize("damage", ["raw.txt", "metadata.json"])
def test_an_attempt_whose_writer_died_in_its_files_is_written_anew(store: DocumentStore, damage: str) -> None:
    """What a power cut left is set aside, not trusted and not deleted."""
    first = store.save("x", stage="draft", task_id="t", run_id="r", attempt="1")
    with sqlite3.connect(store.index.name) as database:
        database.execute("DELETE FROM documents")
    database.close()
    (Path(store.docs_root) / first.doc_dir / damage).write_bytes(b"")
    again = store.save("x", stage="draft", task_id="t", run_id="r", attempt="1")

    assert store.read(again) == "x"
    assert store.record(again).row["created_at"] == again.created_at
    assert any(".torn-" in path for path in files_of(store))


def test_many_threads_share_a_store(store: DocumentStore) -> None:
    """Each has a connection of its own; every time is unique within the task."""
    with ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda number: store.save(str(number), stage="draft", task_id="t"), range(64)))
    history = store.history("draft", "t")

    assert sorted(row.doc_id for row in rows) == sorted(row.doc_id for row in history)
    assert len({row.created_at for row in history}) == 64
    assert [row.lineage_prev_doc_id for row in history] == [*(row.doc_id for row in history[1:]), None]
    assert all(store.record(row).row["created_at"] == row.created_at for row in history)


def test_a_connection_ends_with_its_thread(store: DocumentStore) -> None:
    """Or a pool that makes threads would run out of files."""
    store.save("x", stage="draft", task_id="t")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        thread = threading.Thread(target=store.history, args=("draft", "t"))
        thread.start()
        thread.join()

    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_a_store_may_be_used_after_a_fork(store: DocumentStore) -> None:
    """A connection that came over the fork is neither used nor closed."""
    store.save("parent", stage="draft", task_id="t")
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            store.save("child", stage="draft", task_id="c")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    row = store.save("again", stage="draft", task_id="t")

    assert store.latest("draft", "c") is not None
    assert store.latest("draft", "t") == row


def test_parents_are_kept_with_the_input_they_came_by(store: DocumentStore) -> None:
    """In the order they were read; several have no primary one among them."""
    a, b = (store.save(name, stage="draft", task_id=name) for name in "ab")
    parents = [Parent(b.doc_id, "second"), Parent(a.doc_id, "first")]
    essay = store.save("essay", stage="essay", task_id="t", parents=parents)

    assert (store.parents(essay.doc_id), essay.parent_doc_id) == (parents, None)
    assert store.children(a.doc_id) == store.children(b.doc_id) == [essay]


def test_what_two_hundred_documents_were_made_from_is_stored_once(store: DocumentStore) -> None:
    """Two thousand parents of each: so many rows in all, each in its place, also after a rebuild; and a small record."""
    parents = tuple(Parent(f"{n:016}", "drafts") for n in range(2000))
    batch = [(f"text {n}", Origin("essay", f"t{n}", attempt="1", parents=parents)) for n in range(200)]
    rows = store.save_many(batch)

    for _ in range(2):
        stored = "SELECT count(*), count(DISTINCT list_id) FROM document_parent_lists"
        assert reports.sql(store, stored)[1] == [(2000, 1)]
        shown = (
            "SELECT count(*), count(DISTINCT doc_id), sum(position = CAST(parent_doc_id AS INT)) FROM document_parents"
        )
        assert reports.sql(store, shown)[1] == [(400_000, 200, 400_000)]
        assert store.parents(rows[7].doc_id) == list(parents)
        assert len(store.children(parents[9].doc_id)) == 200
        maintenance.reindex(store)

    assert (Path(store.docs_root) / rows[0].doc_dir / "metadata.json").stat().st_size < 45_000


def test_one_parent_is_the_primary_one_and_enters_the_key(store: DocumentStore) -> None:
    """The same task from another draft is another product."""
    a, b = (store.save(name, stage="draft", task_id=name) for name in "ab")
    of_a, of_b = (store.save("e", stage="essay", task_id="t", parents=[each.doc_id]) for each in (a, b))

    assert (of_a.parent_doc_id, of_b.parent_doc_id) == (a.doc_id, b.doc_id)
    assert of_a.logical_key_id != of_b.logical_key_id
    assert store.latest("essay", "t") == of_b


def test_a_stored_document_reads_its_texts_when_asked(store: DocumentStore) -> None:
    """Until then it costs no more than its row."""
    row = store.save(Document("raw", parsed="parsed", metadata={"a": [1]}), stage="draft", task_id="t")
    stored = store.stored(row)

    assert isinstance(stored, StoredDocument)
    assert (stored.doc_id, stored.text, stored.raw, stored.parsed, stored.prompt) == (
        row.doc_id,
        "parsed",
        "raw",
        "parsed",
        None,
    )
    assert stored.metadata == {"a": [1]}
    assert (stored.doc_dir / "raw.txt").read_text() == "raw"


def test_a_skipped_task_has_a_row_and_no_text(store: DocumentStore) -> None:
    """Nothing was made, and that is known."""
    row = store.save(Document.skipped("no source"), stage="draft", task_id="t")

    assert (row.status, row.raw_chars, row.meta_small) == (Status.SKIPPED, None, {"skip_reason": "no source"})
    assert {path.rpartition("/")[2] for path in files_of(store)} == {"metadata.json", "store.json"}
    with pytest.raises(MissingTextError, match="skipped"):
        store.read(row)


@pytest.mark.parametrize("which", ["parsed", "prompt"])
def test_asking_for_a_text_that_is_not_there_is_a_clear_error(store: DocumentStore, which: str) -> None:
    """It names the document and what else could be read."""
    row = store.save("x", stage="draft", task_id="t")
    with pytest.raises(MissingTextError, match=f"{row.doc_id}.*no {which} text"):
        store.read(row, which)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", [None, b"", b"longer than before", b"\xff\xfe"])
def test_a_damaged_text_is_never_handed_on(store: DocumentStore, damage: bytes | None) -> None:
    """Gone, cut, longer, or not UTF-8."""
    row = store.save("hello", stage="draft", task_id="t")
    path = Path(store.docs_root) / row.doc_dir / "raw.txt"
    path.unlink() if damage is None else path.write_bytes(damage)

    for read in (store.read, lambda row: store.read_many([row])):
        with pytest.raises(DamagedDocumentError, match=row.doc_id):
            read(row)


def test_a_symlink_in_the_place_of_a_text_is_not_followed(store: DocumentStore, tmp_path: Path) -> None:
    """It could name any file of the machine."""
    row = store.save("hello", stage="draft", task_id="t")
    secret = tmp_path / "secret"
    secret.write_text("hello")
    path = Path(store.docs_root) / row.doc_dir / "raw.txt"
    path.unlink()
    path.symlink_to(secret)

    with pytest.raises(StorageError):
        store.read(row)


@pytest.mark.parametrize(
    "names",
    [
        {"stage": ""},
        {"stage": "a\0b"},
        {"task_id": "\ud800"},
        {"task_id": 7},
        {"run_id": "a\0"},
        {"asset_key": b"x"},
        {"parents": ["a\0"]},
    ],
)
def test_a_name_that_no_database_can_hold_is_refused_and_nothing_is_written(
    store: DocumentStore, names: dict[str, str]
) -> None:
    """Early, before any file."""
    with pytest.raises(InvalidDocumentError):
        store.save("x", **{"stage": "s", "task_id": "t", **names})
    assert not Path(store.docs_root).exists()


def test_metadata_that_json_cannot_hold_is_refused_and_nothing_is_written(store: DocumentStore) -> None:
    """It could not be read back."""
    with pytest.raises(InvalidDocumentError):
        store.save(Document("x", metadata={"a": object()}), stage="s", task_id="t")
    assert not Path(store.docs_root).exists()


def test_a_root_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """It names the root; no row is made."""
    (tmp_path / "docs").write_text("a file, not a folder")
    with DocumentStore(tmp_path / "docs") as store:
        with pytest.raises(StorageError, match="docs"):
            store.save("x", stage="draft", task_id="t")
        assert store.history("draft", "t") == []


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_files_and_folders_have_the_modes_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    """A team shares a root by its umask."""
    before = os.umask(umask)
    try:
        with DocumentStore(tmp_path / "docs") as store:
            row = store.save(Document("x", extras={"a": "b"}), stage="draft", task_id="t")
    finally:
        os.umask(before)
    folder = tmp_path / "docs" / row.doc_dir
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}

    assert modes.pop(row.doc_id) == modes.pop("extras") == 0o777 & ~umask
    assert set(modes.values()) == {0o666 & ~umask}


def test_a_prompt_of_another_document_is_read_from_there(store: DocumentStore) -> None:
    """prompt_path is relative to the docs root."""
    prompt = store.save("do it", stage="prompt", task_id="p")
    row = store.save("done", stage="draft", task_id="t", prompt_path=f"{prompt.doc_dir}/raw.txt")

    assert store.read(row, "prompt") == "do it"


def test_a_forged_row_cannot_read_outside_of_the_root(store: DocumentStore, tmp_path: Path) -> None:
    """The database may be less trusted than the disk."""
    (tmp_path / "secret.txt").write_text("secret")
    row = store.save("x", stage="draft", task_id="t", prompt_path="../secret.txt")
    with pytest.raises(StorageError, match="leaves the docs root"):
        store.read(row, "prompt")


def test_a_row_is_taken_only_with_its_whole_document(store: DocumentStore) -> None:
    """insert_document never makes a row that points nowhere."""
    row = store.save("x", stage="draft", task_id="t")
    with sqlite3.connect(store.index.name) as database:
        database.execute("DELETE FROM documents")
    database.close()

    assert maintenance.index_document(store, row.as_dict()) == row
    with pytest.raises(InvalidDocumentError, match="another model_id"):
        maintenance.index_document(store, {**row.as_dict(), "model_id": "another"})
    (Path(store.docs_root) / row.doc_dir / "raw.txt").unlink()
    with pytest.raises(DamagedDocumentError):
        maintenance.index_document(store, row.as_dict())


def test_a_store_shows_where_it_is(store: DocumentStore) -> None:
    """Root and index; nothing secret."""
    assert store.docs_root in repr(store)
    assert store.index.name in repr(store)


def test_a_task_of_failed_attempts_alone_is_not_found_by_its_name(store: DocumentStore) -> None:
    """`doc-io cat essay/t > essay.txt` must not write half an answer; the error names the attempt that there is."""
    half = store.save(Document("half", finish_reason="length"), stage="essay", task_id="t")

    with pytest.raises(DocumentNotFoundError, match=f"newest attempt: truncated, {half.doc_id}"):
        store.find("essay/t")

    assert store.find(half.doc_id) == half
