"""Real power cuts, of a real file system."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.powercut import cut_while_writing, disk

SEED = 20260131


def cuts(folder: Path, count: int, mutant: str = "") -> tuple[int, list[str]]:
    """Cut that often; how many documents had been acknowledged, and what was broken."""
    chance, acknowledged, broken = random.Random(SEED), 0, []  # noqa: S311 - a seed that can be repeated is the point
    with disk(folder) as mounted:
        for _ in range(count):
            said, problems = cut_while_writing(mounted, chance, mutant)
            acknowledged += said
            broken += problems
            if broken:  # the disk itself may be damaged now
                break
    print(f"seed {SEED}: {count} power cuts, {acknowledged} documents acknowledged, {len(broken)} promises broken")
    return acknowledged, broken


def test_what_was_acknowledged_before_a_power_cut_is_there_after_it(scratch: Path) -> None:
    """A few cuts on every run; a hundred are below."""
    acknowledged, broken = cuts(scratch, 8)

    assert broken == []
    assert acknowledged > 20


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_power_cuts_lose_nothing(scratch: Path) -> None:
    """The same, more often."""
    acknowledged, broken = cuts(scratch, 120)

    assert broken == []
    assert acknowledged > 500


@pytest.mark.parametrize("mutant", ["no_file_fsync", "synchronous_normal"])
def test_a_power_cut_turns_a_store_without_syncs_red(scratch: Path, mutant: str) -> None:
    """The control. Names need no sync of their own on ext4, whose journal is in order; the log of calls shows that one."""
    assert cuts(scratch, 6, mutant)[1] != []
