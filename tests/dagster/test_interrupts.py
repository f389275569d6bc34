"""A run that is cancelled while it writes has paid for its texts: each is in the store or in the spool."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import dagster as dg
import pytest

from doc_io import Document, DocumentsByPartition, maintenance
from doc_io.dagster import outputs
from doc_io.dagster.interrupts import interrupts_allowed, interrupts_held
from doc_io.dagster.safekeeping import SpoolCopy
from tests.dagster.conftest import House

KEYS = [f"k{number}" for number in range(60)]


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Python's own handlers, whatever a run before has left: a shell's background job ignores SIGINT."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Interrupting(dict[str, Any]):
    """Metadata that sends a signal whenever it is read: in the middle of the write, and again."""

    def __init__(self, number: int) -> None:
        super().__init__(kind="k")
        self.number = number

    def items(self) -> Any:
        os.kill(os.getpid(), self.number)
        return super().items()


def texts_after(house: House, number: int) -> set[str]:
    """What is in the store, after a recovery of the spool, once a run over many partitions was cancelled in its write."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(KEYS), backfill_policy=dg.BackfillPolicy.single_run())
    def draft() -> DocumentsByPartition:
        return DocumentsByPartition({key: Document(f"text {key}", metadata=Interrupting(number)) for key in KEYS})

    tags = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
    with suppress(KeyboardInterrupt):  # Dagster passes it on, by version
        house.run([draft], tags=tags)
    if (house.root / "spool").exists():
        assert all(each.error is None for each in maintenance.recover(house.store, house.root / "spool"))
    rows = [row for row in house.store.select_all() if row.stage == "draft"]
    return set(house.store.read_many(rows).values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_text_of_a_cancelled_write_is_in_the_store_or_the_spool(house: House, number: int) -> None:
    """Whichever signal it is, and however often it comes."""
    assert texts_after(house, number) == {f"text {key}" for key in KEYS}


def test_a_write_that_is_not_guarded_loses_texts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the interrupt is raised at once, and nothing is kept of what was on its way."""
    for name in ("interrupts_held", "interrupts_allowed"):
        monkeypatch.setattr(outputs, name, lambda *_: nullcontext())
        monkeypatch.setattr(f"doc_io.dagster.io_manager.{name}", lambda *_: nullcontext(), raising=False)
    for name in ("keep", "keep_meanwhile"):
        monkeypatch.setattr(SpoolCopy, name, lambda *_: None)

    assert texts_after(house, signal.SIGINT) == set()


def test_an_interrupt_is_held_and_delivered_once() -> None:
    """At the end of the block, where nothing let it through before."""
    done = []

    def work() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]


def test_an_interrupt_that_is_let_through_is_not_raised_a_second_time() -> None:
    """What is done about the first one is not interrupted by the next."""
    kept = []
    with interrupts_held():
        with suppress(KeyboardInterrupt), interrupts_allowed():
            signal.raise_signal(signal.SIGINT)
            kept.append("not reached")
        signal.raise_signal(signal.SIGINT)
        kept.append("kept")
    assert kept == ["kept"]


def test_a_write_that_does_not_end_is_interrupted_after_its_grace() -> None:
    """A lock that nobody releases must not keep a cancelled run."""

    def work() -> None:
        with interrupts_allowed(grace=0.2):
            signal.raise_signal(signal.SIGINT)
            signal.sigtimedwait([], 20)

    with interrupts_held(), pytest.raises(KeyboardInterrupt):
        work()
