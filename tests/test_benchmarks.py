"""The benchmarks run; how fast anything is, they say and no test judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.ground import measured_folder
from benchmarks.measure import Contest, Lane, hold
from benchmarks.report import with_earlier


def test_the_short_form_measures_every_contest_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every lane has a time, every lane with a floor a ratio, in the table and in the JSON."""
    written = tmp_path / "results.json"

    assert (
        main(["--short", "--folder", str(tmp_path), "--json", str(written), "writes", "reads", "queries", "memory"])
        == 0
    )

    lanes = [lane for contest in json.loads(written.read_text())["contests"] for lane in contest["lanes"]]
    assert len(lanes) > 15
    assert all(lane["median_seconds"] > 0 for lane in lanes)
    assert all((lane["ratio"] is None) == (lane["floor"] is None) for lane in lanes)
    printed = capsys.readouterr().out
    assert all(lane["name"] in printed for lane in lanes)


def test_the_crowd_writes_without_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several processes, one docs root, one index."""
    main(["--short", "--folder", str(tmp_path), "crowd"])

    assert "errors of doc_io (goal 0): 0" in capsys.readouterr().out


def test_a_ratio_is_taken_within_its_own_round() -> None:
    """A machine that gets slower from round to round changes the times and not the ratio."""
    floor, twice = iter(range(1, 100)), iter(range(2, 200, 2))
    lanes = [Lane("floor", lambda: float(next(floor))), Lane("twice", lambda: float(next(twice)), "floor")]

    outcome = hold(Contest("drift", lanes, 9), seed=1)

    assert outcome.results[1].seconds == [4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert outcome.results[1].ratios == [2.0] * 9


def test_the_parts_of_a_long_run_are_put_together() -> None:
    """Each contest once; of two of one name the later run's."""
    first, second = (
        {"contests": [{"name": name, "of": run} for name in names]} for run, names in ((1, "ab"), (2, "bc"))
    )

    assert with_earlier({"machine": {}, **second}, [first]) == {
        "machine": {},
        "contests": [{"name": "a", "of": 1}, {"name": "b", "of": 2}, {"name": "c", "of": 2}],
    }


def test_a_folder_in_memory_is_refused() -> None:
    """There fsync costs nothing, and every durable write would look free."""
    memory = Path("/dev/shm")  # noqa: S108 - named by the kernel
    if not memory.is_dir():
        pytest.skip("this system keeps no files in memory there")
    with pytest.raises(SystemExit, match="tmpfs"), measured_folder(memory):
        pass
