"""The controls: a store that is wrong on purpose must turn the checks red, else green would mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from doc_io.upkeep import reader
from doc_io.upkeep.whole import judge
from tests.faults import keepers
from tests.faults.harness import bench


@pytest.mark.parametrize("mutant", ["no_file_fsync", "no_folder_fsync", "synchronous_normal"])
def test_a_power_cut_shows_what_was_not_synced(library: Path, scratch: Path, mutant: str) -> None:
    """Without the sync of files, of folders or of the row, an acknowledged document is lost in some crash state."""
    with bench(library, scratch, "writers.save", mutant) as made:
        assert any("promise" in problem for _, problems in made.cut_everywhere(seed=7) for problem in problems)


def test_a_kill_shows_rows_that_come_before_their_files(library: Path, scratch: Path) -> None:
    """Between the row and the files there is a row without its document."""
    with bench(library, scratch, "writers.save", "index_first") as made:
        assert any("promise 2" in problem for _, problems in made.killed_at_every_call() for problem in problems)


def test_a_kill_shows_files_that_go_before_their_rows(library: Path, scratch: Path) -> None:
    """A pruning in the wrong order leaves a row without its document."""
    before = scratch / "before"
    before.mkdir()
    keepers.a_store(before)
    with bench(library, scratch, "keepers.prune", "delete_first", before) as made:
        assert any("promise 2" in problem for _, problems in made.killed_at_every_call() for problem in problems)


def test_a_power_cut_shows_a_rebuild_that_believes_the_record(
    library: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a look at the bytes, a rebuilt index has a row for a text of zeros."""
    monkeypatch.setattr(reader, "judge", lambda storage, folders, **_: judge(storage, folders, full=False))
    with bench(library, scratch, "writers.save") as made:
        assert any("promise 2" in problem for _, problems in made.cut_everywhere(seed=7) for problem in problems)
