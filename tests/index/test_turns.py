"""Writers of one SQLite file take turns, and nobody keeps a turn that he can no longer use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from doc_io.file_lock import file_lock

HOLD = """
import sys, time
from doc_io.file_lock import file_lock
with file_lock(sys.argv[1]):
    print("mine", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process whose turn it is."""
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
            time.sleep(0.02)  # so that it stands in line before the next one comes
    for thread in waiting:
        thread.join()

    assert served == list(range(8))


def test_a_process_that_is_killed_gives_up_its_turn(tmp_path: Path) -> None:
    """Whatever ends it: the kernel knows."""
    with holder(tmp_path / "turns") as process:
        process.send_signal(signal.SIGKILL)
        with file_lock(str(tmp_path / "turns")):
            assert process.wait() == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the tests' own threads do nothing meanwhile
def test_a_child_that_was_forked_in_a_turn_does_not_keep_it(tmp_path: Path) -> None:
    """Its copy of the descriptor is closed, so that the turn ends with its holder."""
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


def test_where_no_turn_can_be_taken_the_writer_goes_ahead(tmp_path: Path) -> None:
    """Turns only order writers; what keeps them apart is the database's lock."""
    with file_lock(str(tmp_path / "no such folder" / "turns")):
        pass
