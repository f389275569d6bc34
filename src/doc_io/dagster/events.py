"""What Dagster gets to see of a document: metadata, observations, and the failure of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetObservation, Failure, MetadataValue

from doc_io.document import FAILED, DocumentRow
from doc_io.escaping import fenced, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from doc_io.store import DocumentStore

_SHOWN = (
    "doc_id",
    "logical_key_id",
    "parent_doc_id",
    "doc_dir",
    "prompt_path",
    "status",
    "usage_prompt_tokens",
    "usage_completion_tokens",
    "usage_max_tokens",
    "raw_chars",
)


def metadata_of(store: DocumentStore, row: DocumentRow, text: str | None, preview_chars: int) -> dict[str, Any]:
    """The metadata of a materialization.

    Args:
        store: Where the document is.
        row: Its row.
        text: What the preview is taken from; none where there is no text.
        preview_chars: The longest preview, in characters; 0 turns it off.
    """
    metadata: dict[str, Any] = {name: _value(getattr(row, name)) for name in _SHOWN}
    if row.score is not None:
        metadata["score"] = MetadataValue.float(row.score)  # a number of one kind, which Dagster plots
    # Not str(UPath): for sftp and webdav it drops the host.
    metadata["path"] = MetadataValue.path(store.storage.shown(row.doc_dir))
    metadata["dagster/uri"] = MetadataValue.url(store.storage.url(row.doc_dir))
    if text and preview_chars > 0:
        metadata["preview"] = MetadataValue.md(fenced(_cut(text, preview_chars)))
    return metadata


def observation_of(
    asset_key: AssetKey, partition: str | None, row: DocumentRow, metadata: Mapping[str, Any]
) -> AssetObservation:
    """The trace that a kept failure leaves on its asset: a materialization would mark the partition as made."""
    return AssetObservation(
        asset_key=asset_key,
        partition=partition,
        description=f"A {row.status} document was kept: {row.doc_id}",
        metadata=dict(metadata),
    )


def failure_of_one(label: str, row: DocumentRow, metadata: Mapping[str, Any]) -> Failure:
    """The failure of a step whose document was kept but is not good.

    Args:
        label: The output in words.
        row: Its row.
        metadata: What Dagster gets to see of it.

    Returns:
        A `dagster.Failure`. A RetryPolicy may try again: another generation may be good.
    """
    reason = row.meta_small.get("error") or row.meta_small.get("finish_reason")
    because = f" ({printable(str(reason), limit=200)})" if reason else ""
    return Failure(
        description=f"{printable(label)}: the document is {row.status}{because}. It was kept as {row.doc_id} in"
        f" {row.doc_dir}; the older ok version, where there is one, stays the latest.",
        metadata=dict(metadata),
    )


def failure_of_many(label: str, kept: Sequence[tuple[str | None, DocumentRow, Mapping[str, Any]]]) -> Failure:
    """The failure of a run over many partitions, of which some are not good.

    Args:
        label: The output in words.
        kept: Partition, row and metadata of each that is not.

    Returns:
        One `dagster.Failure` that lists them all.
    """
    lines = [f"{partition}: {row.status}, kept as {row.doc_id}" for partition, row, _ in kept]
    return Failure(
        description=f"{printable(label)}: {len(kept)} documents are not ok. They were kept, and the older ok versions"
        " stay the latest.\n" + "\n".join(printable(line) for line in lines),
        metadata={
            "failed_documents": MetadataValue.json(
                [
                    {"partition": partition, "doc_id": row.doc_id, "doc_dir": row.doc_dir, "status": str(row.status)}
                    for partition, row, _ in kept
                ]
            )
        },
    )


def is_failed(row: DocumentRow) -> bool:
    """Whether a document makes its step fail."""
    return row.status in FAILED


def _value(value: object) -> object:
    return MetadataValue.null() if value is None else MetadataValue.int(value) if isinstance(value, int) else str(value)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
