"""A backfill of several partitions in one run, killed and failed at some of its calls; at all of them with ``-m slow``."""

from __future__ import annotations

import errno
from pathlib import Path

from tests.faults.harness import Fault, bench


def test_a_step_that_says_its_documents_were_kept_has_kept_them(library: Path, scratch: Path) -> None:
    """A power cut after the step lost nothing; a kill or a full disk in its middle leaves no row without its document."""
    with bench(library, scratch, "dagster_writers.single_run") as made:
        calls = made.count()
        for at in (calls // 4, calls // 2, calls * 3 // 4):
            assert made.judged(Fault(at)) == []
        assert made.judged(Fault(calls // 2, errno.ENOSPC, lasting=True)) == []
        assert made.judged(Fault()) == []
