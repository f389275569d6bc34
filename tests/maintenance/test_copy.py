"""Copying a store: what it costs at the server, what it goes on with, and what it does not bring."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doc_io import Document, DocumentRow, DocumentStore, Origin, maintenance
from doc_io.errors import ConfigurationError, IndexAccessError, StorageError, StoreMismatchError
from tests.maintenance import damage
from tests.servers.counting import Counter, counting
from tests.servers.s3 import S3

COUNT = 40


@pytest.fixture(scope="module")
def counter(s3_server: S3) -> Iterator[Counter]:
    """A counting proxy before the S3 server."""
    with counting(s3_server.endpoint) as counter:
        yield counter


@pytest.fixture
def far(s3_server: S3, counter: Counter, tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store on S3, by way of the counter."""
    root = f"{s3_server.root}/{secrets.token_hex(4)}"
    options = s3_server.options_at(counter.endpoint)
    with DocumentStore(root, tmp_path / "far.sqlite", storage_options=options) as store:
        store.unchecked.claim()
        store.check()
        counter.clear()
        yield store


@pytest.fixture
def rows(store: DocumentStore) -> list[DocumentRow]:
    """Documents of two files and their records in a local store."""
    documents = [(Document(f"text {n}", prompt="p"), Origin(stage="s", task_id=f"t{n}")) for n in range(COUNT)]
    return store.save_many(documents)


def test_copying_to_a_store_costs_one_put_for_each_file(
    store: DocumentStore, rows: list[DocumentRow], far: DocumentStore, counter: Counter
) -> None:
    """But for the id and the new names of the target nothing is asked, and nothing is listed; the files of many documents are under way at once, with a bound."""
    assert maintenance.copy(store, far).copied == COUNT

    assert counter.methods() == {"PUT": 3 * COUNT, "GET": 2}
    assert 8 < counter.most_at_once <= 32


def test_copying_from_a_store_costs_one_get_for_each_file(
    store: DocumentStore, rows: list[DocumentRow], far: DocumentStore, counter: Counter, tmp_path: Path
) -> None:
    """And the listing of the pins, and the new names: the records say what there is to read."""
    maintenance.copy(store, far)
    with DocumentStore(tmp_path / "back" / "docs") as back:
        counter.clear()

        assert maintenance.copy(far, back).copied == COUNT

        listings = [path for method, path in counter.requests if "list-type" in path]
        assert all(".doc_io" in path for path in listings)
        assert counter.methods() == {"GET": 3 * COUNT + len(listings) + 1}
        assert back.read_many(rows) == store.read_many(rows)


def test_an_interrupted_copy_goes_on(store: DocumentStore, rows: list[DocumentRow], far: DocumentStore) -> None:
    """Files without a row are taken over, missing ones are written, an altered one is set aside."""
    maintenance.copy(store, far)
    far.index.remove([row.doc_id for row in rows[:3]])
    far.storage.delete(f"{rows[0].doc_dir}/metadata.json")
    far.storage.put(f"{rows[1].doc_dir}/raw.txt", b"tor")

    again = maintenance.copy(store, far)

    assert (again.copied, again.existing) == (3, COUNT - 3)
    (aside,) = maintenance.verify(far, full=True, grace=0)
    assert aside.kind == "temporary"
    assert far.read_many(rows) == store.read_many(rows)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (damage.missing_raw, "raw.txt is missing"),
        (damage.cut_text, "raw.txt was altered"),
        (damage.missing_record, "metadata.json is missing"),
        (damage.flipped_record, "checksum"),
        (lambda folder: damage.forged(folder, lambda fields: fields.update(stage="other")), "of another document"),
    ],
)
def test_a_damaged_document_is_reported_and_stops_no_other(
    store: DocumentStore, rows: list[DocumentRow], tmp_path: Path, harm: Callable[[Path], Any], reason: str
) -> None:
    """It is not copied; every other one is."""
    harm(Path(store.docs_root, rows[5].doc_dir))

    with DocumentStore(tmp_path / "copy" / "docs") as target:
        came = maintenance.copy(store, target)

        assert (came.copied, [each.path for each in came.rejected]) == (COUNT - 1, [rows[5].doc_dir])
        assert reason in " ".join(came.rejected[0].reasons)
        assert target.get(rows[5].doc_id) is None


def test_a_source_that_cannot_be_reached_is_one_error(
    store: DocumentStore, rows: list[DocumentRow], far: DocumentStore, s3_server: S3, tmp_path: Path
) -> None:
    """And no list of documents that were damaged."""
    maintenance.copy(store, far)
    options = s3_server.storage_options | {"secret": "a-wrong-one"}
    with (
        DocumentStore(far.docs_root, tmp_path / "far.sqlite", storage_options=options) as unreachable,
        DocumentStore(tmp_path / "back" / "docs") as back,
        pytest.raises(StorageError, match="PermissionError"),
    ):
        maintenance.copy(unreachable, back)


def test_an_index_of_another_root_is_refused(
    store: DocumentStore, rows: list[DocumentRow], far: DocumentStore, tmp_path: Path
) -> None:
    """By its rows everything would be there already, and nothing would be copied."""
    maintenance.copy(store, far)

    with (
        DocumentStore(tmp_path / "other" / "docs", tmp_path / "far.sqlite") as mixed,
        pytest.raises(StoreMismatchError, match="the docs root has none"),
    ):
        maintenance.copy(store, mixed)


def test_a_copy_into_its_source_is_refused_before_anything_is_made(
    store: DocumentStore, rows: list[DocumentRow], tmp_path: Path
) -> None:
    """The same root or index, one below or above, by a link too."""
    (tmp_path / "link").symlink_to(store.docs_root)
    root, index = Path(store.docs_root), Path(store.index.name)
    before = sorted(tmp_path.rglob("*"))

    for to_root, to_index in [
        (root, tmp_path / "new.sqlite"),
        (root / "below", tmp_path / "new.sqlite"),
        (root.parent, tmp_path / "new.sqlite"),
        (tmp_path / "link" / "below", tmp_path / "new.sqlite"),
        (tmp_path / "elsewhere", index),
    ]:
        with DocumentStore(to_root, to_index) as target, pytest.raises(ConfigurationError, match="of the source"):
            maintenance.copy(store, target)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bucket_is_not_copied_below_itself(far: DocumentStore, tmp_path: Path) -> None:
    """By its URL."""
    with (
        DocumentStore(f"{far.docs_root}/below", tmp_path / "new.sqlite") as target,
        pytest.raises(ConfigurationError) as told,
    ):
        maintenance.copy(far, target)
    assert "of the source" in str(told.value)
    assert not (tmp_path / "new.sqlite").exists()


def test_a_root_whose_name_begins_alike_is_another_one(
    store: DocumentStore, rows: list[DocumentRow], tmp_path: Path
) -> None:
    """The control of the two above."""
    with DocumentStore(f"{store.docs_root}-copy", tmp_path / "new.sqlite") as target:
        assert maintenance.copy(store, target).copied == COUNT


def test_a_target_that_cannot_be_written_leaves_nothing_behind(
    store: DocumentStore, rows: list[DocumentRow], tmp_path: Path
) -> None:
    """No index without documents, no lock file beside a folder that was named as the index."""
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))

    for to_root, to_index, error in [
        (tmp_path / "file" / "docs", tmp_path / "new.sqlite", StorageError),
        (tmp_path / "elsewhere", tmp_path / "file" / "new.sqlite", IndexAccessError),
        (tmp_path / "elsewhere", Path(store.docs_root), IndexAccessError),
    ]:
        with DocumentStore(to_root, to_index) as target, pytest.raises(error, match=r"no folder|is a folder"):
            maintenance.copy(store, target)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_forged_row_leads_nowhere(store: DocumentStore, rows: list[DocumentRow], tmp_path: Path) -> None:
    """A row that names a folder outside of the root is told, and stops no other document."""
    with sqlite3.connect(tmp_path / "db" / "documents.sqlite") as database:
        database.execute("UPDATE documents SET doc_dir = '../outside' WHERE doc_id = ?", [rows[5].doc_id])

    with DocumentStore(tmp_path / "copy" / "docs") as target:
        came = maintenance.copy(store, target)

    assert (came.copied, [each.path for each in came.rejected]) == (COUNT - 1, ["../outside"])


def test_large_documents_are_read_a_few_at_a_time(
    store: DocumentStore, rows: list[DocumentRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are in a batch, only some megabytes of their files are in memory; none is left out."""
    monkeypatch.setattr("doc_io.integrity.MAX_BATCH_BYTES", 20)

    with DocumentStore(tmp_path / "copy" / "docs") as target:
        assert maintenance.copy(store, target).copied == COUNT
        assert target.read_many(rows) == store.read_many(rows)
