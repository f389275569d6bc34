"""The example with many machines, as its README starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.postgres import PASSWORD


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_counts_of_two_machines_add_up() -> None:
    """Two Dagster instances, a process for each step, one S3 and one PostgreSQL."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.many_machines.demo", "--machines", "2"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All counts add up." in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
