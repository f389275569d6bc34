"""The pipeline of the cluster on one machine: only the environment differs."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from doc_io import DocumentStore
from examples.cluster import definitions
from examples.cluster.model import numbers_in, parents_in

ROOT = Path(__file__).parents[2]


def test_the_same_definitions_run_in_one_process_on_a_local_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a variable set: SQLite, data/docs, the in-process executor, answers made here."""
    monkeypatch.chdir(tmp_path)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("topics", ["one", "two"])
        for topic in ("one", "two"):
            assert definitions.write_job().execute_in_process(instance=instance, partition_key=topic).success
        assert definitions.compare_job().execute_in_process(instance=instance).success

    with DocumentStore("data/docs") as store:
        evaluation = store.find("evaluation/two")
        parents = [store.find(parent.doc_id) for parent in store.parents(evaluation.doc_id)]
        made_from = [number for parent in parents for number in numbers_in(store.read(parent))]
        assert sorted(parents_in(store.read(evaluation))) == sorted(made_from)
        assert store.read(store.find("scoreboard/scoreboard")).split()[::2] == ["one", "two"]


def test_where_there_can_be_no_hosts_the_demo_says_so(tmp_path: Path) -> None:
    """As on a machine without root, or on a Mac."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.cluster.demo"],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.startswith("Skipped: the hosts are network namespaces, and this machine lacks ")
