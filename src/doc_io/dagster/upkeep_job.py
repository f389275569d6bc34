"""`build_upkeep_job`: maintenance as a Dagster job, over shards of the store, on whatever executor there is."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

from dagster import (
    DynamicOut,
    DynamicOutput,
    ExecutorDefinition,
    Failure,
    GraphDefinition,
    In,
    JobDefinition,
    MetadataValue,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    Out,
    RetryPolicy,
    TableColumn,
    TableRecord,
    TableSchema,
    graph,
    op,
)

from doc_io.dagster.settings import REBUILD_TAG, store_of
from doc_io.maintenance import upkeep
from doc_io.maintenance.prune import Policy
from doc_io.maintenance.shards import in_threads
from doc_io.maintenance.upkeep import Outcome, Verb, Workspace
from doc_io.maintenance.upkeep_verbs import Prune, Rebuild, Reindex, Verify
from doc_io.maintenance.verify import NOTES
from doc_io.store import DocumentStore

_COLUMNS = ("what", "where", "details")
_SCHEMA = TableSchema(columns=[TableColumn(name) for name in _COLUMNS])


def build_upkeep_job(
    *,
    reindex: Literal["missing", "all"] | None = "missing",
    verify: Literal["lengths", "hashes"] | None = "lengths",
    prune: Policy | None = None,
    steps: int = 16,
    threads: int = 4,
    resource_key: str = "io_manager",
    name: str = "documents_upkeep",
    executor: ExecutorDefinition | None = None,
    retry_policy: RetryPolicy | None = None,
) -> JobDefinition:
    """A job that keeps a store in order: reindex, then verify, then prune, each over shards that steps share.

    A step that failed is done again by re-executing the run from failure: the others' results are kept in the store until
    all have ended. Each step's metadata says what it found; the last one of each verb says it of all. The job fails where
    the verification finds damage, before anything is pruned.

    Args:
        reindex: ``missing`` adds rows of documents that have none; ``all`` makes every row anew, aside, and exchanges
            them at the end, while writers may go on; ``None`` leaves it out.
        verify: ``lengths`` compares lengths, ``hashes`` reads every file; ``None`` leaves it out.
        prune: What to remove; see `doc_io.Policy`. Default: nothing.
        steps: How many steps share the shards of a verb, at most; the executor decides how many run at a time.
        threads: How many shards a step reads at a time.
        resource_key: The resource that knows the store: a `DocDirIOManager` or a `DocumentsIndex`. Default: the IO
            manager.
        name: The job's name.
        executor: The job's executor. Default: that of the ``Definitions``.
        retry_policy: For each step. Default: none.

    Returns:
        A job for ``Definitions(jobs=…)``.
    """
    hashes = verify == "hashes"
    verbs: list[Verb] = []
    if reindex is not None:
        verbs.append(Rebuild() if reindex == "all" else Reindex())
    if verify is not None:
        verbs.append(Verify(full=hashes))
    if prune is not None:
        verbs.append(Prune(prune, steps))
    chains = [_Chain(verb, steps, threads, resource_key).ops() for verb in verbs]

    @graph(name=name, description="Keeps the documents' index, files and history in order.")
    def upkeep_graph() -> None:
        done: Any = None
        for plan, part, report in chains:
            shares = plan() if done is None else plan(done)
            done = report(shares.map(part).collect())

    whole: GraphDefinition = upkeep_graph
    tags = {REBUILD_TAG: "true"} if reindex == "all" else None
    return whole.to_job(name=name, executor_def=executor, op_retry_policy=retry_policy, tags=tags)


class _Chain:
    """The three ops of a verb: what there is to do, the steps that do it, the sum of their results."""

    def __init__(self, verb: Verb, steps: int, threads: int, resource_key: str) -> None:
        self._verb, self._steps, self._threads, self._resource_key = verb, steps, threads, resource_key

    def ops(self) -> tuple[OpDefinition, OpDefinition, OpDefinition]:
        name = self._verb.name
        common: dict[str, Any] = {"required_resource_keys": {self._resource_key}}
        plan = op(name=f"{name}_plan", ins={"after": In(Nothing)}, out=DynamicOut(Nothing), **common)(self._plan)
        part = op(name=f"{name}_shards", ins={"share": In(Nothing)}, out=Out(Nothing), **common)(self._part)
        report = op(name=name, ins={"shares": In(Nothing)}, out=Out(Nothing), **common)(self._report)
        return plan, part, report

    def _plan(self, context: OpExecutionContext) -> Iterator[DynamicOutput[None]]:
        store, files = self._open(context)
        if context.run.root_run_id is None:  # else what the run before has done is needed
            upkeep.remove_workspaces(store.unchecked.storage, partial(_is_over, context))
        steps = upkeep.begin(self._verb, store, files, self._steps)
        for step in range(steps):
            yield DynamicOutput(None, mapping_key=str(step))

    def _part(self, context: OpExecutionContext) -> None:
        store, files = self._open(context)
        step = int(context.get_mapping_key() or 0)
        share = list(upkeep.share_of(files, step))
        parts = [partial(upkeep.do, self._verb, store, files, number, part) for number, part in share]
        outcomes = []
        for outcome in in_threads(parts, self._threads):
            outcomes.append(outcome)
            context.log.info(f"{self._verb.name}: {len(outcomes)} of {len(share)} parts of step {step} are done")
        context.add_output_metadata(_metadata(upkeep.added_up(outcomes)))

    def _report(self, context: OpExecutionContext) -> None:
        store, files = self._open(context)
        outcome = upkeep.end(self._verb, store, files)
        metadata = _metadata(outcome)
        unsound = _unsound(outcome) if isinstance(self._verb, Verify) else {}
        if unsound:
            listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(unsound.items()))
            description = f"Found {listed}. `doc-io verify` lists all of them, and `--repair` says what can be done."
            raise Failure(description, metadata=metadata, allow_retries=False)
        context.add_output_metadata(metadata)

    def _open(self, context: OpExecutionContext) -> tuple[DocumentStore, Workspace]:
        store = store_of(context.resources, self._resource_key, "build_upkeep_job")
        run = context.run.root_run_id or context.run_id
        return store, Workspace(store.unchecked.storage, f"{run}-{self._verb.name}")


def _is_over(context: OpExecutionContext, workspace: str) -> bool:
    """Whether an upkeep has ended; one that this instance does not know may be another's."""
    run = context.instance.get_run_by_id(workspace.rpartition("-")[0])
    return run is not None and run.run_id != context.run_id and run.is_finished


def _unsound(outcome: Outcome) -> dict[str, int]:
    return {kind: count for kind, count in outcome.counts.items() if kind not in NOTES}


def _metadata(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"documents": outcome.documents, **outcome.counts}
    if outcome.listed:
        found["findings"] = MetadataValue.table([_record(each) for each in outcome.listed], schema=_SCHEMA)
    return found


def _record(listed: Sequence[str]) -> TableRecord:
    return TableRecord(dict(zip(_COLUMNS, listed, strict=True)))
