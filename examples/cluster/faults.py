"""What goes wrong on real clusters, as context managers: the fault begins with the block and is over at its end.

They are called from the main thread, as a host dies with the thread that switched it on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from examples.cluster.hosts import Host, children_of, wait_until
from examples.cluster.servers import Cluster


@contextmanager
def power_cut(cluster: Cluster, host: Host) -> Iterator[None]:
    """A worker's host goes off; at the end it is switched on again, with what was on its disk."""
    host.power_off()
    try:
        yield
    finally:
        host.boot()
        (host.disk / f"{host.name}.log").unlink()
        cluster.start_worker(host)


@contextmanager
def cable_pulled(host: Host) -> Iterator[None]:
    """A host hears nothing and is not heard."""
    host.unplug()
    try:
        yield
    finally:
        host.plug()


@contextmanager
def database_away(cluster: Cluster) -> Iterator[None]:
    """PostgreSQL is shut down at once, and started again: Dagster's storage and the index are away."""
    cluster.stop("database", signal.SIGINT)
    try:
        yield
    finally:
        cluster.start_database()


@contextmanager
def broker_away(cluster: Cluster) -> Iterator[None]:
    """Redis is ended, and started again with what it held."""
    cluster.stop("broker")
    try:
        yield
    finally:
        cluster.start_broker()


@contextmanager
def stopped(cluster: Cluster, host: Host) -> Iterator[None]:
    """A worker with all its processes is stopped, and then goes on as if no time had passed."""
    entrance = cluster.program(host.name).entrance.pid  # stops itself when the worker does
    worker = children_of(entrance)
    processes = [entrance, *worker, *(child for pid in worker for child in children_of(pid))]
    send(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        send(processes, signal.SIGCONT)


def kill_children(cluster: Cluster, host: Host) -> int:
    """The processes of a worker in which steps run are killed, as the kernel does when memory is short; how many there were."""
    processes = [child for pid in children_of(cluster.program(host.name).entrance.pid) for child in children_of(pid)]
    send(processes, signal.SIGKILL)
    return len(processes)


@contextmanager
def delivered_twice(cluster: Cluster) -> Iterator[None]:
    """What is sent to the workers within the block reaches them at its end, each message two times."""
    from dagster_celery.make_app import make_app  # noqa: PLC0415 - of the extra `cluster`

    url = cluster.env["BROKER_URL"]
    with cluster.hosts["control"].network():
        control = make_app({"broker": url, "backend": url}).control

        def tell(command: Callable[..., Any]) -> None:
            workers = len(cluster.workers)  # one whose connection is new may not hear it
            wait_until(
                lambda: len(command("dagster", reply=True, timeout=10, limit=workers) or ()) == workers, "replies"
            )

        tell(control.cancel_consumer)
        yield
        broker = cluster.redis()
        for queue in broker.scan_iter("dagster*", _type="list"):
            for message in broker.lrange(queue, 0, -1):
                broker.lpush(queue, message)
        tell(control.add_consumer)


def send(processes: list[int], number: signal.Signals) -> None:
    """Send each process a signal that has not ended."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
