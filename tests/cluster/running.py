"""A cluster that runs the pipeline, and what has gone on in it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from doc_io import maintenance
from doc_io.maintenance.verify import NOTES
from examples.cluster.account import SPOOL, Account, account, recover, recovery_commands, spooled_on
from examples.cluster.definitions import STAGES
from examples.cluster.hosts import wait_until
from examples.cluster.model import Paid, read_ledger
from examples.cluster.servers import Cluster, Driver
from tests.cluster.definitions import NOTED

VISIBILITY_SECONDS = 10
"""See `examples.cluster.celery_app`."""

_names = count()


@dataclass
class Running:
    """A cluster that runs the pipeline, and what has gone on in it."""

    cluster: Cluster
    driver: Driver
    _killed: set[str] = field(default_factory=set)

    def begin(self, topics: int = 4, *, answers: int = 1) -> list[str]:
        """Start runs, and return once so many answers were paid for."""
        names = [f"topic-{next(_names)}" for _ in range(topics)]
        before = len(self.paid())
        self.driver.run(names, STAGES)
        wait_until(lambda: len(self.paid()) >= before + answers, "the first answers")
        return names

    def paid(self) -> list[Paid]:
        """Every answer so far."""
        return list(read_ledger(self.cluster.ledger))

    def asked(self) -> int:
        """How many questions the model was asked so far, answered or not."""
        asked = self.cluster.ledger.with_name("asked")
        return asked.stat().st_size if asked.exists() else 0

    def spooled(self) -> int:
        """How many answers are in the spools of the workers."""
        return sum(len(list(spooled_on(worker.disk))) for worker in self.cluster.workers)

    def settle(self, topics: list[str]) -> None:
        """Wait for the runs, file what is in spools by the commands that were printed, and run what Dagster has not got."""
        ended: list[dict[str, Any]] = []
        for tries in range(5):
            ended = self.driver.wait()
            wait_until(self.cluster.is_idle, "the workers to be idle")
            self.file_spooled([error for outcome in ended for error in outcome["errors"]])
            if tries and all(outcome["success"] for outcome in ended):
                return
            self.driver.run(topics, ["missing"])
        pytest.fail(f"the partitions do not turn green: {ended}")

    def file_spooled(self, errors: list[str]) -> None:
        """Run the commands that steps printed, and, for what processes left that were killed, the one of the reference."""
        logs = [(host.disk / f"{host.name}.log").read_text(errors="replace") for host in self.cluster.workers]
        for command in recovery_commands([*errors, *logs]):
            recover(self.cluster, command)
        for host in self.cluster.workers:
            left = list((host.disk / SPOOL).rglob("raw.txt"))
            if left:
                assert all(".answers" in path.parts for path in left), f"no command was printed that files {left}"
                print(host.run("doc-io", "recover", env=self.cluster.env))

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
        nowhere = {paid.number: paid for paid in found.nowhere if paid.number not in self._killed}
        never = dict(Counter(paid.stage for paid in nowhere.values()))
        print(f"paid {len(found.paid)}, stored {len(found.stored)}, twice {found.twice}, never handed over {never}")
        assert not nowhere.keys() & self.noted("kept"), "kept, and nowhere"
        if killed:
            self._killed |= nowhere.keys()
        else:
            assert not nowhere.keys() & self.noted("handed"), "handed over, and nowhere"
        assert found.twice == []
        assert found.wrong_parents == []
        left = [str(path) for host in self.cluster.workers for path in (host.disk / SPOOL).rglob("raw.txt")]
        assert found.spooled == {host.name: [] for host in self.cluster.workers}, left
        for stage in STAGES:
            assert {row.task_id for row in found.of(stage)} >= set(topics), stage
        with self.cluster.hosts["visitor"].network(), self.cluster.store() as store:
            assert [each for each in maintenance.verify(store, full=True) if each.kind not in NOTES] == []
        return found
