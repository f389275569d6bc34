"""Dagster's own storage is away while a step ends: its log raises, and no answer may be lost to that."""

from collections.abc import Iterator

import dagster as dg
import pytest

from doc_io import Document, DocumentsByPartition, DocumentsIndex
from tests.dagster.conftest import House

KEYS = [f"key {number:02}" for number in range(40)]


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What takes Dagster's storage away, and brings it back at the end."""
    with monkeypatch.context() as patch:
        yield patch


def take_away(storage: pytest.MonkeyPatch) -> None:
    """No event can be stored or read from now on."""

    def away(*_: object, **__: object) -> None:
        raise OSError("the storage is away")

    for name in ("handle_new_event", "all_logs"):
        storage.setattr(dg.DagsterInstance, name, away)


def test_two_answers_of_a_body_are_kept_though_dagsters_log_raises(house: House, storage: pytest.MonkeyPatch) -> None:
    """And their copies do not stay in the folder of a process that lives on: a worker's."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        for prompt in "ab":
            with documents.attempt(context, prompt=prompt) as attempt:
                attempt.raw = f"paid for {prompt}"
                attempt.document()
        take_away(storage)
        return Document("made of both")

    with pytest.raises(OSError, match="away"):
        house.run([draft])

    texts = {house.store.read(row) for row in house.store.history("draft", "draft")}
    assert texts >= {"paid for a", "paid for b"}
    assert not (house.root / "spool/.answers").exists()


def test_a_generation_goes_on_though_dagsters_log_raises(
    house: House, storage: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says of its progress is not worth a call."""
    monkeypatch.setattr("doc_io.dagster.generate.PROGRESS_SECONDS", 0.0)

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(KEYS), backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        take_away(storage)
        return await documents.generate(
            context, lambda key, _: f"paid for {key}", prompts=lambda key: key, concurrency=1
        )

    tags = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
    with pytest.raises(OSError, match="away"):
        house.run([draft], tags=tags)

    assert set(house.store.latest_many("draft", KEYS)) == set(KEYS)
