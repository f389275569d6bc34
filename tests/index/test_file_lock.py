"""The file lock: fair, released whenever its holder ends, and never waited for without end."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from doc_io.errors import IndexBusyError
from doc_io.file_lock import FileLockTimeoutError, file_lock
from doc_io.index import sqlite, sqlite_file
from doc_io.index.open import open_index
from tests.index.contract import add

HOLD = """
import sys, time
from doc_io.errors import IndexBusyError
from doc_io.file_lock import FileLockTimeoutError, file_lock
from doc_io.index import sqlite, sqlite_file
from doc_io.index.open import open_index
from tests.index.contract import add
with file_lock(sys.argv[1]):
    print("mine", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    return process


def test_those_who_wait_are_served_in_the_order_they_asked(tmp_path: Path) -> None:
    """SQLite alone would serve whoever asks at the right moment."""
    path = str(tmp_path / "turns")
    served: list[int] = []

    def ask(number: int) -> None:
        with file_lock(path):
            served.append(number)

    waiting = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    with file_lock(path):
        for thread in waiting:
            thread.start()
            time.sleep(0.1)  # so that it stands in line before the next one comes
    for thread in waiting:
        thread.join()

    assert served == list(range(8))


def test_a_process_that_is_killed_releases_it(tmp_path: Path) -> None:
    """Whatever ends it: the kernel knows."""
    with holder(tmp_path / "turns") as process:
        process.send_signal(signal.SIGKILL)
        with file_lock(str(tmp_path / "turns")):
            assert process.wait() == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the tests' own threads do nothing meanwhile
def test_a_child_that_was_forked_meanwhile_does_not_keep_it(tmp_path: Path) -> None:
    """Its copy of the descriptor is closed, so that the lock ends with its holder."""
    path = str(tmp_path / "turns")
    reader, writer = os.pipe()
    with file_lock(path):
        child = os.fork()
        if child == 0:
            os.read(reader, 1)  # lives on until the test has seen what it wants to see
            os._exit(0)
    with file_lock(path):
        os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0
    os.close(reader)
    os.close(writer)


def test_where_there_can_be_no_lock_the_block_runs(tmp_path: Path) -> None:
    """It only orders writers; what keeps them apart is the database's lock."""
    with file_lock(str(tmp_path / "no such folder" / "turns")):
        pass


@pytest.fixture
def stopped() -> Iterator[Callable[[Path], int]]:
    """Makes a process that holds a lock and is stopped; its pid."""
    processes = []

    def stop(path: Path) -> int:
        process = holder(path)
        processes.append(process)
        process.send_signal(signal.SIGSTOP)
        return process.pid

    yield stop
    for process in processes:
        process.kill()
        process.communicate()


def test_a_wait_has_an_end_and_says_who_holds_the_lock(tmp_path: Path, stopped: Callable[[Path], int]) -> None:
    """A stopped process neither works nor ends."""
    pid = stopped(tmp_path / "lock")
    start = time.monotonic()

    with (
        pytest.raises(FileLockTimeoutError, match=f"for 0.3 s by process {pid}"),
        file_lock(str(tmp_path / "lock"), 0.3),
    ):
        pytest.fail("held by two")

    assert 0.3 <= time.monotonic() - start < 5


def test_a_lock_that_comes_in_time_is_held(tmp_path: Path) -> None:
    """And one that was given up is not kept when it comes at last."""
    path = str(tmp_path / "lock")
    with holder(Path(path)) as process:
        with pytest.raises(FileLockTimeoutError), file_lock(path, 0.1):
            pytest.fail("held by two")
        threading.Timer(0.3, process.kill).start()
        with file_lock(path, 30):
            pass
        with file_lock(path, 5):
            pass


def test_writers_go_on_where_the_first_in_line_is_stopped_outside_the_database(
    tmp_path: Path, stopped: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line only keeps an order."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 1)
    index = open_index(tmp_path / "i.sqlite")
    first = add(index, "a")
    stopped(tmp_path / "i.sqlite-write-lock")

    second = add(index, "b")

    assert list(index.scan()) == [first, second]
    index.close()


def test_a_writer_that_is_stopped_in_its_transaction_makes_others_wait_so_long_and_no_longer(
    tmp_path: Path, stopped: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One deadline over both locks; the error says who holds them, and a later write succeeds."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 1)
    index = open_index(tmp_path / "i.sqlite")
    add(index, "a")
    pid = stopped(tmp_path / "i.sqlite-write-lock")
    with closing(sqlite3.connect(tmp_path / "i.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.raises(IndexBusyError, match=f"for 1 s by process {pid}"):
            add(index, "b")
        assert time.monotonic() - start < 2.5

    assert add(index, "b").seq == 2
    index.close()


def test_a_repair_that_waits_for_a_stopped_one_ends(
    tmp_path: Path, stopped: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what it waited for."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.3)
    index = open_index(tmp_path / "i.sqlite")
    pid = stopped(tmp_path / "i.sqlite-repair-lock")

    with pytest.raises(IndexBusyError, match=f"process {pid}.*repair lock"), index.repair_lock():
        pytest.fail("held by two")
