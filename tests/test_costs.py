"""The page on costs: its code is run, and the calls to its model are what its table says."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocumentStore
from tests import pages
from tests.launching import launch

PAGE = pages.page("docs/costs.md")
CODE = pages.blocks(PAGE, "python")
PAID = [row[3] for row in pages.table(PAGE)]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the code of the page names, run in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return pages.run(CODE)


def materialize(names: dict[str, Any], asset: str) -> bool:
    """Run an asset of the page over its six partitions."""
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "f"}
    return dg.materialize([names[asset]], resources=names["resources"], tags=tags, raise_on_error=False).success


def calls() -> Counter[str]:
    """How often the model was asked what."""
    return Counter(Path("calls.txt").read_text().splitlines())


def test_the_examples_are_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the definitions of one file."""
    monkeypatch.chdir(tmp_path)
    defs = "defs = dg.Definitions(assets=[plain, careful, at_once], resources=resources)\n"
    (tmp_path / "definitions.py").write_text("\n".join([*CODE, defs]), encoding="utf-8")
    launch(tmp_path / "definitions.py", "plain,careful", "--partition-range", "a...f")
    launch(tmp_path / "definitions.py", "at_once", "--partition-range", "t0...t39")

    with DocumentStore("data/docs") as store:
        assert Counter(row.stage for row in store.index.scan() if row.status == "ok") == {
            "plain": 6,
            "careful": 6,
            "at_once": 40,
        }


def test_a_plain_asset_pays_again_for_what_came_before_the_bad_partition(names: dict[str, Any]) -> None:
    assert materialize(names, "plain")
    assert str(calls().total()) == PAID[0]


def test_with_attempt_only_the_bad_partition_is_asked_for_again(names: dict[str, Any]) -> None:
    assert materialize(names, "careful")
    assert str(calls().total()) == PAID[1]
    assert {prompt for prompt, count in calls().items() if count > 1} == {"Write of d."}

    before = calls().total()
    assert materialize(names, "careful")
    assert str(calls().total() - before) == PAID[2]


def test_with_generate_a_killed_run_pays_again_for_what_was_under_way_at_most(names: dict[str, Any]) -> None:
    run = """
tags = {"dagster/asset_partition_range_start": "t0", "dagster/asset_partition_range_end": "t39"}
dg.materialize([at_once], resources=resources, tags=tags)
"""
    command = [sys.executable, "-c", "\n".join([*CODE, run])]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and (not Path("calls.txt").exists() or calls().total() < 9):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert 9 <= calls().total() < 40
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=100)
    finally:
        process.kill()

    assert PAID[3] == "40, and at most 4 more"
    assert len(calls()) == 40
    assert calls().total() <= 44
    with DocumentStore("data/docs") as store:
        assert len(store.latest_many("at_once", names["many"].get_partition_keys())) == 40
