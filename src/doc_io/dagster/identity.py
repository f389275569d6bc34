"""Identity from a context: what Dagster knows of an output.

A field is taken from the first that names it: the returned document, the output's metadata, the task table, a dimension of
the partition, the asset's metadata, the IO manager's settings.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from dagster import AssetKey, MetadataValue, MultiPartitionKey, OutputContext

from doc_io.dagster.internals import asset_key_of_output, given_metadata, known, metadata_of_asset, retry_number
from doc_io.dagster.loaded import Loaded, loaded_for
from doc_io.dagster.output_metadata import model_of, usage_of
from doc_io.document import Document, Parent
from doc_io.document_fields import taken_name
from doc_io.ids import path_segment, stage_of_key

if TYPE_CHECKING:
    from dagster import AssetExecutionContext, InputContext, OpExecutionContext

    from doc_io.dagster.internals import StepExecutionContext
    from doc_io.store import DocumentStore
    from doc_io.task_table import Task

REPORT_STAGES = frozenset({"documents_latest_report", "documents_consistency_report"})
"""The stages of doc_io's own reports: whatever stages a project names, its reports may be written."""

EXPERIMENT_TAG = "doc_io/experiment"

_KEYS = tuple(
    f"doc_io/{name}" for name in ("stage", "template_id", "model_id", "parser", "parent", "parent_doc_id", "prompt")
)
_TAGS = (EXPERIMENT_TAG, "doc_io/force", "doc_io/as_of")
_DIMENSIONS = {"template_id": ("template", "template_id"), "model_id": ("model", "model_id")}


@dataclass(frozen=True)
class OutputInfo:
    """What makes a document: one output of one step, as far as its context knows it.

    Attributes:
        stage: Kind of document.
        asset_key: The asset, where it is one.
        name: The output's own name.
        own_task: The task of an output that has no partitions.
        definition: Metadata of the asset or output definition.
        metadata: Metadata given with the output at run time.
        attempt: What tells this attempt from others of the run: step, output and retry; ``None`` where each document is
            an attempt of its own.
        run_id: The run; ``None`` outside of one.
        tags: The run's tags.
        step: The step, where there is one.
    """

    stage: str
    asset_key: AssetKey | None
    name: str
    own_task: str
    definition: Mapping[str, Any]
    metadata: Mapping[str, Any]
    attempt: str | None
    run_id: str | None
    tags: Mapping[str, str]
    step: StepExecutionContext | None

    @property
    def asset(self) -> str | None:
        """The asset as text."""
        return None if self.asset_key is None else self.asset_key.to_user_string()

    def label(self, partition: str | None) -> str:
        """The output in words, for messages."""
        name = f"asset {self.asset}" if self.asset_key is not None else f"op output {self.own_task}"
        return name if partition is None else f"{name}, partition {partition}"

    def task_of(self, partition: str | None) -> str:
        """The task of a partition, or of what has none."""
        return self.own_task if partition is None else str(partition)

    def attempt_of(self, partition: str | None) -> str:
        """The name of this attempt at one partition; the same when the same attempt is sent twice."""
        if self.attempt is None:
            return secrets.token_hex(8)
        return f"{self.attempt}/{path_segment(partition or '')}"

    def authors_metadata(self, partition: str | None) -> dict[str, Any]:
        """What the asset itself gave for a materialization, in whichever form."""
        scoped = (
            {} if self.step is None or self.asset_key is None else given_metadata(self.step, self.asset_key, partition)
        )
        return {**self.metadata, **scoped}

    def loaded(self, partition: str | None) -> list[Loaded]:
        """What the step read for one partition.

        An input that brought many partitions counts with the one of the same name, where it has one.
        """
        return [] if self.step is None else loaded_for(self.step, partition)


def output_info(context: OutputContext) -> OutputInfo:
    """What the context of an output knows."""
    step: StepExecutionContext | None = known(context, "step_context")
    asset_key = context.asset_key if context.has_asset_key else None
    name = known(context, "name", "result")
    return OutputInfo(
        stage=stage_of(context),
        asset_key=asset_key,
        name=name,
        own_task=own_task_of(context),
        definition=context.definition_metadata or {},
        metadata=context.output_metadata or {},
        attempt=_attempt_outside(context) if step is None else attempt_name(step, name, context.mapping_key),
        run_id=known(context, "run_id"),
        tags={} if step is None else step.dagster_run.tags,
        step=step,
    )


def body_output_info(
    context: AssetExecutionContext | OpExecutionContext, asset_key: AssetKey | None, output_name: str
) -> OutputInfo:
    """What the context inside of an asset's or op's body knows.

    Args:
        context: The context of the body.
        asset_key: Which asset, where the body makes several. Default: the only one.
        output_name: Which output of an op.
    """
    step = context.get_step_execution_context()
    if asset_key is None:
        asset_key = asset_key_of_output(step, output_name)
    else:
        names = (name for name in step.op_def.output_dict if asset_key_of_output(step, name) == asset_key)
        output_name = next(names, output_name)
    definition: Mapping[str, Any] = step.op_def.output_def_named(output_name).metadata or {}
    if asset_key is None:
        own_task = f"{step.run_id}/{step.step.key}/{output_name}"
    else:
        definition = metadata_of_asset(step, asset_key) or definition
        own_task = asset_key.to_user_string()
    return OutputInfo(
        stage=_stage(definition, asset_key, step.op_def.name),
        asset_key=asset_key,
        name=output_name,
        own_task=own_task,
        definition=definition,
        metadata={},
        attempt=None,  # a body may fail more than once
        run_id=step.run_id,
        tags=step.dagster_run.tags,
        step=step,
    )


def partition_of(context: AssetExecutionContext | OpExecutionContext, named: str | None) -> str | None:
    """The partition that a body works on: the one it names, else the run's only one."""
    if named is None and context.has_partition_key:
        return context.partition_key
    return named


def stage_of(context: InputContext | OutputContext) -> str:
    """The stage of what a context writes, or of what it reads."""
    if not isinstance(context, OutputContext):
        upstream = context.upstream_output
        if upstream is not None:
            return stage_of(upstream)
        return _stage({}, context.asset_key, "")
    op_def = known(context, "op_def")
    op = op_def.name if op_def is not None else known(context, "name", "result")
    return _stage(context.definition_metadata or {}, context.asset_key if context.has_asset_key else None, op)


def stage_of_asset(asset_key: AssetKey, definition: Mapping[str, Any]) -> str:
    """The stage of an asset, from its key and its definition's metadata."""
    return _stage(definition, asset_key, "")


def own_task_of(context: InputContext | OutputContext) -> str:
    """The task of what has no partitions: the asset's name, or run, step and output of the op that made it."""
    if context.has_asset_key:
        return context.asset_key.to_user_string()
    if not isinstance(context, OutputContext):
        return own_task_of(context.upstream_output) if context.upstream_output is not None else context.name
    names = (
        known(context, "run_id"),
        known(context, "step_key"),
        known(context, "name", "result"),
        context.mapping_key,
    )
    return "/".join(name for name in names if name)


def completed(
    document: Document,
    output: OutputInfo,
    partition: str | None,
    defaults: Mapping[str, Any],
    *,
    task: Task | None = None,
    store: DocumentStore | None = None,
) -> Document:
    """The document with every field that it left open taken from the first that names it.

    Args:
        document: What the asset returned.
        output: What Dagster knows of the output.
        partition: The partition it was made for.
        defaults: The IO manager's own settings, which come last.
        task: What the task table says. Default: nothing.
        store: Where the table's parent is looked up. Default: nowhere.
    """
    names = ("template_id", "model_id", "parser", "parent_doc_id")
    found: dict[str, Any] = {
        name: field_named(name, document, output, partition, defaults, task=task) for name in names
    }
    if found["parent_doc_id"] is None:
        found["parent_doc_id"] = _primary(output, partition) or _parent_by_table(output, partition, task, store)
    if document.usage is None:
        found["usage"] = usage_of(output.metadata)
    return dataclasses.replace(document, **found)


def field_named(
    name: str,
    document: Document,
    output: OutputInfo,
    partition: str | None,
    defaults: Mapping[str, Any],
    *,
    task: Task | None = None,
) -> Any:
    """One field of a document, from the first that names it.

    Args:
        name: ``template_id``, ``model_id``, ``parser`` or ``parent_doc_id``.
        document: What the asset returned.
        output: What Dagster knows of the output.
        partition: The partition it was made for.
        defaults: The IO manager's own settings, which come last.
        task: What the task table says. Default: nothing.
    """
    own = getattr(document, name)
    dimensions = partition.keys_by_dimension if isinstance(partition, MultiPartitionKey) else {}
    candidates = [
        own,
        output.metadata.get(f"doc_io/{name}"),
        output.metadata.get(name) if name in _DIMENSIONS else None,
        getattr(task, name, None),
        *(dimensions.get(dimension) for dimension in _DIMENSIONS.get(name, ())),
        output.definition.get(f"doc_io/{name}"),
        defaults.get(name),
        model_of(output.metadata) if name == "model_id" else None,
    ]
    return next((_plain(each) for each in candidates if each is not None), None)


def metadata_warnings(output: OutputInfo) -> list[str]:
    """What in an asset's metadata and its run's tags has no effect, in words: a misspelt key, an input that is none."""
    doubts = [
        f"{key} is nothing that doc_io knows; an asset may have {', '.join(_KEYS)}"
        for key in {**output.definition, **output.metadata}
        if key.startswith("doc_io/") and key not in _KEYS
    ]
    doubts += [
        f"the run tag {tag} has no effect; did you mean doc_io/{tag}?"
        for tag in output.tags
        if f"doc_io/{tag}" in _TAGS
    ]
    doubts += [
        f"the run tag {tag} is nothing that doc_io knows; a run may have {', '.join(_TAGS)}"
        for tag in output.tags
        if tag.startswith("doc_io/") and tag not in _TAGS
    ]
    inputs = [] if output.step is None else list(output.step.op_def.input_dict)
    for key in ("doc_io/parent", "doc_io/prompt"):
        named = input_named(output, key)
        if named is not None and output.step is not None and named not in inputs:
            doubts.append(f"{key} names {named!r}, and the inputs are {', '.join(inputs) or 'none'}")
    return doubts


def parents_of(output: OutputInfo, partition: str | None) -> Sequence[Parent]:
    """Every document that the step read for a partition."""
    return [Parent(each.doc_id, each.input_name) for each in output.loaded(partition)]


def input_named(output: OutputInfo, key: str) -> str | None:
    """The input that ``doc_io/parent`` or ``doc_io/prompt`` names."""
    name = _plain(output.definition.get(key))
    return name if isinstance(name, str) else None


def _primary(output: OutputInfo, partition: str | None) -> str | None:
    loaded = output.loaded(partition)
    named = input_named(output, "doc_io/parent")
    if named is not None:
        loaded = [each for each in loaded if each.input_name == named]
    return loaded[0].doc_id if len(loaded) == 1 else None


def _parent_by_table(
    output: OutputInfo, partition: str | None, task: Task | None, store: DocumentStore | None
) -> str | None:
    """The latest ok document of the task that the table names, where the step loaded none."""
    if task is None or task.parent_task_id is None or task.parent_stage is None or store is None:
        return None
    if output.loaded(partition):
        return None
    row = store.latest(task.parent_stage, task.parent_task_id)
    return None if row is None else row.doc_id


def _stage(definition: Mapping[str, Any], asset_key: AssetKey | None, op: str) -> str:
    named = _plain(definition.get("doc_io/stage"))
    if named is not None:
        return str(taken_name(named))
    if asset_key is None:
        return op
    return stage_of_key(asset_key.path)


def attempt_name(step: StepExecutionContext, output_name: str, mapping_key: str | None) -> str:
    """The name of one try at an output, which a step's body and its IO manager both know."""
    names = (step.step.key, output_name, mapping_key or "")
    return "/".join([*map(path_segment, names), str(retry_number(step))])


_attempts_outside: WeakKeyDictionary[OutputContext, str] = WeakKeyDictionary()


def _attempt_outside(context: OutputContext) -> str:
    """The attempt of a context that was built outside of a run: handled again, it is the same attempt."""
    return _attempts_outside.setdefault(context, secrets.token_hex(8))


def _plain(value: object) -> Any:
    return value.value if isinstance(value, MetadataValue) else value
