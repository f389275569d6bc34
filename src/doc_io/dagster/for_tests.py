"""What `doc_io.testing` gives: a temporary store bound to Dagster, and the contexts of an asset's output and input."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetsDefinition,
    AssetSpec,
    DagsterInstance,
    DagsterType,
    InputContext,
    OutputContext,
    PartitionKeyRange,
    build_input_context,
    build_output_context,
)

from doc_io.dagster.identity import stage_of_asset
from doc_io.dagster.internals import PARTITIONED_OUTPUT_CONTEXTS
from doc_io.dagster.io_manager import DocDirIOManager
from doc_io.dagster.resource import DocumentsIndex
from doc_io.errors import ConfigurationError

if TYPE_CHECKING:
    from doc_io.document import Document, DocumentRow
    from doc_io.store import DocumentStore


@dataclass(frozen=True)
class TemporaryDocuments:
    """A store in a folder of its own, and what binds it to assets.

    Attributes:
        io_manager: The IO manager that writes there.
        documents: The resource that looks there.
    """

    io_manager: DocDirIOManager
    documents: DocumentsIndex

    @property
    def store(self) -> DocumentStore:
        """The store itself."""
        return self.documents.store

    @property
    def resources(self) -> dict[str, Any]:
        """For ``materialize(…, resources=…)``: ``io_manager`` and ``documents``."""
        return {"io_manager": self.io_manager, "documents": self.documents}

    def write(
        self, asset: AssetsDefinition, documents: str | Document | Mapping[str, str | Document]
    ) -> list[DocumentRow]:
        """Put documents where an asset's output would be, so that what is downstream of it can be tested alone.

        Args:
            asset: The asset that would have made them.
            documents: One document, or partition key to document.

        Returns:
            Their rows.
        """
        spec = _spec(asset)
        own = spec.key.to_user_string()
        by_task = documents if isinstance(documents, Mapping) else {own: documents}
        stage = stage_of_asset(spec.key, spec.metadata)
        return [
            self.store.save(document, stage=stage, task_id=task, asset_key=own) for task, document in by_task.items()
        ]

    def row(self, asset: AssetsDefinition, partition_key: str | None = None) -> DocumentRow | None:
        """The latest ok document of an asset, of any run; ``None`` if there is none."""
        spec = _spec(asset)
        task = spec.key.to_user_string() if partition_key is None else partition_key
        return self.store.latest(stage_of_asset(spec.key, spec.metadata), task)

    def read(self, asset: AssetsDefinition, partition_key: str | None = None) -> str | None:
        """The text of an asset's latest ok document; ``None`` where there is none."""
        row = self.row(asset, partition_key)
        return None if row is None else self.store.read(row)


@contextmanager
def temporary_documents(**settings: Any) -> Iterator[TemporaryDocuments]:
    """A temporary store, deleted when the block ends.

    Args:
        **settings: Further fields of `DocDirIOManager`, such as ``parser``.

    Yields:
        The store and what binds it to assets.
    """
    with tempfile.TemporaryDirectory(prefix="doc_io-") as folder:
        place: dict[str, Any] = {
            "docs_root": str(Path(folder, "docs")),
            "db_path": str(Path(folder, "documents.sqlite")),
        }
        shared = {name: value for name, value in settings.items() if name in DocumentsIndex.model_fields}
        made = TemporaryDocuments(DocDirIOManager(**{**place, **settings}), DocumentsIndex(**{**place, **shared}))
        try:
            yield made
        finally:
            made.io_manager.store.close()
            made.store.close()


def output_context(
    asset: AssetsDefinition,
    partitions: str | tuple[str, str] | None = None,
    *,
    instance: DagsterInstance | None = None,
) -> OutputContext:
    """The context that an IO manager would get for an asset's output.

    Args:
        asset: The asset; one key.
        partitions: The partition of the run, or the first and the last of its range. Default: none.
        instance: Holds the keys of dynamic partitions. Default: an empty one.

    Raises:
        ConfigurationError: Partitions were given, and Dagster is older than 1.12, which cannot build such a context.
    """
    spec = _spec(asset)
    if partitions is not None and not PARTITIONED_OUTPUT_CONTEXTS:
        raise ConfigurationError(
            setting="output_context with partitions",
            reason="this Dagster cannot build the context of a partitioned output",
            hint="Use dagster.materialize, or Dagster 1.12.",
        )
    return build_output_context(
        name="result",
        asset_key=spec.key,
        definition_metadata=dict(spec.metadata),
        **_given(instance=instance),
        **_partitions(spec, partitions),
    )


def input_context(
    asset: AssetsDefinition,
    partitions: str | tuple[str, str] | None = None,
    *,
    annotation: Any = str,
    metadata: Mapping[str, Any] | None = None,
    instance: DagsterInstance | None = None,
) -> InputContext:
    """The context that an IO manager would get for an input that loads an asset.

    Args:
        asset: The asset that is loaded; one key.
        partitions: Which partition of it, or the first and the last of a range. Default: none.
        annotation: The input's annotation. Default: ``str``.
        metadata: The input's metadata, ``AssetIn(metadata=…)``. Default: none.
        instance: Holds the keys of dynamic partitions. Default: an empty one.
    """
    spec = _spec(asset)
    return build_input_context(
        name=spec.key.path[-1],
        asset_key=spec.key,
        upstream_output=build_output_context(
            name="result", asset_key=spec.key, definition_metadata=dict(spec.metadata)
        ),
        definition_metadata=dict(metadata or {}),
        dagster_type=DagsterType(lambda _, __: True, name="annotated", typing_type=annotation),
        instance=instance,
        **_partitions(spec, partitions),
    )


def _partitions(spec: AssetSpec, partitions: str | tuple[str, str] | None) -> dict[str, Any]:
    if partitions is None:
        return {}
    first, last = (partitions, partitions) if isinstance(partitions, str) else partitions
    return {
        "asset_partitions_def": spec.partitions_def,
        "asset_partition_key_range": PartitionKeyRange(first, last),
        **({"partition_key": first} if first == last else {}),
    }


def _given(**arguments: Any) -> dict[str, Any]:
    """Only what was given: an older Dagster does not know every argument."""
    return {name: value for name, value in arguments.items() if value is not None}


def _spec(asset: AssetsDefinition) -> AssetSpec:
    specs = list(asset.specs)
    if len(specs) != 1:
        raise ConfigurationError(
            setting=f"The definition {asset.node_def.name}",
            reason=f"it makes {len(specs)} assets",
            hint="Give one asset; store.save() files documents of any.",
        )
    return specs[0]
