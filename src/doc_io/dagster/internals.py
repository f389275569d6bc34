"""What doc_io needs of Dagster that its public API does not give, and where the supported versions differ; nothing else here.

| name | used for | seen in |
|---|---|---|
| ``StepExecutionContext`` | the step behind an IO manager's context: one weak key for what it read and tried | 1.11.0, 1.13.27 |
| ``StepExecutionContext.previous_attempt_count`` | the retry; public only inside of a body (``context.retry_number``) | 1.11.0, 1.13.27 |
| ``StepExecutionContext.is_asset_check_step`` | what to annotate: a check needs ``partitions_def`` | 1.11.0, 1.13.27 |
| ``StepExecutionContext.get_io_manager`` | the IO manager that will be handed what a body returns | 1.11.0, 1.13.27 |
| ``StepExecutionContext.get_asset_metadata`` | what a body said by ``add_asset_metadata``, which must not be replaced | 1.11.0, 1.13.27 |
| ``StepExecutionContext._metadata_accumulator`` | metadata of many partitions in linear time | 1.11.0, 1.13.27 |
| ``JobDefinition.asset_layer`` | asset key and metadata of one output of a step | 1.11.0, 1.13.27 |
| ``FromMultipleSources`` | whether an input is fanned in, so that Dagster makes the list itself | 1.11.0, 1.13.27 |
| ``partition_loading_context`` | public from 1.12 on | 1.11.0 |
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetCheckSpec,
    DagsterInstance,
    DagsterInvariantViolationError,
    OpExecutionContext,
    PartitionKeyRange,
    PartitionsDefinition,
    build_output_context,
)
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.execution.plan.inputs import FromMultipleSources
from dagster._core.execution.plan.outputs import StepOutputHandle

if TYPE_CHECKING:
    from dagster import AssetKey, InputContext, OutputContext

__all__ = ["StepExecutionContext"]  # the others are used where they are defined


def _takes(function: Any, parameter: str) -> bool:
    return parameter in inspect.signature(function).parameters


def known(context: InputContext | OutputContext, name: str, default: Any = None) -> Any:
    """A property of a context, or a default where the context was built without it: Dagster raises then.

    Args:
        context: Of an input or output.
        name: The property, public in Dagster.
        default: What stands for an unknown value. Default: ``None``.
    """
    try:
        return getattr(context, name)
    except DagsterInvariantViolationError:
        return default


def step_of(context: InputContext | OutputContext) -> StepExecutionContext | None:
    """The step of a context, or the one whose body runs now (``context.load_asset_value``); ``None`` outside of any."""
    step: StepExecutionContext | None = known(context, "step_context")
    return running_step() if step is None else step


def running_step() -> StepExecutionContext | None:
    """The step whose body runs now; ``None`` outside of any."""
    try:
        return OpExecutionContext.get().get_step_execution_context()
    except DagsterInvariantViolationError:
        return None


def is_fanned_in(context: InputContext) -> bool:
    """Whether Dagster asks for one of several outputs, and makes the annotated list of them itself."""
    step: StepExecutionContext | None = known(context, "step_context")
    if step is None or not context.has_asset_key:
        return not context.has_asset_key
    return isinstance(step.step.step_input_named(context.name).source, FromMultipleSources)


def in_a_check(context: InputContext) -> bool:
    """Whether an input is that of an asset check."""
    step: StepExecutionContext | None = known(context, "step_context")
    return step is not None and step.is_asset_check_step


def retry_number(step: StepExecutionContext) -> int:
    """How often a step was tried before in its run."""
    return step.previous_attempt_count


def io_manager_of_output(step: StepExecutionContext, output_name: str) -> Any:
    """The IO manager that will be handed an output of a step."""
    return step.get_io_manager(StepOutputHandle(step.step.key, output_name))


def metadata_of_asset(step: StepExecutionContext, asset_key: AssetKey) -> Mapping[str, Any]:
    """The metadata of an asset's definition."""
    return step.job_def.asset_layer.get(asset_key).metadata or {}


def given_metadata(step: StepExecutionContext, asset_key: AssetKey, partition: str | None) -> dict[str, Any]:
    """What a body gave by ``context.add_asset_metadata``, for the asset and for one partition of it."""
    of_partition = {} if partition is None else step.get_asset_metadata(asset_key, partition) or {}
    return {**(step.get_asset_metadata(asset_key) or {}), **of_partition}


def add_asset_metadata(
    step: StepExecutionContext, asset_key: AssetKey, of_partitions: Mapping[str | None, Mapping[str, Any]]
) -> None:
    """As ``context.add_asset_metadata`` for each of many partitions.

    Each call of Dagster's copies all that was said before and lists all partitions of the run: 70 s for 20,000.
    """
    said: Any = getattr(step, "_metadata_accumulator", None)
    if not all(hasattr(said, name) for name in _OF_AN_ACCUMULATOR):  # another Dagster than those above
        for partition, metadata in of_partitions.items():
            step.add_asset_metadata(metadata, asset_key, partition)
        return
    together = dict(said.per_output_metadata)
    for partition, metadata in of_partitions.items():
        one = said.empty().with_additional_asset_metadata(asset_key, partition, metadata)
        for handle, values in one.per_output_metadata.items():
            together[handle] = {**together.get(handle, {}), **values}
    step._metadata_accumulator = type(said)(per_output_metadata=together)  # noqa: SLF001 - see above


_OF_AN_ACCUMULATOR = ("per_output_metadata", "empty", "with_additional_asset_metadata")

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
    try:
        from dagster import partition_loading_context  # noqa: PLC0415 - public from 1.12 on
    except ImportError:
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
