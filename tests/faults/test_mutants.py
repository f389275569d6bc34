"""The controls: a store that is wrong on purpose must turn the checks red, else green would mean nothing."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from doc_io.integrity import judge
from tests.faults.harness import bench, prepared
from tests.faults.promises import CLOSED

SLOW = [pytest.mark.slow]
OUT_OF_ORDER = ["no_file_fsync", "no_folder_fsync", "synchronous_normal"]
# Each way to write that acknowledges, with each mutant that touches it. What is spooled has no row; a pruning writes none.
CUTS = [
    *(("writers.save", mutant) for mutant in OUT_OF_ORDER[:2]),
    ("writers.save_more", "synchronous_normal"),
    ("writers.spool", "no_file_fsync"),
    pytest.param("writers.spool", "no_folder_fsync", marks=SLOW),
    *(
        pytest.param(writer, mutant, marks=SLOW)
        for writer in ("writers.recover", "writers.backfill_copies", "writers.backfill_links", "keepers.copy")
        for mutant in OUT_OF_ORDER
    ),
    pytest.param("keepers.repair", "synchronous_normal", marks=SLOW),
    ("keepers.prune", "synchronous_normal"),
    *(pytest.param("dagster_writers.failed_generation", mutant, marks=SLOW) for mutant in OUT_OF_ORDER),
    *(pytest.param("dagster_writers.single_run", mutant, marks=SLOW) for mutant in OUT_OF_ORDER),
]
KILLS = [
    ("writers.save", "index_first"),
    ("writers.recover", "spool_emptied_first"),
    ("keepers.prune", "delete_first"),
    ("keepers.rename", "renames_rows_first"),
    *(
        pytest.param(writer, "index_first", marks=SLOW)
        for writer in ("writers.recover", "writers.backfill_copies", "writers.backfill_links", "keepers.copy")
    ),
    pytest.param("dagster_writers.failed_generation", "index_first", marks=SLOW),
    pytest.param("dagster_writers.single_run", "index_first", marks=SLOW),
]


def is_of_a_document(found: tuple[object, list[str]]) -> bool:
    """Whether a document was lost, torn or changed: that the store could not be opened would not be enough."""
    return any(problem.startswith("promise ") and not problem.startswith(CLOSED) for problem in found[1])


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("writer", "mutant"), CUTS)
def test_a_power_cut_shows_what_was_not_synced(library: Path, scratch: Path, writer: str, mutant: str) -> None:
    """Without the sync of files, of folders or of the row, an acknowledged document is lost in some crash state."""
    with bench(library, scratch, writer, mutant, prepared(writer, scratch)) as made:
        assert any(map(is_of_a_document, made.cut_everywhere(seed=7)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("writer", "mutant"), KILLS)
def test_a_kill_shows_what_is_done_in_the_wrong_order(library: Path, scratch: Path, writer: str, mutant: str) -> None:
    """Between a row and its files, between files and their row, between the spool and the store: a document is lost, or its name."""
    with bench(library, scratch, writer, mutant, prepared(writer, scratch)) as made:
        assert any(map(is_of_a_document, made.killed_at_every_call()))


def test_a_power_cut_shows_a_rebuild_that_believes_the_record(
    library: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a look at the bytes, a rebuilt index has a row for a text of zeros."""
    rebuild = importlib.import_module("doc_io.maintenance.reindex")  # the package's name of it is the function
    monkeypatch.setattr(rebuild, "judge", lambda storage, folders, **_: judge(storage, folders, full=False))
    with bench(library, scratch, "writers.save") as made:
        assert any("promise 2" in problem for _, problems in made.cut_everywhere(seed=7) for problem in problems)
