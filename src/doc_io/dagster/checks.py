"""`build_document_checks`: what the index and the files say of an asset's documents, as asset checks."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    MetadataValue,
    PartitionKeyRange,
    PartitionsDefinition,
    SourceAsset,
    TableColumn,
    TableRecord,
    TableSchema,
    multi_asset_check,
)

from doc_io.dagster.findings import Findings, Problem
from doc_io.dagster.identity import stage_of_asset
from doc_io.dagster.internals import PARTITIONED_CHECKS, keys_in_range
from doc_io.dagster.settings import store_of
from doc_io.escaping import counted, printable

READ_AT_MOST = 100
"""How many documents a run without partitions reads, of an asset that has some; a run of partitions reads its own."""

_SHOWN = 20  # problems in the metadata of one evaluation
_PARTITION_TAG = "dagster/partition"  # docs.dagster.io, "Tags": what a run was launched for
_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
PARTITION_TAGS = (_PARTITION_TAG, *_RANGE_TAGS)
"""The tags of a run that say for which partitions it is."""

_CHECKS: dict[str, tuple[Callable[[Findings], list[Problem]], str]] = {
    "files_exist": (Findings.files_exist, "Every file that a document's record lists can be read."),
    "row_present": (Findings.row_present, "What Dagster holds to be materialized has a row in the index."),
    "status_valid": (Findings.status_valid, "The newest attempt did not fail: no truncated, parse_error or gen_error."),
    "parent_exists": (Findings.parent_exists, "What a document was made from is in the index."),
    "parent_is_latest": (
        Findings.parent_is_latest,
        "What a document was made from is still the latest ok version; a pinned input warns here on purpose.",
    ),
    "content_hash_matches": (
        Findings.content_hash_matches,
        "A document's files are byte for byte what was saved, and its record says what the index says.",
    ),
}
CHECK_NAMES = tuple(_CHECKS)
"""The checks that each asset gets."""

_WARNS = frozenset({"parent_is_latest"})
_READS_FILES = frozenset({"files_exist", "content_hash_matches"})


def build_document_checks(
    *,
    assets: Sequence[AssetsDefinition | SourceAsset | AssetKey | Sequence[str] | str],
    resource_key: str = "io_manager",
    blocking: bool = False,
    per_partition: bool = True,
) -> Sequence[AssetChecksDefinition]:
    """Six checks for each asset, in one step: give the result to ``Definitions(asset_checks=…)``.

    ``files_exist``, ``row_present``, ``status_valid``, ``parent_exists``, ``content_hash_matches``, and
    ``parent_is_latest``, which only warns. They look at what a reader would be given: the latest ok document, or where
    there is none the newest. A run looks at its own partitions; a run without any looks at all that Dagster holds to be
    materialized, and reads the files of the 100 newest documents only. The number of queries does not grow with the
    number of partitions.

    Args:
        assets: The assets, as definitions or by key.
        resource_key: The resource that knows the store: a `DocDirIOManager` or a `DocumentsIndex`. Default: the IO
            manager under its usual key.
        blocking: Whether an error keeps the assets downstream of it from being made in the same run. Default: no.
        per_partition: Whether each partition has evaluations of its own in the UI, where the asset is given as a
            definition and Dagster is 1.12 or later. Dagster cannot run such a check without a partition; with
            ``False`` one evaluation stands for all of them, and a schedule may check the asset as a whole.

    Returns:
        One definition for each asset.
    """
    return [
        _checks_of(
            key, partitions_def if per_partition and PARTITIONED_CHECKS else None, resource_key, blocking=blocking
        )
        for key, partitions_def in named_assets(assets)
    ]


def named_assets(assets: Sequence[Any]) -> Iterator[tuple[AssetKey, PartitionsDefinition[Any] | None]]:
    """Key and partitions of each asset, where they are given as definitions; of a key the partitions are not known."""
    for asset in [assets] if isinstance(assets, str) else assets:
        if isinstance(asset, AssetsDefinition):
            for spec in asset.specs:
                yield spec.key, spec.partitions_def
        else:
            yield AssetKey.from_coercible_or_definition(asset), None


def _checks_of(
    key: AssetKey, partitions_def: PartitionsDefinition[Any] | None, resource_key: str, *, blocking: bool
) -> AssetChecksDefinition:
    known: dict[str, Any] = {} if partitions_def is None else {"partitions_def": partitions_def}
    with warnings.catch_warnings():
        # partitions_def is in preview, and says so once for every check; the argument per_partition turns it off.
        warnings.filterwarnings("ignore", message=".*partitions_def.*")
        specs = [
            AssetCheckSpec(name, asset=key, description=description, blocking=blocking and name not in _WARNS, **known)
            for name, (_, description) in _CHECKS.items()
        ]

    @multi_asset_check(
        name=f"{key.to_python_identifier()}_documents",
        specs=specs,
        can_subset=True,
        required_resource_keys={resource_key},
        compute_kind="doc_io",
    )
    def check_documents(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        store = store_of(context.resources, resource_key, "build_document_checks")
        asset = context.job_def.asset_layer.get(key)
        tasks, of_run = _tasks(context, key, asset.partitions_def)
        findings = Findings(store, stage_of_asset(key, asset.metadata), tasks, None if of_run else READ_AT_MOST)
        selected = {each.name for each in context.selected_asset_check_keys}
        for name, (question, _) in _CHECKS.items():
            if name in selected:
                yield _result(key, name, findings, question(findings))

    return check_documents


def _tasks(
    context: AssetCheckExecutionContext, key: AssetKey, partitions_def: PartitionsDefinition[Any] | None
) -> tuple[Collection[str], bool]:
    """Which tasks to look at, and whether they are all that this run is for.

    From the run's tags: the context knows its partitions only where the check or its job is declared to have some.
    """
    if partitions_def is None:
        return [key.to_user_string()], True
    tags = context.run.tags
    if _PARTITION_TAG in tags:
        return [tags[_PARTITION_TAG]], True
    if _RANGE_TAGS[0] in tags:
        keys = PartitionKeyRange(*(tags[tag] for tag in _RANGE_TAGS))
        return keys_in_range(partitions_def, keys, context.instance), True
    return sorted(context.instance.get_materialized_partitions(key)), False


def _result(key: AssetKey, name: str, findings: Findings, problems: Sequence[Problem]) -> AssetCheckResult:
    looked_at = len(findings.read) if name in _READS_FILES else len(findings.tasks)
    metadata: dict[str, Any] = {"problems": len(problems), "documents_checked": looked_at}
    if problems:
        metadata["found"] = _table(problems[:_SHOWN])
    return AssetCheckResult(
        passed=not problems,
        asset_key=key,
        check_name=name,
        severity=AssetCheckSeverity.WARN if name in _WARNS else AssetCheckSeverity.ERROR,
        description=_sentence(problems, looked_at),
        metadata=metadata,
    )


def _sentence(problems: Sequence[Problem], looked_at: int) -> str:
    if not problems:
        return f"Checked {counted(looked_at, 'document')}: no problems found."
    first = problems[0]
    more = f" And {counted(len(problems) - 1, 'more problem')}." if len(problems) > 1 else ""
    return f"{printable(first.task_id, limit=100)}: {printable(first.what, limit=300)}.{more}"


def _table(problems: Sequence[Problem]) -> MetadataValue[Any]:
    return MetadataValue.table(
        records=[
            TableRecord({name: printable(value, limit=300) for name, value in problem._asdict().items()})
            for problem in problems
        ],
        schema=TableSchema(columns=[TableColumn(name, "string") for name in Problem._fields]),
    )
