"""``make cluster``: start a cluster on this machine, run the pipeline over it, and count; ``FAULTS=1`` breaks it meanwhile."""

from __future__ import annotations

import argparse
import json
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import psycopg

from doc_io.escaping import printable
from examples.cluster import faults
from examples.cluster.account import Account, account, files_left, recover, recovery_commands
from examples.cluster.definitions import STAGES
from examples.cluster.hosts import HostError, missing, wait_until
from examples.cluster.model import read_ledger
from examples.cluster.servers import Cluster, Driver, cluster

FAULT_SECONDS = 12  # longer than the tries of doc_io and of Dagster's storage
_MATERIALIZED = "{assetNodes {assetKey {path} partitionStats {numMaterialized}}}"
Facts = dict[str, tuple[object, object]]
"""What is counted: what was found, and what it has to be; ``None`` where it may be anything."""


def main() -> int:
    """Run it; 1 where something does not add up."""
    parser = argparse.ArgumentParser("python -m examples.cluster.demo", description=__doc__)
    parser.add_argument("--topics", type=int, default=60, help="how many partitions (default 60)")
    parser.add_argument("--workers", type=int, default=3, help="how many hosts run steps (default 3)")
    parser.add_argument("--faults", action="store_true", help="cut cables and power meanwhile")
    parser.add_argument("--seed", type=int, default=None, help="of the order of the faults; printed where not given")
    options = parser.parse_args()
    if lacks := missing():
        say(f"Skipped: the hosts are network namespaces, and this machine lacks {', '.join(lacks)}.")
        return 0
    topics = [f"topic-{number:03}" for number in range(1, options.topics + 1)]
    started = time.monotonic()
    with cluster(options.workers) as running:
        running.start_webserver()
        driver = Driver(running, processes=8)
        running.wait_for_workers()
        say(f"{len(running.hosts)} hosts are up after {time.monotonic() - started:.0f} s: {', '.join(running.hosts)}.")
        with running.hosts["control"].published(3000) as url:
            say(f"Dagster's webserver: {url}\n")
            driver.run(topics, STAGES)
            errors = watch(running, driver, chosen_faults(running, options.seed) if options.faults else [], len(topics))
            errors += put_right(running, driver, topics, errors)
            driver.run(["-"], ["scoreboard"])
            driver.wait()
            found = account(running)
            facts = counted(running, found, topics, url) | (paid_after_faults if options.faults else paid)(found)
    say(f"\nEverything ended after {time.monotonic() - started:.0f} s.\n")
    return tell(facts)


def chosen_faults(running: Cluster, seed: int | None) -> list[tuple[str, AbstractContextManager[None]]]:
    """One of each, in an order by chance."""
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - no secret
    chance = random.Random(seed)  # noqa: S311 - as above
    say(f"Faults of seed {seed}, {FAULT_SECONDS} s each.")
    off, unplugged, asleep = chance.choices(running.workers, k=3)
    made = [
        (f"power of {off.name} cut", faults.power_cut(running, off)),
        (f"cable of {unplugged.name} pulled", faults.cable_pulled(unplugged)),
        (f"{asleep.name} stopped", faults.stopped(running, asleep)),
        ("PostgreSQL shut down", faults.database_away(running)),
        ("cable of S3 pulled", faults.cable_pulled(running.hosts["objects"])),
        ("Redis shut down", faults.broker_away(running)),
    ]
    chance.shuffle(made)
    return made


def watch(
    running: Cluster, driver: Driver, breaking: Sequence[tuple[str, AbstractContextManager[None]]], topics: int
) -> list[str]:
    """Show how far the runs are until all have ended, and break something from time to time; the errors of the runs."""
    every = topics * len(STAGES) // (len(breaking) + 2)
    waiting = list(breaking)
    while driver.attend():
        show(running, driver)
        if waiting and len(list(read_ledger(running.ledger))) >= every * (len(breaking) - len(waiting) + 1):
            name, fault = waiting.pop(0)
            say(f"  --- {name}")
            with fault:
                end = time.monotonic() + FAULT_SECONDS
                while time.monotonic() < end:
                    show(running, driver)
            say("  --- and over")
    return [error for outcome in driver.wait() for error in outcome["errors"]]


def show(running: Cluster, driver: Driver) -> None:
    """A line of the live count, then some seconds of rest."""
    kept = Counter[str]()
    try:
        with running.hosts["control"].network(), running.sql() as sql:
            kept.update(dict(sql.execute("SELECT stage, count(*) FROM documents WHERE status = 'ok' GROUP BY stage")))
        stored = "   ".join(f"{stage} {kept[stage]:>3}" for stage in STAGES)
    except psycopg.Error:
        stored = "the index is away or not made yet"
    say(f"  {stored}   paid {len(list(read_ledger(running.ledger))):>3}   runs under way {driver.under_way:>3}")
    time.sleep(3)


def put_right(running: Cluster, driver: Driver, topics: Sequence[str], errors: Sequence[str]) -> list[str]:
    """File what is in spools by the commands that the steps printed, then run what Dagster has not got; until it is well."""
    seen: list[str] = []
    for _ in range(4):
        wait_until(running.is_idle, "the workers to be idle")
        for command in sorted(recovery_commands([*errors, *seen])):
            for said in recover(running, command):
                say(f"  {printable(command)}: {printable(said.strip())}")
        driver.run(topics, ["missing"])
        failed = [outcome for outcome in driver.wait() if not outcome["success"]]
        seen += [error for outcome in failed for error in outcome["errors"]]
        if not failed:
            break
    return seen


def counted(running: Cluster, found: Account, topics: Sequence[str], url: str) -> Facts:
    """What must hold whatever happened."""
    answers = [row for row in found.rows if row.raw_chars and row.stage in STAGES]
    return {
        **{f"topics with an ok {stage}": (len({row.task_id for row in found.of(stage)}), len(topics)) for stage in STAGES},
        **{f"{stage}s that Dagster shows": (count, len(topics)) for stage, count in materialized(url).items()},
        "documents with the parents that their text names": (len(answers) - len(found.wrong_parents), len(answers)),
        "parents of the scoreboard (fan-in)": (found.fan_in, len(topics)),
        "answers that are in two ok documents": (len(found.twice), 0),
        **{f"files left on {host.name}": (files_left(host.disk), 0) for host in running.workers},
        "`doc-io verify` on a host that did nothing": (verified(running), "no problems found"),
    }  # fmt: skip


def paid(found: Account) -> Facts:
    """What was paid for where nothing went wrong."""
    topics = len({paid.topic for paid in found.paid.values()})
    return {
        "documents": (len(found.rows), topics * len(STAGES) + 1),
        "answers that the model was paid for": (len(found.paid), topics * len(STAGES)),
        "of these in the store": (len(found.stored), len(found.paid)),
    }


def paid_after_faults(found: Account) -> Facts:
    """What was paid for: a draft is lost where its step dies before it hands the text over, and is paid for again."""
    lost = Counter(paid.stage for paid in found.nowhere)
    return {
        "documents": (len(found.rows), None),
        "answers that the model was paid for": (len(found.paid), None),
        "of these in the store or in a spool": (len(found.paid) - len(found.nowhere), None),
        **{f"{stage}s that never reached doc_io": (lost[stage], None) for stage in STAGES},
    }


def materialized(url: str) -> Mapping[str, int]:
    """How many partitions of each asset Dagster shows as materialized, by its webserver."""
    request = urllib.request.Request(f"{url}/graphql", json.dumps({"query": _MATERIALIZED}).encode(), {"Content-Type": "application/json"})  # noqa: S310 - our own server # fmt: skip
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
        nodes = json.load(response)["data"]["assetNodes"]
    found = {node["assetKey"]["path"][-1]: node["partitionStats"] for node in nodes}
    return {stage: found[stage]["numMaterialized"] for stage in STAGES}


def verified(running: Cluster) -> str:
    """What `doc-io verify` says."""
    try:
        said = running.hosts["visitor"].run("doc-io", "verify", "--full", "--no-notes", env=running.env)
    except HostError as error:
        return str(error)
    return said.strip().split(": ")[-1].rstrip(".")


def tell(facts: Facts) -> int:
    """The table, and whether all of it adds up."""
    width = max(map(len, facts))
    right = True
    for fact, (found, expected) in facts.items():
        wrong = expected is not None and found != expected
        right = right and not wrong
        say(f"  {fact:<{width}}  {printable(str(found)):>8}{f'   <- and not {expected}' if wrong else ''}")
    say("\nEverything adds up." if right else "\nSomething does not add up.")
    return 0 if right else 1


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
