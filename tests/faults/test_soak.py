"""Random kills of many processes on one root."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.faults.harness import REPOSITORY
from tests.faults.soak import ROUTINE


def soak(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the soak as a program of its own: it forks, and a test runner has threads."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-m", "tests.faults.soak", *options]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)  # the seed, to repeat it
    return done


def assert_nothing_was_lost(kills: int) -> None:
    """So many kills, with all roles at work in between."""
    done = soak("--kills", str(kills))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills" in done.stdout
    for what in ROUTINE:
        assert re.search(rf"[;,] {what} \d", done.stdout)


def test_random_kills_lose_nothing() -> None:
    """Some kills on every run, at other moments each time; ``make soak`` for 10,000."""
    assert_nothing_was_lost(100)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_random_kills_lose_nothing() -> None:
    """The same, more often."""
    assert_nothing_was_lost(1000)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("mutant", "promise"),
    [("delete_first", "promise 2"), pytest.param("prunes_the_young", "promise 9", marks=pytest.mark.slow)],
)
def test_a_pruning_that_is_wrong_turns_the_soak_red(mutant: str, promise: str) -> None:
    """The control: the judge knows what may be gone, and so what may not. On a busy machine chance may want more than one try."""
    tries = (soak("--kills", "120", "--mutant", mutant) for _ in range(10))
    red = next((done for done in tries if promise in done.stdout), None)

    assert red is not None
    assert red.returncode == 1, red.stderr
