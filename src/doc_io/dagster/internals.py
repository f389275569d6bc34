"""Where the supported versions of Dagster differ; everywhere else the code is the same for all of them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckSpec, DagsterInstance, PartitionKeyRange, PartitionsDefinition, build_output_context

if TYPE_CHECKING:
    from dagster import AssetKey
    from dagster._core.execution.context.system import StepExecutionContext


def _takes(function: Any, parameter: str) -> bool:
    return parameter in inspect.signature(function).parameters


PARTITIONED_CHECKS = _takes(AssetCheckSpec.__new__, "partitions_def")
"""Whether a check may have an evaluation for each partition (1.12)."""

PARTITIONED_OUTPUT_CONTEXTS = _takes(build_output_context, "asset_partitions_def")
"""Whether the context of a partitioned output can be built outside of a run (1.12)."""


def asset_key_of_output(step: StepExecutionContext, output_name: str) -> AssetKey | None:
    """The asset that an output of a step is; ``None`` where it is none.

    Args:
        step: The step.
        output_name: Which output.
    """
    layer = step.job_def.asset_layer
    if not hasattr(layer, "get_asset_key_for_node_output"):  # until 1.11.1
        return layer.asset_key_for_output(step.node_handle, output_name)  # type: ignore[attr-defined,no-any-return]
    return layer.get_asset_key_for_node_output(step.node_handle, output_name)


def keys_in_range(
    partitions_def: PartitionsDefinition[Any], keys: PartitionKeyRange, instance: DagsterInstance
) -> Sequence[str]:
    """The partitions of a range, dynamic ones included.

    Args:
        partitions_def: Of the asset.
        keys: First and last.
        instance: Holds the keys of dynamic partitions.
    """
    if _takes(partitions_def.get_partition_keys_in_range, "dynamic_partitions_store"):  # until 1.11.4
        return partitions_def.get_partition_keys_in_range(keys, dynamic_partitions_store=instance)  # type: ignore[call-arg]
    # Public from 1.12 on, at this place before that.
    from dagster._core.definitions.partitions.context import partition_loading_context  # noqa: PLC0415

    with partition_loading_context(dynamic_partitions_store=instance):
        return partitions_def.get_partition_keys_in_range(keys)


def in_order(
    keys: Sequence[str], partitions_def: PartitionsDefinition[Any] | None, instance: DagsterInstance | None
) -> list[str]:
    """Partitions as their definition orders them: Dagster gives those of a run, and several dimensions, in any order.

    Args:
        keys: The partitions.
        partitions_def: Of the asset; without it they stay as they are.
        instance: Holds the keys of dynamic partitions.
    """
    if len(keys) < 2 or partitions_def is None:  # noqa: PLR2004 - one is in order
        return list(keys)
    known = partitions_def.get_partition_keys(dynamic_partitions_store=instance)
    position = {key: number for number, key in enumerate(known)}
    return sorted(keys, key=lambda key: position.get(key, len(position)))
