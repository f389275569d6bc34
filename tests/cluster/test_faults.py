"""Faults of a cluster: after each, every text that doc_io had been handed is in the store, once, with its parents.

What was paid for and never handed over (a draft's step that died, or whose ``STEP_OUTPUT`` Dagster could not store) is
counted apart: it is told by the notes of `tests.cluster.definitions`.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from examples.cluster import faults
from examples.cluster.hosts import Host, wait_until
from examples.cluster.servers import Cluster
from tests.cluster.running import VISIBILITY_SECONDS, Running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

ROUNDS = 20


def test_what_an_io_manager_drops_is_missed(running: Running) -> None:
    """The control: a draft that was acknowledged and written nowhere turns the check red."""
    running.driver.run(["mutant"], ["draft"])
    running.driver.wait()
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
    """Its steps run elsewhere once their messages count as lost; what was on its disk is filed when it is back.

    Meanwhile the processes of another host's worker are killed: their steps are delivered again at once.
    """
    topics = running.begin(answers=3)
    with faults.power_cut(running.cluster, running.cluster.workers[0]):
        assert faults.kill_children(running.cluster, running.cluster.workers[1])
        time.sleep(seconds)
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


@seconds(5, 40)
def test_the_database_is_away(running: Running, seconds: int) -> None:
    """Dagster loses plain texts, as it cannot store that there is an output; `attempt` and `generate` keep theirs."""
    topics = running.begin(answers=5)
    with faults.database_away(running.cluster):
        time.sleep(seconds)
    running.settle(topics)

    found = running.check(topics)
    assert {paid.stage for paid in found.nowhere if paid.topic in topics} <= {"draft"}
    assert {paid.topic for paid in found.paid.values()} & set(topics)


@seconds(5, 40)
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
    asked = running.asked()
    running.cluster.seconds_per_answer(3)  # no answer comes before the cable is out
    running.driver.run(topics, ["draft"])
    wait_until(lambda: running.asked() > asked, "the first question")
    with faults.cable_pulled(running.cluster.hosts["objects"]):
        wait_until(lambda: running.spooled() == running.asked() - asked, "the texts to be in spools")
        for worker in running.cluster.workers:
            faults.kill_children(running.cluster, worker)
        assert running.spooled()
    running.cluster.seconds_per_answer(0.5)
    running.settle(topics)

    found = running.check(topics)
    assert {paid.stage for paid in found.nowhere if paid.topic in topics} == set()


def test_every_message_is_delivered_twice(running: Running) -> None:
    """A step runs two times at once and two texts are paid for under one attempt: both are kept."""
    with faults.delivered_twice(running.cluster):
        running.driver.run(["twice-1", "twice-2"], ["draft"])
        wait_until(lambda: running.cluster.waiting() >= 2, "the messages")
    running.settle(["twice-1", "twice-2"])

    found = running.check(["twice-1", "twice-2"])
    again = [paid for paid in found.paid.values() if paid.topic.startswith("twice") and paid.stage == "draft"]
    assert len(again) >= 4  # more where one took so long that it counted as lost
    assert all(found.stored[paid.number] == 1 for paid in again)


@seconds(VISIBILITY_SECONDS + 1, 40)
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
@pytest.mark.parametrize("half", [1, 2])  # each on a cluster of its own
def test_faults_at_random(running: Running, half: int) -> None:
    """Twenty rounds; the seeds are printed."""
    seed = secrets.randbelow(10**6)
    print(f"seed {seed} of half {half}")
    chance = random.Random(seed)  # noqa: S311 - what is played, not a secret
    for number in range(ROUNDS // 2):
        topics = running.begin(5, answers=chance.randint(1, 10))
        worker = chance.choice(running.cluster.workers)
        name = chance.choice(["power", "cable", "database", "objects", "broker", "stopped", "children"])
        seconds = chance.uniform(1, 20)
        print(f"round {number}: {name} of {worker.name}, {seconds:.0f} s")
        for _ in range(2) if name == "children" else ():
            faults.kill_children(running.cluster, worker)
            time.sleep(chance.uniform(0, 4))
        with fault(running.cluster, name, worker):
            time.sleep(seconds)
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
