"""A disk that is full, slow, or may not be written, and a clock that goes back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from doc_io import DocIOError, Document, DocumentRow, DocumentStore
from doc_io.errors import StorageError
from doc_io.integrity import judge
from doc_io.storage.local import LocalStorage
from doc_io.writing import draft
from tests import skips
from tests.faults.harness import Outcome, bench
from tests.faults.promises import broken_promises
from tests.faults.writers import database, docs, open_store


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system in memory, of a size of its own."""
    if sys.platform != "linux":
        pytest.skip(skips.NOT_LINUX)
    if os.geteuid() != 0:
        pytest.skip(skips.NO_ROOT)
    top = folder / "mounted"
    top.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(top)], check=False).returncode:
        pytest.skip(skips.NO_MOUNT)
    try:
        yield top
    finally:
        subprocess.run(["umount", str(top)], check=True)


def fill(store: DocumentStore, rows: list[DocumentRow]) -> None:
    """Save until an error ends it."""
    for number in range(1000):
        row = store.save("text " * 4000, stage="essay", task_id="t", attempt=str(number))
        rows.append(row)


def test_a_disk_that_fills_up_loses_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Saves fail with an error that says so; what was acknowledged stays readable; the failed attempt succeeds later."""
    with mounted(tmp_path, "-o", "size=1500k") as top:
        ballast = top / "ballast"
        ballast.write_bytes(b"x" * 300_000)
        rows: list[DocumentRow] = []
        with open_store(top) as store:
            with pytest.raises(DocIOError, match=r"(?i)space|full"):
                fill(store, rows)
            assert len(rows) > 5
            assert [store.read(row) for row in rows] == ["text " * 4000] * len(rows)
            ballast.unlink()
            rows.append(store.save("text " * 4000, stage="essay", task_id="t", attempt=str(len(rows))))
            assert store.latest("essay", "t") == rows[-1]
        assert broken_promises(top, {row.doc_id: str(row.content_hash) for row in rows}) == []


def test_a_read_only_disk_is_an_error_for_a_writer_and_none_for_a_reader_of_files(tmp_path: Path) -> None:
    """The error names what could not be done, and where."""
    with mounted(tmp_path) as top:
        with DocumentStore(docs(top), tmp_path / "elsewhere.sqlite") as store:
            row = store.save("text", stage="essay", task_id="t")
        subprocess.run(["mount", "-o", "remount,ro", str(top)], check=True)
        with DocumentStore(docs(top), tmp_path / "elsewhere.sqlite") as store:
            with pytest.raises(StorageError, match=r"[Rr]ead-only"):
                store.save("another", stage="essay", task_id="t")
            assert store.read(row) == "text"
        subprocess.run(["mount", "-o", "remount,rw", str(top)], check=True)


def test_on_a_slow_disk_two_writers_of_one_attempt_make_it_once_and_readers_see_it_whole(
    library: Path, scratch: Path
) -> None:
    """Every call takes 4 ms: what is between two calls stands open for long, to readers and to the other writer."""
    root = scratch / "root"
    places = [root, scratch / "one", scratch / "other"]
    for place in places:
        place.mkdir()
    reads = 0
    with (
        bench(library, places[1], "writers.save") as one,
        bench(library, places[2], "writers.save") as other,
        ThreadPoolExecutor(2) as threads,
        open_store(root) as store,
    ):
        running = [
            threads.submit(each.run, on=Outcome(root, place / "log"), microseconds=4000)
            for each, place in zip((one, other), places[1:], strict=True)
        ]
        while not all(each.done() for each in running):
            for row in store.history("essay", "one"):
                assert store.read(row, "raw").startswith(("the whole answer", "half an ans"))
                reads += 1
        outcomes = [each.result() for each in running]

    assert reads > 0
    assert [note for outcome in outcomes for note in outcome.notes if "error" in note or "crashed" in note] == []
    assert outcomes[0].acknowledged == outcomes[1].acknowledged
    assert len(outcomes[0].acknowledged) == 2
    assert broken_promises(root, outcomes[0].acknowledged) == []


def test_a_docs_root_in_the_place_of_a_file_is_one_clear_error(tmp_path: Path) -> None:
    """A file where a folder should be is named in the error."""
    (tmp_path / "docs").write_text("a file")
    with DocumentStore(tmp_path / "docs") as store, pytest.raises(StorageError, match="docs"):
        store.save("text", stage="essay", task_id="t")


def test_a_clock_that_steps_back_an_hour_does_not_turn_the_history_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later save stays the latest, in the index as in the records."""

    class Clock(datetime):
        ahead = timedelta()

        @classmethod
        def now(cls, tz: timezone | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + cls.ahead

    monkeypatch.setattr(draft, "datetime", Clock)
    with open_store(tmp_path) as store:
        Clock.ahead = timedelta(hours=1)
        first = store.save("before", stage="essay", task_id="t")
        Clock.ahead = timedelta()
        second = store.save(Document("after"), stage="essay", task_id="t")

        assert second.created_at > first.created_at
        assert store.latest("essay", "t") == second
        assert store.history("essay", "t") == [second, first]
    assert database(tmp_path).exists()
    assert broken_promises(tmp_path, {}) == []


def test_everything_that_reads_works_where_nothing_may_be_written(tmp_path: Path) -> None:
    """A read-only mount: files, folders, lists, hints; and nothing of it tries to write."""
    with mounted(tmp_path) as top:
        with open_store(top) as store:
            row = store.save(Document("text", extras={"note": "extra"}), stage="essay", task_id="t")
        subprocess.run(["mount", "-o", "remount,ro", str(top)], check=True)
        storage = LocalStorage(docs(top))

        storage.prefetch([f"{row.doc_dir}/raw.txt"])
        assert storage.read(f"{row.doc_dir}/raw.txt") == b"text"
        assert [folder.path for folder in storage.folders()] == [row.doc_dir]
        assert [folder.error for folder in storage.folders("essay", row.logical_key_id[0])] == [""]
        assert storage.stages()[0] == [row.stage]
        assert set(storage.folder(row.doc_dir).files) == {"raw.txt", "extras/note", "metadata.json"}
        assert storage.names("essay") == []
        with pytest.raises(StorageError, match=r"[Rr]ead-only"):
            storage.create("essay/key/doc", {"metadata.json": b"{}"})
        assert [verdict.reasons for verdict in judge(storage, storage.folders(), full=True)] == [()]
