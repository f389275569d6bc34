"""Runs jobs, several at a time: ``python -m examples.cluster.driver MODULE PROCESSES``, on the host of Dagster's webserver.

A line of standard input is what to run: ``TOPIC ASSET,ASSET,…``, ``TOPIC missing`` for what Dagster has not got yet,
``- scoreboard``, or ``- upkeep`` for a job without assets. A line of JSON in ``outcomes.jsonl`` says how a run ended.
Dagster's own launchers start a process for each run, which is seconds of CPU; forks that wait do here.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

import dagster as dg

from examples.cluster.definitions import STAGES

OUTCOMES = Path("outcomes.jsonl")
QUIET = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}


def main(module: str, processes: int) -> None:
    """Run what is asked for, until standard input ends."""
    logging.disable(logging.INFO)
    import_module(module)  # before the forks, so that it is done once
    with dg.DagsterInstance.get():
        pass  # makes Dagster's tables, where there are none
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as runs:
        for line in sys.stdin:
            topic, assets = line.split()
            runs.submit(run, module, topic, assets.split(","))


def run(module: str, topic: str, assets: list[str]) -> None:
    """One run; whatever becomes of it, a line says so."""
    outcome: dict[str, object] = {"topic": topic, "assets": assets, "success": False, "run_id": None, "errors": []}
    try:
        with dg.DagsterInstance.get() as instance:
            outcome |= executed(instance, module, topic, assets)
    except Exception as error:  # noqa: BLE001 - Dagster's database may be away: the next run is another one's affair
        outcome["errors"] = [f"{type(error).__name__}: {error}"]
    with OUTCOMES.open("a", encoding="utf-8") as outcomes:  # one write: lines of several processes do not mix
        outcomes.write(f"{json.dumps(outcome)}\n")


def executed(instance: dg.DagsterInstance, module: str, topic: str, assets: list[str]) -> dict[str, object]:
    """Execute a job and wait for it."""
    jobs = import_module(module)
    tags = {}
    if topic != "-":
        instance.add_dynamic_partitions("topics", [topic])
        tags = {"dagster/partition": topic}
    job = jobs.upkeep_job if assets == ["upkeep"] else jobs.compare_job if topic == "-" else jobs.write_job
    keys = None if assets == ["upkeep"] else [dg.AssetKey(asset) for asset in assets]
    if assets == ["missing"]:
        every = [dg.AssetKey(stage) for stage in STAGES]
        keys = [key for key in every if topic not in instance.get_materialized_partitions(key)]
        if not keys:
            return {"success": True}
    with dg.execute_job(dg.reconstructable(job), instance, QUIET, tags, asset_selection=keys) as result:
        failures = [event for event in result.all_events if event.is_step_failure]
        errors = [f"{event.step_key}: {event.step_failure_data.error_display_string}" for event in failures]
        return {"run_id": result.run_id, "success": result.success, "errors": errors}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
