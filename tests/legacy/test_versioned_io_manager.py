"""`VersionedTextIOManager`: each text is the next version, and inputs get the newest."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import (
    BackfillPolicy,
    DagsterInstance,
    ExecuteInProcessResult,
    StaticPartitionsDefinition,
    asset,
    materialize,
)

from doc_io import Document, DocumentsByPartition, VersionedTextIOManager
from tests.servers.s3 import S3

TASKS = StaticPartitionsDefinition(["a", "b/c"])


@asset(partitions_def=TASKS, backfill_policy=BackfillPolicy.single_run())
def draft(context) -> DocumentsByPartition:  # type: ignore[no-untyped-def] # noqa: ANN001 - Dagster's own annotation is not importable under annotations
    """One text for each partition of the run."""
    return DocumentsByPartition({key: f"draft {key}" for key in context.partition_keys})


@asset
def summary(draft: dict[str, str]) -> Document:
    """All drafts, parsed."""
    return Document(f"raw {draft}", parsed=" and ".join(draft.values()))


def run_all(manager: VersionedTextIOManager) -> ExecuteInProcessResult:
    """Both assets, the first for both partitions."""
    with DagsterInstance.ephemeral() as instance:
        for key in TASKS.get_partition_keys():
            assert materialize([draft], resources={"io_manager": manager}, instance=instance, partition_key=key).success
        return materialize([draft, summary], selection=[summary], resources={"io_manager": manager}, instance=instance)


def test_texts_become_versions_of_files_named_by_their_partition(tmp_path: Path) -> None:
    """Twice is two versions; a key that is no file name is encoded."""
    manager = VersionedTextIOManager(base_path=str(tmp_path), folders={"draft": "3_generation/draft_responses"})
    run_all(manager)
    run_all(manager)

    names = sorted(path.name for path in (tmp_path / "3_generation/draft_responses").iterdir())
    assert names == ["a_v1.txt", "a_v2.txt", "b%2Fc_v1.txt", "b%2Fc_v2.txt"]
    assert (tmp_path / "summary/summary_v2.txt").read_text(encoding="utf-8") == "draft a and draft b/c"
    assert (tmp_path / "summary_raw/summary_v2.txt").read_text(encoding="utf-8").startswith("raw {")


def test_the_event_says_where_the_text_is(tmp_path: Path) -> None:
    """Path and version, to open it from the UI."""
    result = run_all(VersionedTextIOManager(base_path=str(tmp_path)))

    [event] = result.asset_materializations_for_node("summary")
    assert event.metadata["path"].value == str(tmp_path / "summary/summary_v1.txt")
    assert event.metadata["version"].value == 1


def test_in_the_cloud_it_is_the_same(s3_server: S3) -> None:
    """One request lists, one writes; a version is never overwritten."""
    manager = VersionedTextIOManager(base_path=f"{s3_server.root}/legacy", storage_options=s3_server.storage_options)
    assert run_all(manager).success

    with DagsterInstance.ephemeral() as instance:

        @asset
        def reader(summary: str) -> None:
            assert summary == "draft a and draft b/c"

        resources = {"io_manager": manager}
        assert materialize([draft, summary, reader], selection=[reader], resources=resources, instance=instance).success


def test_a_partition_without_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Asset, partition and stage."""
    manager = VersionedTextIOManager(base_path=str(tmp_path))
    with (
        DagsterInstance.ephemeral() as instance,
        pytest.raises(Exception, match="No legacy document for asset draft, partition a"),
    ):
        materialize([draft, summary], selection=[summary], resources={"io_manager": manager}, instance=instance)


def test_what_is_no_text_fails_the_step_and_writes_nothing(tmp_path: Path) -> None:
    """A pickle nobody can read is not what this is for."""

    @asset
    def number() -> int:
        return 7

    with DagsterInstance.ephemeral() as instance:
        result = materialize(
            [number],
            resources={"io_manager": VersionedTextIOManager(base_path=str(tmp_path))},
            instance=instance,
            raise_on_error=False,
        )
    assert not result.success
    assert list(tmp_path.iterdir()) == []
