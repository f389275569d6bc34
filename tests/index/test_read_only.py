"""Reading needs no permission to write."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doc_io.errors import IndexReadOnlyError
from doc_io.index.base import TextTerms
from doc_io.index.open import open_index
from tests.index.contract import add

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="doc-io-read-only-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def without_privileges(work: Callable[[], None]) -> int | None:
    """Run in a forked process of a user who owns nothing; its exit code."""

    def drop_and_work() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        work()

    child = multiprocessing.get_context("fork").Process(target=drop_and_work)
    child.start()
    child.join(60)
    return child.exitcode


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("writer_is_alive", [False, True], ids=["closed", "with a log"])
def test_an_index_that_may_only_be_read_is_read(folder: Path, *, writer_is_alive: bool) -> None:
    """Of another user, with and without the write-ahead log of a writer at work; no file is made beside it."""
    path = folder / "i.sqlite"
    index = open_index(path)
    row = add(index)
    if not writer_is_alive:
        index.close()
        path.chmod(0o444)
    folder.chmod(0o555)
    before = sorted(folder.iterdir())

    def read() -> None:
        other = open_index(path)
        assert other.get(row.doc_id) == row
        assert other.read_sql("SELECT doc_id FROM documents") == (["doc_id"], [(row.doc_id,)])
        assert other.stage_counts()[0].documents == 1
        texts = other.texts()  # in a temporary file
        texts.add([TextTerms(row.doc_id, ["word"], [])])
        assert texts.search(["word"], None, 10) == [row.doc_id]
        with pytest.raises(IndexReadOnlyError, match=f"no permission to write {path}"):
            add(other, "new")

    assert without_privileges(read) == 0
    assert sorted(folder.iterdir()) == before
    index.close()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_what_is_written_meanwhile_is_read(folder: Path) -> None:
    """A reader without permission opens the file anew when its owner has changed it."""
    path = folder / "i.sqlite"
    index = open_index(path)
    add(index, "first")
    index.close()
    path.chmod(0o644)
    started, written = multiprocessing.Event(), multiprocessing.Event()

    def read() -> None:
        other = open_index(path)
        assert len(list(other.scan())) == 1
        started.set()
        assert written.wait(30)
        assert len(list(other.scan())) == 2

    def drop_and_read() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        read()

    child = multiprocessing.get_context("fork").Process(target=drop_and_read)
    child.start()
    assert started.wait(30)
    add(index, "second")
    index.close()
    written.set()
    child.join(60)
    assert child.exitcode == 0
