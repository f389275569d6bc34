"""Faults of a cluster: after each, every text that doc_io had been handed is in the store, once, with its parents.

What was paid for and never handed over (a draft's step that died, or whose ``STEP_OUTPUT`` Dagster could not store) is
counted apart: it is told by the notes of `tests.cluster.definitions`.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count

import pytest

from doc_io import maintenance
from doc_io.maintenance.verify import NOTES
from examples.cluster import faults
from examples.cluster.account import SPOOL, Account, account, recover, recovery_commands, spooled_on
from examples.cluster.definitions import STAGES
from examples.cluster.hosts import Host, missing, wait_until
from examples.cluster.model import Paid, read_ledger
from examples.cluster.servers import Cluster, Driver, cluster
from tests.cluster.definitions import NOTED
from tests.skips import NO_CELERY, NO_NAMESPACES

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

ROUNDS = 20
_names = count()


@dataclass
class Running:
    """A cluster that runs the pipeline, and what has gone on in it."""

    cluster: Cluster
    driver: Driver

    def begin(self, topics: int = 4, *, answers: int = 1) -> list[str]:
        """Start runs, and return once so many answers were paid for."""
        names = [f"topic-{next(_names)}" for _ in range(topics)]
        before = len(self.paid())
        self.driver.run(names, STAGES)
        wait_until(lambda: len(self.paid()) >= before + answers, "the first answers", 60)
        return names

    def paid(self) -> list[Paid]:
        """Every answer so far."""
        return list(read_ledger(self.cluster.ledger))

    def waiting(self) -> int:
        """How many messages no worker has taken yet."""
        with self.cluster.hosts["control"].network():
            broker = self.cluster.redis()
            return sum(broker.llen(queue) for queue in broker.scan_iter("dagster*", _type="list"))

    def spooled(self) -> list[list[str]]:
        """The numbers of the answers in the spool of each worker."""
        return [list(spooled_on(worker.disk)) for worker in self.cluster.workers]

    def settle(self, topics: list[str]) -> None:
        """Wait for the runs, file what is in spools by the commands that were printed, and run what Dagster has not got."""
        ended = self.driver.wait(180)
        for _ in range(4):
            errors = [error for outcome in ended for error in outcome["errors"]]
            logs = [(host.disk / f"{host.name}.log").read_text(errors="replace") for host in self.cluster.workers]
            for command in recovery_commands([*errors, *logs]):
                recover(self.cluster, command)
            self.driver.run(topics, ["missing"])
            ended = self.driver.wait(180)
            if all(outcome["success"] for outcome in ended):
                return
        pytest.fail(f"the partitions do not turn green: {ended}")

    def noted(self, word: str) -> set[str]:
        """The numbers of the answers that doc_io was ``handed``, or has ``kept``."""
        notes = [host.disk / NOTED for host in self.cluster.workers]
        lines = [json.loads(line) for path in notes if path.exists() for line in path.read_text().splitlines()]
        return {number for noted, number in lines if noted == word}

    def check(self, topics: list[str], *, killed: bool = False) -> Account:
        """Nothing that was handed over is lost or doubled.

        Args:
            topics: What has to be there.
            killed: Whether processes were killed, which may take with them what they had just been handed.
        """
        found = account(self.cluster)
        nowhere = {paid.number: paid for paid in found.nowhere}
        print(f"paid {len(found.paid)}, never handed over {Counter(paid.stage for paid in nowhere.values())}")
        assert not nowhere.keys() & self.noted("kept"), "kept, and nowhere"
        assert killed or not nowhere.keys() & self.noted("handed"), "handed over, and nowhere"
        assert found.twice == []
        assert found.wrong_parents == []
        left = [str(path) for host in self.cluster.workers for path in (host.disk / SPOOL).rglob("raw.txt")]
        assert found.spooled == {host.name: [] for host in self.cluster.workers}, left
        for stage in STAGES:
            assert {row.task_id for row in found.of(stage)} >= set(topics), stage
        with self.cluster.hosts["visitor"].network(), self.cluster.store() as store:
            assert [each for each in maintenance.verify(store, full=True) if each.kind not in NOTES] == []
        return found


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A cluster with two workers."""
    if lacks := missing():
        pytest.skip(f"{NO_NAMESPACES}: {', '.join(lacks)}")
    if find_spec("dagster_celery") is None or find_spec("dagster_postgres") is None:
        pytest.skip(NO_CELERY)
    with cluster(2, definitions="tests.cluster.definitions", visibility_seconds=12) as started:
        driver = Driver(started, processes=4)
        started.seconds_per_answer(0.5)
        running = Running(started, driver)
        first = running.begin(2)
        running.settle(first)  # whatever is slow only once
        yield running


def test_what_an_io_manager_drops_is_missed(running: Running) -> None:
    """The control: a draft that was acknowledged and written nowhere turns the check red."""
    running.driver.run(["mutant"], ["draft"])
    running.driver.wait(60)
    with pytest.raises(AssertionError, match="kept, and nowhere"):
        running.check([])
    with running.cluster.ledger.open("r+", encoding="ascii") as ledger:  # it is accounted for
        others = [line for line in ledger if '"mutant"' not in line]
        ledger.seek(0)
        ledger.truncate()
        ledger.writelines(others)


def seconds(short: int, long: int) -> pytest.MarkDecorator:
    """How long a fault lasts: in CI, and in the longer proof."""
    return pytest.mark.parametrize("seconds", [short, pytest.param(long, marks=pytest.mark.slow)])


@seconds(2, 40)
def test_the_power_of_a_host_is_cut(running: Running, seconds: int) -> None:
    """Its steps run elsewhere once their messages count as lost; what was on its disk is filed when it is back."""
    topics = running.begin(answers=3)
    with faults.power_cut(running.cluster, running.cluster.workers[0]):
        time.sleep(seconds)
    running.settle(topics)

    running.check(topics, killed=True)


def test_the_processes_of_a_worker_are_killed(running: Running) -> None:
    """Their steps are delivered again at once."""
    topics = running.begin(answers=3)
    assert faults.kill_children(running.cluster, running.cluster.workers[1])
    running.settle(topics)

    running.check(topics, killed=True)


@seconds(8, 30)
def test_the_cable_of_a_worker_is_pulled(running: Running, seconds: int) -> None:
    """Its steps wait, or are run elsewhere as well: then each text is a document of its own."""
    topics = running.begin()
    with faults.cable_pulled(running.cluster.workers[0]):
        time.sleep(seconds)
    running.settle(topics)

    found = running.check(topics)
    assert {paid.stage for paid in found.nowhere if paid.topic in topics} == set()


@seconds(8, 40)
def test_the_database_is_away(running: Running, seconds: int) -> None:
    """Dagster loses plain texts, as it cannot store that there is an output; `attempt` and `generate` keep theirs."""
    topics = running.begin(answers=5)
    with faults.database_away(running.cluster):
        time.sleep(seconds)
    running.settle(topics)

    found = running.check(topics)
    assert {paid.stage for paid in found.nowhere if paid.topic in topics} <= {"draft"}
    assert {paid.topic for paid in found.paid.values()} & set(topics)


@seconds(8, 40)
def test_the_object_store_is_away(running: Running, seconds: int) -> None:
    """Texts wait for it, or in the spool; none is paid for again."""
    topics = running.begin()
    with faults.cable_pulled(running.cluster.hosts["objects"]):
        time.sleep(seconds)
    running.settle(topics)

    found = running.check(topics)
    assert {paid.stage for paid in found.nowhere if paid.topic in topics} == set()


def test_a_step_is_killed_while_it_waits_for_the_object_store(running: Running) -> None:
    """Its text is in the spool of its host by then; the step is run again, and what the first one paid for is filed as well."""
    topics = [f"waiting-{number}" for number in range(4)]
    running.driver.run(topics, ["draft"])
    with faults.cable_pulled(running.cluster.hosts["objects"]):
        wait_until(lambda: sum(map(len, running.spooled())) >= 2, "the texts to be in a spool", 60)
        for worker in running.cluster.workers:
            faults.kill_children(running.cluster, worker)
    running.settle(topics)

    found = running.check(topics)
    assert {paid.stage for paid in found.nowhere if paid.topic in topics} == set()


def test_every_message_is_delivered_twice(running: Running) -> None:
    """A step runs two times at once and two texts are paid for under one attempt: both are kept."""
    with faults.delivered_twice(running.cluster):
        running.driver.run(["twice-1", "twice-2"], ["draft"])
        wait_until(lambda: running.waiting() >= 2, "the messages", 60)
    running.settle(["twice-1", "twice-2"])

    found = running.check(["twice-1", "twice-2"])
    again = [paid for paid in found.paid.values() if paid.topic.startswith("twice") and paid.stage == "draft"]
    assert len(again) == 4
    assert all(found.stored[paid.number] == 1 for paid in again)


@seconds(14, 40)
def test_a_worker_is_stopped_and_goes_on(running: Running, seconds: int) -> None:
    """Meanwhile its steps ran elsewhere; then it ends them as well, and what it makes is kept beside."""
    topics = running.begin()
    with faults.stopped(running.cluster, running.cluster.workers[0]):
        time.sleep(seconds)
    running.settle(topics)

    found = running.check(topics)
    assert {paid.stage for paid in found.nowhere if paid.topic in topics} == set()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_faults_at_random(running: Running) -> None:
    """Twenty rounds; the seed is printed."""
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)  # noqa: S311 - what is played, not a secret
    for number in range(ROUNDS):
        topics = running.begin(5, answers=chance.randint(1, 10))
        worker = chance.choice(running.cluster.workers)
        name = chance.choice(["power", "cable", "database", "objects", "broker", "stopped", "children"])
        print(f"round {number}: {name} of {worker.name}")
        for _ in range(2) if name == "children" else ():
            faults.kill_children(running.cluster, worker)
            time.sleep(chance.uniform(0, 4))
        with fault(running.cluster, name, worker):
            time.sleep(chance.uniform(1, 20))
        running.settle(topics)
        running.check(topics, killed=True)


def fault(cluster: Cluster, name: str, worker: Host) -> AbstractContextManager[object]:
    """A fault by its name."""
    made: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "power": lambda: faults.power_cut(cluster, worker),
        "cable": lambda: faults.cable_pulled(worker),
        "database": lambda: faults.database_away(cluster),
        "objects": lambda: faults.cable_pulled(cluster.hosts["objects"]),
        "broker": lambda: faults.broker_away(cluster),
        "stopped": lambda: faults.stopped(cluster, worker),
        "children": nullcontext,
    }
    return made[name]()
