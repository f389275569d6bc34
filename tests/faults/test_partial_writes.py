"""Several who put the same torn document right at once: none takes away what another has made whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from doc_io import DocIOError, Document, DocumentRow, DocumentStore, maintenance
from doc_io.commit_record import RECORD_NAME
from doc_io.index.postgres import PostgresIndex
from doc_io.index.sql_index import Index
from doc_io.index.sqlite import SqliteIndex
from doc_io.storage.base import Storage
from doc_io.storage.local import LocalStorage
from doc_io.storage.remote import RemoteStorage
from doc_io.writing.draft import Draft, Origin, make_draft, make_drafts
from doc_io.writing.spool import SpoolOwner, spool, spooled
from tests.servers.postgres import Postgres
from tests.servers.s3 import S3

IN_VAIN = 1.5  # seconds that one waits for another who is kept out
AS_LONG_AS_IT_TAKES = 30.0


class Killed(BaseException):
    """A process that ends here: nothing of doc_io catches it."""


class Race:
    """Two writers: the first judges a folder to be torn, and comes back only when the second was acknowledged; then it is killed.

    What it judged is no longer so. It is killed right after it has taken the folder away, before it writes its own.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Storage], patience: float) -> None:
        self.first = threading.local()
        self.judged, self.other_is_done = threading.Event(), threading.Event()
        quarantine = kind.quarantine

        def in_the_race(storage: Storage, doc_dir: str) -> None:
            if not getattr(self.first, "it_is", False):
                quarantine(storage, doc_dir)
                return
            self.judged.set()
            self.other_is_done.wait(patience)
            quarantine(storage, doc_dir)
            raise Killed

        monkeypatch.setattr(kind, "quarantine", in_the_race)

    def run(self, one: DocumentStore, other: DocumentStore, document: Document) -> DocumentRow:
        """The row that the second was given."""

        def be_first() -> None:
            self.first.it_is = True
            with suppress(Killed):
                save(one, document)

        def be_second() -> DocumentRow:
            assert self.judged.wait(10)
            row = save(other, document)
            self.other_is_done.set()
            return row

        with ThreadPoolExecutor(2) as threads:
            threads.submit(be_first)
            return threads.submit(be_second).result()


def save(store: DocumentStore, document: Document) -> DocumentRow:
    """The attempt that everybody makes."""
    return store.save(document, stage="essay", task_id="t", run_id="r", attempt="1")


@contextmanager
def places(
    kind: str, folder: Path, s3_server: S3, postgres_server: Postgres
) -> Iterator[tuple[DocumentStore, DocumentStore]]:
    """Two machines' views of one store that holds the torn document."""
    root, options = (
        (str(folder / "docs"), {})
        if kind.startswith("local")
        else (f"{s3_server.root}/{folder.name}", s3_server.storage_options)
    )
    url = postgres_server.new_database() if kind.endswith("postgres") else None
    one, other = (DocumentStore(root, folder / "index.sqlite", db_url=url, storage_options=options) for _ in range(2))
    with one, other:
        one.unchecked.claim()
        draft = make_draft(DOCUMENT, Origin(stage="essay", task_id="t", run_id="r", attempt="1"))
        one.storage.create(draft.doc_dir, {"raw.txt": b"\0\0\0", "prompt.txt": b"p", RECORD_NAME: b"\0" * 40})
        yield one, other


OWNER = SpoolOwner("a store", None)
DOCUMENT = Document("paid for", prompt="p", extras={"a": "b"})
KINDS = ["local, sqlite", "local, postgres", "s3, sqlite", "s3, postgres"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_torn_document_that_another_mended_meanwhile_stays(
    kind: str, tmp_path: Path, s3_server: S3, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes second waits, and what it was acknowledged cannot be taken away by the first."""
    race = Race(monkeypatch, LocalStorage if kind.startswith("local") else RemoteStorage, IN_VAIN)
    with places(kind, tmp_path, s3_server, postgres_server) as (one, other):
        row = race.run(one, other, DOCUMENT)

        assert other.get(row.doc_id) == row
        assert other.read(row) == "paid for"


@pytest.mark.parametrize("kind", KINDS)
def test_without_turns_an_acknowledged_document_is_taken_away(
    kind: str, tmp_path: Path, s3_server: S3, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same race where nobody waits."""
    race = Race(monkeypatch, LocalStorage if kind.startswith("local") else RemoteStorage, AS_LONG_AS_IT_TAKES)
    monkeypatch.setattr(
        SqliteIndex if kind.endswith("sqlite") else PostgresIndex, "repair_lock", lambda _: nullcontext()
    )
    with places(kind, tmp_path, s3_server, postgres_server) as (one, other):
        row = race.run(one, other, DOCUMENT)

        with pytest.raises(DocIOError):
            other.read(row)


def test_objects_of_a_writer_that_is_at_work_stay_where_they_are(tmp_path: Path, s3_server: S3) -> None:
    """The same attempt from two machines: the second adds what it misses, so that the first may go on at any moment."""
    root = f"{s3_server.root}/{tmp_path.name}"
    with DocumentStore(root, tmp_path / "index.sqlite", storage_options=s3_server.storage_options) as store:
        draft = make_draft(DOCUMENT, Origin(stage="essay", task_id="t", run_id="r", attempt="1"))
        store.unchecked.claim()
        store.storage.create(draft.doc_dir, {"raw.txt": b"paid for"})  # the first has come this far
        row = save(store, DOCUMENT)

        assert store.read(row) == "paid for"
        assert [folder.path for folder in store.storage.folders()] == [row.doc_dir]


def test_a_record_that_came_before_its_files_is_kept(tmp_path: Path, s3_server: S3) -> None:
    """A writer's record may arrive first; its place in history is then the document's."""
    root = f"{s3_server.root}/{tmp_path.name}"
    with DocumentStore(root, tmp_path / "index.sqlite", storage_options=s3_server.storage_options) as store:
        first = save(store, DOCUMENT)
        store.index.remove([first.doc_id])
        store.storage.delete(f"{first.doc_dir}/raw.txt")
        again = save(store, DOCUMENT)

        assert again.created_at == first.created_at
        assert store.read(again) == "paid for"


@pytest.mark.parametrize("kind", ["local, postgres", "s3, postgres"])
def test_the_same_attempt_from_several_machines_is_one_document(
    kind: str, tmp_path: Path, s3_server: S3, postgres_server: Postgres
) -> None:
    """All are given the same row, and every machine finds the document whole under it."""
    root = f"{s3_server.root}/{tmp_path.name}" if kind.startswith("s3") else str(tmp_path / "docs")
    options = s3_server.storage_options if kind.startswith("s3") else {}
    url = postgres_server.new_database()
    machines = [DocumentStore(root, db_url=url, storage_options=options) for _ in range(4)]
    with ThreadPoolExecutor(len(machines)) as threads:
        for attempt in "12345":

            def send(store: DocumentStore, attempt: str = attempt) -> DocumentRow:
                return store.save(DOCUMENT, stage="essay", task_id="t", run_id="r", attempt=attempt)

            rows = list(threads.map(send, machines))
            assert rows == [rows[0]] * len(machines)
            assert all(store.record(rows[0]).row["created_at"] == rows[0].created_at for store in machines)
    assert [row.attempt for row in machines[0].history("essay", "t")] == list("54321")
    assert {finding.kind for finding in maintenance.verify(machines[0], full=True, grace=0)} <= {"duplicate"}
    for store in machines:
        store.close()


def test_many_writers_mend_many_torn_documents(tmp_path: Path) -> None:
    """Every row is whole at every instant. Stores of their own are to the kernel's lock what processes are."""
    attempts = [f"{number}" for number in range(30)]
    drafts = [make_draft(DOCUMENT, Origin(stage="essay", task_id="t", run_id="r", attempt=each)) for each in attempts]
    with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as store:
        store.unchecked.claim()
    storage = LocalStorage(tmp_path / "docs")
    for draft in drafts:
        storage.create(draft.doc_dir, {"raw.txt": b"\0\0\0", RECORD_NAME: b"\0" * 40})
    ended, broken = threading.Event(), list[str]()

    def write(number: int) -> None:
        with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as store:
            for each in attempts[number % 3 :] + attempts[: number % 3]:
                store.save(DOCUMENT, stage="essay", task_id="t", run_id="r", attempt=each)

    def read() -> None:
        with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as store:
            while not ended.is_set():
                for row in store.history("essay", "t"):
                    try:
                        store.read(row)
                    except DocIOError as error:
                        broken.append(str(error))

    with ThreadPoolExecutor(7) as threads:
        reader = threads.submit(read)
        try:
            list(threads.map(write, range(6)))
        finally:
            ended.set()
        reader.result()

    assert broken == []
    with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as store:
        rows = list(store.index.scan())
        assert {row.attempt for row in rows} == set(attempts)
        # What was torn lies aside, and all texts are the same here; nothing else is to be said.
        assert {finding.kind for finding in maintenance.verify(store, full=True, grace=0)} == {"duplicate", "temporary"}


def torn_draft(document: Document) -> Draft:
    """What `spool` is given."""
    return make_draft(document, Origin(stage="essay", task_id="t", run_id="r", attempt="1"))


def test_a_torn_text_in_the_spool_does_not_keep_the_next_one_out(tmp_path: Path, store: DocumentStore) -> None:
    """A power cut in the middle of spooling left a folder of zeros; the text that comes now is kept all the same."""
    draft = torn_draft(DOCUMENT)
    LocalStorage(tmp_path / "spool").create(draft.doc_dir, {"raw.txt": b"\0\0\0", RECORD_NAME: b"\0" * 40})
    spool(tmp_path / "spool", [draft], owner=store.owner)
    [filed] = maintenance.recover(store, tmp_path / "spool")

    assert filed.row is not None
    assert store.read(filed.row) == "paid for"
    assert spooled(tmp_path / "spool") == 0


def test_another_text_under_the_same_attempt_is_spooled_beside_it(tmp_path: Path) -> None:
    """It would be lost in silence."""
    spool(tmp_path / "spool", [torn_draft(DOCUMENT)], owner=OWNER)
    spool(tmp_path / "spool", [torn_draft(DOCUMENT)], owner=OWNER)
    assert spooled(tmp_path / "spool") == 1
    spool(tmp_path / "spool", [torn_draft(Document("another", prompt="p", extras={"a": "b"}))], owner=OWNER)
    assert spooled(tmp_path / "spool") == 2


def test_two_recoveries_of_one_spool_file_each_text_once(tmp_path: Path) -> None:
    """Neither fails over what the other took out."""
    count = 12
    with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as store:
        for number in range(count):
            drafts = make_drafts([(DOCUMENT, Origin(stage="essay", task_id="t", attempt=str(number)))])
            spool(tmp_path / "spool", drafts, owner=store.owner)

    def work(_: int) -> list[str | None]:
        with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as store:
            return [each.error for each in maintenance.recover(store, tmp_path / "spool")]

    with ThreadPoolExecutor(3) as threads:
        errors = [error for each in threads.map(work, range(3)) for error in each]

    assert set(errors) == {None}
    assert spooled(tmp_path / "spool") == 0
    with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as store:
        assert len(store.history("essay", "t")) == count


def test_an_index_gives_turns_to_one_at_a_time(tmp_path: Path, postgres_server: Postgres) -> None:
    """On both engines, between two connections as between two machines; it is free again after the holder's end."""
    url = postgres_server.new_database()
    for one, other in (
        (SqliteIndex(tmp_path / "i.sqlite"), SqliteIndex(tmp_path / "i.sqlite")),
        (PostgresIndex(url), PostgresIndex(url)),
    ):
        assert_waits(one, other)
        one.close()
        other.close()


def assert_waits(one: Index, other: Index) -> None:
    """The second gets the lock only after the first."""
    got = threading.Event()

    def ask() -> None:
        with other.repair_lock():
            got.set()

    with one.repair_lock():
        asker = threading.Thread(target=ask)
        asker.start()
        assert not got.wait(0.2)
    assert got.wait(10)
    asker.join()
