"""Recovered documents as Dagster sees them: their partitions are materialized, so that nothing is paid for again."""

from __future__ import annotations

from dagster import AssetKey, AssetMaterialization, DagsterInstance

from doc_io.dagster.events import Shown, is_failed, observation_of
from doc_io.document import DocumentRow
from doc_io.ids import path_segment
from doc_io.store import DocumentStore

_DATA_VERSION_TAG = "dagster/data_version"


def instance_of(home: str) -> DagsterInstance:
    """The Dagster instance with this ``DAGSTER_HOME``; a context manager."""
    return DagsterInstance.from_config(home)


def report_recovered(instance: DagsterInstance, store: DocumentStore, row: DocumentRow) -> bool:
    """Report a document that was filed outside of a run: a materialization of its asset, or what stands for a failed one.

    Args:
        instance: Dagster's instance.
        store: Where the document is.
        row: The document.

    Returns:
        Whether there was something to report: the output of an op belongs to no asset.
    """
    if row.asset_key is None:
        return False
    asset_key = AssetKey.from_user_string(row.asset_key)
    # The attempt of an output ends in its partition; see `OutputInfo.attempt_of`.
    partition = None if row.attempt.endswith(f"/{path_segment('')}") else row.task_id
    shown = Shown(store)
    text = store.read(row, "raw") if row.raw_chars is not None else None
    if is_failed(row):
        event = observation_of(asset_key, partition, row, shown.metadata_of_failed(row, text))
        instance.report_runless_asset_event(event)
        return True
    tags = {_DATA_VERSION_TAG: row.content_hash} if row.content_hash and partition is None else None
    metadata = {**shown.metadata_of(row, text), "recovered": True}
    instance.report_runless_asset_event(
        AssetMaterialization(asset_key, partition=partition, metadata=metadata, tags=tags)
    )
    return True
