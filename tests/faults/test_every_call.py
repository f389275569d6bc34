"""Every way to write, with every one of its calls broken in turn."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.faults import replay
from tests.faults.harness import Bench, bench, prepared

SLOW = [pytest.mark.slow, pytest.mark.timeout(1800)]

WRITERS = [
    ("writers.save", 4),
    ("writers.spool", 4),
    *(
        pytest.param((writer, 1), marks=SLOW)
        for writer in (
            *("writers.save", "writers.spool", "writers.recover", "writers.backfill_copies", "writers.backfill_links"),
            *("keepers.reindex", "keepers.prune", "keepers.rename", "keepers.copy", "keepers.repair"),
            # A step costs a hundred times the write in it, and the calls below the root are the same ones.
            *("dagster_writers.failed_generation", "dagster_writers.single_run"),
        )
    ),
]
"""A way to write, and which of its calls are broken: every one, or in the default run one of so many."""


def faults_of(judged: Iterable[tuple[str, list[str]]]) -> list[str]:
    """Where, and what was broken; asserts that anything was judged at all."""
    everything = list(judged)
    assert len(everything) >= 10
    print(f"{len(everything)} judged")
    return [f"{where}: {problem}" for where, problems in everything for problem in problems]


@pytest.fixture(params=WRITERS, ids=lambda param: f"{param[0]}, 1 of {param[1]}")
def writing(request: pytest.FixtureRequest, library: Path, scratch: Path) -> Iterator[tuple[Bench, int]]:
    """Each way to write, on what it begins with, and how many calls lie between two that are broken."""
    writer, step = request.param
    with bench(library, scratch, writer, before=prepared(writer, scratch)) as made:
        yield made, step


def test_a_kill_at_any_call_loses_nothing_and_a_retry_converges(writing: tuple[Bench, int]) -> None:
    """SIGKILL at the n-th call, for every n; then the same attempts by a new process, and a power cut after these."""
    made, step = writing
    assert faults_of(made.killed_at_every_call(step)) == []


def test_an_error_of_any_call_loses_nothing_and_a_retry_converges(writing: tuple[Bench, int]) -> None:
    """The n-th call fails, for every n; then the same attempts by the same process, and a power cut after these."""
    made, step = writing
    assert faults_of(made.failed_at_every_call(errno.EIO, lasting=False, step=step)) == []


def test_a_disk_that_is_full_from_any_call_on_loses_nothing(writing: tuple[Bench, int]) -> None:
    """The n-th call and all later ones fail, for every n; then there is room again."""
    made, step = writing
    assert faults_of(made.failed_at_every_call(errno.ENOSPC, lasting=True, step=step)) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT], ids=["EIO", "ENOSPC", "EDQUOT"])
def test_any_error_of_any_call_loses_nothing(writing: tuple[Bench, int], error: int, lasting: bool) -> None:  # noqa: FBT001 - a parameter
    """The same for every error a disk gives, once and lasting."""
    made, step = writing
    assert faults_of(made.failed_at_every_call(error, lasting=lasting, step=step)) == []


def test_a_power_cut_after_any_call_loses_nothing(writing: tuple[Bench, int]) -> None:
    """Every crash state of every prefix: unsynced data dropped, zeroed or torn, unsynced names dropped, mixtures."""
    made, _ = writing
    assert faults_of(made.cut_everywhere(seed=7)) == []


@pytest.mark.parametrize(
    "writer", ["writers.recover", "writers.backfill_copies", "keepers.reindex", "keepers.prune", "keepers.rename"]
)
def test_a_power_cut_in_the_middle_of_upkeep_loses_nothing(library: Path, scratch: Path, writer: str) -> None:
    """The short form of the above for those that are broken at every call only with ``-m slow``."""
    with bench(library, scratch, writer, before=prepared(writer, scratch)) as made:
        assert faults_of(made.cut_everywhere(seed=7)) == []


@pytest.mark.parametrize(("writer", "step"), [("writers.recover", 9), ("keepers.rename", 4)])
def test_a_kill_in_the_middle_of_upkeep_loses_nothing(library: Path, scratch: Path, writer: str, step: int) -> None:
    """The short form for the spool and for a rename: some of the calls."""
    with bench(library, scratch, writer, before=prepared(writer, scratch)) as made:
        assert faults_of(made.killed_at_every_call(step)) == []


def test_the_log_misses_no_call(writing: tuple[Bench, int]) -> None:
    """Replayed to its end, the log gives the very tree that is on the disk; else the states above would prove nothing."""
    made, _ = writing
    outcome = made.run()
    disk = made.disk_before(outcome.calls)
    for call in outcome.calls:
        disk.apply(call)

    replayed, found = disk.now(), replay.read_tree(outcome.root)
    for tree in (replayed, found):  # SQLite's shared memory is mapped, not written; it is made anew after a crash
        for path in [path for path in tree if path.endswith("-shm")]:
            del tree[path]
    assert replayed == found
