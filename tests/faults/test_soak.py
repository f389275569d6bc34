"""Random kills of many processes on one root."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults.harness import REPOSITORY


def soak(*options: str) -> str:
    """Run the soak as a program of its own: it forks, and a test runner has threads."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-m", "tests.faults.soak", *options]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)  # the seed, to repeat it
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_random_kills_lose_nothing() -> None:
    """Some kills on every run, at other moments each time; ``make soak`` for 10,000."""
    assert "100 kills" in soak("--kills", "100")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_random_kills_lose_nothing() -> None:
    """The same, more often."""
    assert "1000 kills" in soak("--kills", "1000")
