"""What every storage must do, whatever holds the bytes."""

from __future__ import annotations

import multiprocessing
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from doc_io.commit_record import encode_text
from doc_io.errors import ConfigurationError
from doc_io.ids import path_segment
from doc_io.storage import listing
from doc_io.storage.base import STORE_FOLDER, DocumentExistsError, Storage
from doc_io.storage.open import open_storage

RECORD = "metadata.json"

TEXTS = {
    "empty": "",
    "newlines": "a\r\nb\rc\n\n\u2028d",
    "NUL": "a\0b",
    "BOM": "\ufefftext",
    "astral": "\U0001f600" * 100,
    "a lone surrogate": "cut \ud83d short",
    "controls": "".join(map(chr, range(32))) + "\x1b]0;title\x07",
}

KEYS = (
    "..",
    ".",
    "",
    "/",
    "../../outside",
    "a/b",
    "a\\b",
    "a\nb",
    "a?b#c",
    "%2e%2e",
    "s3://x",
    "*[a]?",
    "é" * 120,
    "~",
    "-rf",
)


class StorageContract:
    """The facts. A subclass gives the root and its options."""

    processes_share_it = True
    folder = "a folder"

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """What the file system is made with."""
        return {}

    @pytest.fixture
    def root(self) -> str:
        """A docs root that nothing was written to."""
        raise NotImplementedError

    @pytest.fixture
    def storage(self, root: str, options: dict[str, Any]) -> Iterable[Storage]:
        """The storage under test."""
        storage = open_storage(root, options)
        yield storage
        storage.close()

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_bytes_come_back_exactly(self, storage: Storage, text: str) -> None:
        """No newline is changed, no end is cut."""
        storage.create("draft/key/doc", {"raw.txt": encode_text(text), RECORD: b"{}"})

        assert storage.read("draft/key/doc/raw.txt") == encode_text(text)

    @pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp, of its own callers
    def test_a_large_text_comes_back_exactly(self, storage: Storage) -> None:
        """Eleven megabytes, over the size at which clients start to cut a transfer in pieces."""
        text = secrets.token_bytes(2**20) * 11

        storage.create("draft/key/doc", {"raw.txt": text, RECORD: b"{}"})

        assert storage.read("draft/key/doc/raw.txt") == text

    def test_hostile_names_are_places_of_their_own(self, storage: Storage) -> None:
        """Each key has its own text, inside the root."""
        for key in KEYS:
            folder = f"{path_segment(key)}/key/doc"
            storage.create(folder, {f"extras/{path_segment(key)}": key.encode(), RECORD: b"{}"})

        paths = [f"{path_segment(key)}/key/doc/extras/{path_segment(key)}" for key in KEYS]
        assert list(storage.read_many(paths)) == [key.encode() for key in KEYS]

    def test_a_missing_file_is_file_not_found(self, storage: Storage) -> None:
        """In a root that is not there yet, and beside a file that is."""
        with pytest.raises(FileNotFoundError):
            storage.read("draft/key/doc/raw.txt")
        storage.create("draft/key/doc", {RECORD: b"{}"})
        with pytest.raises(FileNotFoundError):
            storage.read("draft/key/doc/raw.txt")

    def test_many_files_come_in_the_order_asked_for(self, storage: Storage) -> None:
        """More than are fetched at once, with an error in the place of the one that is missing."""
        storage.create("draft/key/doc", {**{f"extras/{n}": b"%d" % n for n in range(40)}, RECORD: b"{}"})

        found = list(storage.read_many(f"draft/key/doc/extras/{n}" for n in range(41)))

        assert found[:40] == [b"%d" % n for n in range(40)]
        assert isinstance(found[40], FileNotFoundError)

    def test_a_reader_may_stop_early(self, storage: Storage) -> None:
        """What was asked for and is no longer wanted disturbs nobody."""
        storage.create("draft/key/doc", {**{f"extras/{n}": b"%d" % n for n in range(40)}, RECORD: b"{}"})

        texts = storage.read_many(f"draft/key/doc/extras/{n}" for n in range(40))

        assert next(iter(texts)) == b"0"
        del texts
        assert storage.read("draft/key/doc/extras/39") == b"39"

    def test_a_document_that_is_there_is_not_overwritten(self, storage: Storage) -> None:
        """The second writer gets an error, and the first one's bytes stay."""
        storage.create("draft/key/doc", {"raw.txt": b"first", RECORD: b"{1}"})

        with pytest.raises(DocumentExistsError):
            storage.create("draft/key/doc", {"raw.txt": b"second", RECORD: b"{2}"})

        assert storage.read("draft/key/doc/raw.txt") == b"first"
        assert storage.read(f"draft/key/doc/{RECORD}") == b"{1}"

    def test_it_can_do_what_it_declares(self, storage: Storage) -> None:
        """Where creation is atomic, exactly one of eight writers at once succeeds."""

        def write(n: int) -> bool:
            try:
                storage.create("draft/key/doc", {RECORD: b"%d" % n})
            except DocumentExistsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            succeeded = list(pool.map(write, range(8)))

        assert storage.read(f"draft/key/doc/{RECORD}") in {b"%d" % n for n in range(8)}
        assert sum(succeeded) >= 1
        if storage.capabilities.atomic_create:
            assert storage.read(f"draft/key/doc/{RECORD}") == b"%d" % succeeded.index(True)
            assert sum(succeeded) == 1

    def test_what_is_quarantined_makes_room_and_is_kept(self, storage: Storage) -> None:
        """A torn folder gives way to a whole document, and its bytes are still below the key's folder."""
        storage.create("draft/key/doc", {"extras/a": b"torn", RECORD: b"{"})

        storage.quarantine("draft/key/doc")
        storage.create("draft/key/doc", {"extras/a": b"whole", RECORD: b"{}"})

        assert storage.read("draft/key/doc/extras/a") == b"whole"
        (aside,) = (path for path in storage.upath("draft/key").iterdir() if path.name.rstrip("/") != "doc")
        assert (aside / "extras" / "a").read_bytes() == b"torn"

    def test_a_file_can_be_replaced(self, storage: Storage) -> None:
        """The new content, and nothing else beside it."""
        storage.create("draft/key/doc", {"raw.txt": b"text", RECORD: b"{1}"})

        storage.replace(f"draft/key/doc/{RECORD}", b"{2}")
        storage.sync("draft/key/doc", ["raw.txt", RECORD])

        assert storage.read(f"draft/key/doc/{RECORD}") == b"{2}"
        assert {path.name for path in storage.upath("draft/key/doc").iterdir()} == {"raw.txt", RECORD}

    def test_a_path_opens_by_itself(self, storage: Storage) -> None:
        """`upath` is for code that wants the folder."""
        storage.create("draft/key/doc", {"raw.txt": b"text", RECORD: b"{}"})

        assert (storage.upath("draft/key/doc") / "raw.txt").read_bytes() == b"text"

    def test_many_threads_write_and_read(self, storage: Storage) -> None:
        """One storage, eight threads, nothing lost or mixed up."""

        def write_and_read(n: int) -> bytes:
            storage.create(f"draft/key/doc{n}", {"raw.txt": b"text %d" % n, RECORD: b"{}"})
            return storage.read(f"draft/key/doc{n}/raw.txt")

        with ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(write_and_read, range(40)))

        assert texts == [b"text %d" % n for n in range(40)]

    def test_it_can_be_used_again_after_it_was_closed(self, storage: Storage) -> None:
        """Closing lets go of connections and of nothing else."""
        storage.create("draft/key/doc", {RECORD: b"{}"})

        storage.close()

        assert storage.read(f"draft/key/doc/{RECORD}") == b"{}"

    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_a_forked_process_reads_and_writes(self, storage: Storage, capfd: pytest.CaptureFixture[str]) -> None:
        """A child that inherits a used storage makes connections of its own."""
        if not self.processes_share_it:
            pytest.skip("its bytes are in one process")
        storage.create("draft/key/doc", {"raw.txt": b"of the parent", RECORD: b"{}"})
        fork = multiprocessing.get_context("fork")
        answers = fork.SimpleQueue()

        child = fork.Process(target=_use_in_child, args=(storage, answers))
        child.start()
        child.join(60)

        assert child.exitcode == 0, capfd.readouterr().err
        assert answers.get() == b"of the parent"
        assert storage.read("draft/key/child/raw.txt") == b"of the child"

    def test_no_option_shows(self, storage: Storage, options: dict[str, Any]) -> None:
        """Neither in a repr nor in a URL."""
        shown = f"{storage!r} {storage.root} {storage.url('a/b')} {storage.upath('a/b')!r} {storage.upath('a/b')}"

        for name in ("secret", "password", "connection_string"):
            assert str(options.get(name, "absent")) not in shown

    def test_a_file_of_its_own_is_added_once_and_listed(self, storage: Storage) -> None:
        """A name that is taken keeps what it holds; a folder that is not there has no names."""
        storage.add(f"{self.folder}/b.txt", b"b")
        storage.add(f"{self.folder}/a.txt", b"a")
        with pytest.raises(DocumentExistsError):
            storage.add(f"{self.folder}/a.txt", b"other")

        assert storage.names(self.folder) == ["a.txt", "b.txt"]
        assert storage.read(f"{self.folder}/a.txt") == b"a"
        assert storage.names("nothing") == []

    def test_every_folder_is_listed_once_however_small_the_pages(
        self, storage: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With its files, their lengths and the server's time; strays come with the folder that they are in."""
        monkeypatch.setattr(listing, "PAGE_SIZE", 5)
        expected = write_documents(storage)
        before = time.time()

        found = list(storage.folders())

        assert {folder.path: dict(folder.files) for folder in found} == expected
        assert len(found) == len(expected)
        assert all(abs(folder.modified - before) < 60 and not folder.error for folder in found)
        assert dict(storage.folder("draft/a1/doc1").files) == expected["draft/a1/doc1"]

    def test_shards_of_a_stage_make_up_the_whole(self, storage: Storage) -> None:
        """By stage and ranges of names in it, whatever these begin with."""
        expected = write_documents(storage)
        storage.put("draft/~odd/file", b"not here")
        storage.put("draft/B1/file", b"not here")
        expected |= {"draft/~odd": {"file": 8}, "draft/B1": {"file": 8}}
        bounds = ["", "a", "b", "s", ""]

        stages, beside = storage.stages()
        shards = [storage.folders(stage, *bound) for stage in stages for bound in pairwise(bounds)]

        found = {folder.path: dict(folder.files) for shard in shards for folder in shard}
        assert stages == ["draft", "essay"]
        assert {**found, "": dict(beside.files)} == expected
        assert sum(1 for stage in stages for bound in pairwise(bounds) for _ in storage.folders(stage, *bound)) == len(
            found
        )
        assert sorted(folder.path for folder in storage.folders("essay")) == ["essay/b2/doc1", "essay/b2/doc2"]
        assert [folder.path for folder in storage.folders(first="b2", last="b3")] == ["essay/b2/doc1", "essay/b2/doc2"]
        assert [folder.path for folder in storage.folders("essay", "b2")] == ["essay/b2/doc1", "essay/b2/doc2"]
        assert list(storage.folders("nothing")) == []

    def test_reading_makes_nothing(self, storage: Storage) -> None:
        """A root that is not there is not made by a look at it."""
        assert list(storage.folders()) == []
        assert storage.names("draft") == []
        assert dict(storage.folder("draft/key/doc").files) == {}
        with pytest.raises(FileNotFoundError):
            storage.read("draft/key/doc/raw.txt")

        assert not any(storage.upath("").glob("*"))

    def test_a_removed_document_has_no_files(self, storage: Storage) -> None:
        """All of them, its folders too; its neighbour stays, and a second time is no error."""
        storage.create("draft/key/doc", {"raw.txt": b"text", "extras/a": b"a", RECORD: b"{}"})
        storage.create("draft/key/doc2", {RECORD: b"{}"})

        for _ in range(2):
            storage.remove_many(["draft/key/doc"])

        assert [folder.path for folder in storage.folders()] == ["draft/key/doc2"]

    def test_the_extent_of_a_folder_is_its_newest_time_and_all_its_bytes(self, storage: Storage) -> None:
        """At any depth; of one that is not there both are 0."""
        storage.create("draft/key/doc", {"raw.txt": b"text", "extras/a": b"a", RECORD: b"{}"})

        found, missing = storage.extents(["draft/key/doc", "draft/key/none"])

        assert found == (storage.folder("draft/key/doc").modified, 7)
        assert missing == (0, 0)

    def test_the_caller_learns_what_was_written(self, storage: Storage) -> None:
        """What exists already is returned; what this call made is in its set."""
        storage.create("draft/key/doc1", {RECORD: b"{}"})
        written: set[str] = set()

        existing = storage.create_many({f"draft/key/doc{n}": {RECORD: b"{}"} for n in range(3)}, written=written)

        assert existing == {"draft/key/doc1"}
        assert written == {"draft/key/doc0", "draft/key/doc2"}


def write_documents(storage: Storage) -> dict[str, dict[str, int]]:
    """Twelve documents of two stages, and strays beside them; every folder, and what is in it."""
    documents = {
        f"{key}/doc{n}": {"raw.txt": b"text", "extras/a": b"a", RECORD: b"{}"}
        for key in ("draft/a1", "draft/a2", "draft/b1", "draft/b10", "essay/b2")
        for n in (1, 2)
    }
    storage.create_many(documents)
    for stray in ("stray", "draft/stray", "draft/a1/stray", "draft/a1/doc15", f"{STORE_FOLDER}/pins/a"):
        storage.put(stray, b"not here")
    found = {path: {name: len(data) for name, data in files.items()} for path, files in documents.items()}
    return found | {"": {"stray": 8}, "draft": {"stray": 8}, "draft/a1": {"doc15": 8, "stray": 8}}


def _use_in_child(storage: Storage, answers: Any) -> None:
    try:
        answers.put(storage.read("draft/key/doc/raw.txt"))
    except ConfigurationError as error:
        answers.put(str(error))
        raise
    storage.create("draft/key/child", {"raw.txt": b"of the child", RECORD: b"{}"})
