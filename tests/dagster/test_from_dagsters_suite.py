"""What Dagster's own tests (``python -m tests.dagster_suite``) found, each as one small fact."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentStore
from tests.dagster.conftest import House

TASKS = dg.StaticPartitionsDefinition(["d1", "d2"])

migrates = pytest.mark.skipif(
    not hasattr(dg, "migrate_io_storage"), reason="this version of Dagster has no migrate_io_storage"
)


@dg.asset
def outline() -> dict[str, str]:
    return {"title": "An outline"}


@dg.asset(partitions_def=TASKS)
def draft(context: dg.AssetExecutionContext) -> str:
    return f"Draft of {context.partition_key}."


@pytest.fixture
def migrate(house: House, tmp_path: Path) -> Callable[..., tuple[int, int, int]]:
    """Migrate what Dagster's default IO manager holds; how many were migrated, skipped and failed."""
    pickles = dg.FilesystemIOManager(base_dir=str(tmp_path / "pickles"))
    definitions = dg.Definitions(assets=[outline, draft], resources={"io_manager": pickles})
    for key in TASKS.get_partition_keys():
        dg.materialize([outline, draft], instance=house.instance, resources={"io_manager": pickles}, partition_key=key)

    def run(**options: Any) -> tuple[int, int, int]:
        result = dg.migrate_io_storage(
            definitions=definitions,
            destination_io_manager=DocDirIOManager(**house.where),
            instance=house.instance,
            **{"transform": as_text, **options},
        )
        counts = (result.migrated, result.skipped, result.failed)
        return tuple(sum(subset.size for subset in subsets) for subsets in counts)  # type: ignore[return-value]

    return run


def as_text(value: object) -> object:
    """What doc_io keeps of a value: text as it is, else JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def texts_of_drafts(store: DocumentStore) -> dict[str, str]:
    return {task: store.read(row) for task, row in store.latest_many("draft", TASKS.get_partition_keys()).items()}


@migrates
def test_migrate_io_storage_brings_every_partition_in(
    house: House, migrate: Callable[..., tuple[int, int, int]]
) -> None:
    assert migrate() == (3, 0, 0)
    assert texts_of_drafts(house.store) == {"d1": "Draft of d1.", "d2": "Draft of d2."}


@migrates
def test_migrate_io_storage_brings_a_batch_of_partitions_in(
    house: House, migrate: Callable[..., tuple[int, int, int]]
) -> None:
    drafts = dg.AssetSelection.assets(draft)

    assert migrate(batch_partitions=True, selection=drafts, transform=None) == (2, 0, 0)
    assert texts_of_drafts(house.store) == {"d1": "Draft of d1.", "d2": "Draft of d2."}


@migrates
def test_a_migration_that_skips_what_is_there_adds_no_second_version(
    house: House, migrate: Callable[..., tuple[int, int, int]]
) -> None:
    def is_there(asset_key: dg.AssetKey, partition_key: str | None) -> bool:
        stage = asset_key.to_user_string()
        return house.store.latest(stage, partition_key or stage) is not None

    assert migrate(should_skip=is_there) == (3, 0, 0)
    assert migrate(should_skip=is_there) == (0, 3, 0)
    assert len(house.store.history("draft", "d1")) == 1


@migrates
def test_a_value_that_is_no_text_fails_its_own_migration_only(
    house: House, migrate: Callable[..., tuple[int, int, int]]
) -> None:
    assert migrate(transform=None) == (2, 0, 1)
    assert texts_of_drafts(house.store) == {"d1": "Draft of d1.", "d2": "Draft of d2."}
