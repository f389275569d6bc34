"""The cluster of a module of tests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from examples.cluster.hosts import missing
from examples.cluster.servers import Driver, cluster
from tests.cluster.running import VISIBILITY_SECONDS, Running
from tests.skips import NO_CELERY, NO_NAMESPACES


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A cluster with two workers."""
    if lacks := missing():
        pytest.skip(f"{NO_NAMESPACES}: {', '.join(lacks)}")
    if find_spec("dagster_celery") is None or find_spec("dagster_postgres") is None:
        pytest.skip(NO_CELERY)
    with cluster(2, definitions="tests.cluster.definitions", visibility_seconds=VISIBILITY_SECONDS) as started:
        driver = Driver(started, processes=4)
        started.wait_for_workers()
        started.seconds_per_answer(0.5)
        running = Running(started, driver)
        first = running.begin(2)
        running.settle(first)  # whatever is slow only once
        yield running
