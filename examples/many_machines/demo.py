"""``python -m examples.many_machines.demo``: start an S3 and a PostgreSQL, let machines write at once, and count.

Every machine is a process with a Dagster instance of its own; they share nothing but the two servers. All of them make
every topic, so each (stage, topic) has as many versions as there are machines.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from doc_io import DocumentRow, DocumentStore
from doc_io.escaping import printable
from examples.many_machines.pipeline import STAGES, TOPICS
from tests.servers.postgres import Postgres, postgres
from tests.servers.s3 import REGION, S3, moto


def main(arguments: list[str] | None = None) -> int:
    """Run the machines, then check that everything adds up; 1 where it does not."""
    parser = argparse.ArgumentParser("python -m examples.many_machines.demo", description=__doc__)
    parser.add_argument("--machines", type=int, default=4, help="how many write at once (default 4)")
    count: int = parser.parse_args(arguments).machines
    with tempfile.TemporaryDirectory() as folder, moto(Path(folder)) as s3, postgres() as database:
        root = f"{s3.root}/many-machines"
        print(f"{count} machines, each with {len(STAGES)} assets of {len(TOPICS)} topics.")
        print(f"Documents in {root}, index in PostgreSQL {database_version(database)}.\n", flush=True)
        started = time.monotonic()
        acknowledged = run_machines(count, environment(root, s3, database), Path(folder))
        print(f"All machines ended after {time.monotonic() - started:.0f} seconds.\n")
        with DocumentStore(root, db_url=database.url, storage_options=s3.storage_options) as store:
            checks = counts(store, acknowledged, count)
        checks["connections left open"] = connections_left(database), 0
    return tell(checks)


def environment(root: str, s3: S3, database: Postgres) -> dict[str, str]:
    """What a machine is told; secrets go by the environment and stand in no file."""
    return {
        **os.environ,
        "DOCS_ROOT": root,
        "DB_URL": database.url,
        "S3_KEY": s3.key,
        "S3_SECRET": s3.secret,
        "S3_ENDPOINT": s3.endpoint,
        "S3_REGION": REGION,
    }


def run_machines(count: int, env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Start all machines at once and wait for them: doc_id to run_id of every document that was acknowledged."""
    logs = [folder / f"machine-{number}.log" for number in range(count)]
    machines = []
    for number, log in enumerate(logs):
        with log.open("wb") as errors:
            machines.append(
                subprocess.Popen(
                    [sys.executable, "-m", "examples.many_machines.machine"],
                    env={**env, "MACHINE": str(number)},
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
            )
    acknowledged: dict[str, str] = {}
    for number, (machine, log) in enumerate(zip(machines, logs, strict=True)):
        said, _ = machine.communicate()
        told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        print(f"  machine {number}: exit {machine.returncode}, {len(told)} documents acknowledged", flush=True)
        if machine.returncode:
            print(printable(log.read_text(errors="replace")[-3000:], keep="\n"))
        acknowledged |= {each["doc_id"]: each["run_id"] for each in told}
    return acknowledged


def counts(store: DocumentStore, acknowledged: Mapping[str, str], machines: int) -> dict[str, tuple[int, int]]:
    """What must add up: each fact with what was found and what it has to be."""
    rows = list(store.index.scan())
    by_id = {row.doc_id: row for row in rows}
    per_run = len(STAGES) * len(TOPICS)
    texts = store.read_many(rows)
    parents = {doc_id: [by_id[parent.doc_id] for parent in store.parents(doc_id)] for doc_id in by_id}
    return {
        "documents acknowledged": (len(acknowledged), machines * per_run),
        "rows in the index": (len(rows), machines * per_run),
        "acknowledged documents with a row of their run": (
            sum(doc_id in by_id and by_id[doc_id].run_id == run for doc_id, run in acknowledged.items()),
            machines * per_run,
        ),
        "texts that are as long as their row says": (
            sum(len(texts[row.doc_id]) == row.raw_chars for row in rows),
            machines * per_run,
        ),
        "(stage, topic) with one version of each machine": (
            sum(seen == machines for seen in Counter((row.stage, row.task_id) for row in rows).values()),
            per_run,
        ),
        "latest ok that is the newest of its versions": (sum(latest_is_right(store, rows).values()), per_run),
        "parents that are of the same run": (
            sum(parent.run_id == by_id[doc_id].run_id for doc_id, found in parents.items() for parent in found),
            machines * len(TOPICS) * 4,  # notes of either essay, both essays of the comparison
        ),
        "files in the docs root": (len(objects(store)), machines * per_run * 2),
    }


def latest_is_right(store: DocumentStore, rows: list[DocumentRow]) -> dict[tuple[str, str], bool]:
    """Of each (stage, topic) whether the latest is the one with the highest time, and the times all differ."""
    right = {}
    for stage in STAGES:
        latest = store.latest_many(stage, TOPICS)
        for topic in TOPICS:
            versions = [row for row in rows if (row.stage, row.task_id) == (stage, topic)]
            times = {row.created_at for row in versions}
            newest = latest[topic].created_at if topic in latest else None
            right[stage, topic] = len(times) == len(versions) and newest == max(times, default=...)
    return right


def objects(store: DocumentStore) -> list[Any]:
    """Every object below the docs root."""
    root = store.storage.upath("")
    return [path for path in root.rglob("*") if path.is_file()]


def connections_left(database: Postgres) -> int:
    """Connections to the database, but the one that asks."""
    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(found[0]) if found else -1


def database_version(database: Postgres) -> str:
    """As the server says it."""
    with psycopg.connect(database.url) as connection:
        version = connection.info.server_version
    return f"{version // 10_000}.{version % 10_000}"


def tell(checks: Mapping[str, tuple[int, int]]) -> int:
    """The table, and whether all of it adds up."""
    width = max(map(len, checks))
    for fact, (found, wanted) in checks.items():
        print(f"  {fact:<{width}}  {found:>5} of {wanted:>5}{'' if found == wanted else '   <- does not add up'}")
    whole = all(found == wanted for found, wanted in checks.values())
    print("\nAll counts add up." if whole else "\nSomething was lost or doubled.")
    return 0 if whole else 1


if __name__ == "__main__":
    raise SystemExit(main())
