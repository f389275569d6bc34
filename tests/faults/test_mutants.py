"""The controls: a store that is wrong on purpose must turn the checks red, else green would mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import bench


@pytest.mark.parametrize("mutant", ["no_file_fsync", "no_folder_fsync", "synchronous_normal"])
def test_a_power_cut_shows_what_was_not_synced(library: Path, scratch: Path, mutant: str) -> None:
    """Without the sync of files, of folders or of the row, an acknowledged document is lost in some crash state."""
    with bench(library, scratch, "writers.save", mutant) as made:
        assert any("promise" in problem for _, problems in made.cut_everywhere(seed=7) for problem in problems)
