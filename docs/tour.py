"""A small pipeline whose pictures the documentation shows: checks, numbers over attempts, a backfill in one run, staleness.

``python -m docs.screenshots`` makes its runs and takes the pictures.
"""  # noqa: INP001 - a script of its own

import os
from pathlib import Path

import dagster as dg

from doc_io import (
    DocDirIOManager,
    Document,
    DocumentsByPartition,
    DocumentStore,
    Usage,
    build_document_checks,
)

ROOT = Path(os.environ.get("DOC_IO_TOUR", "data/tour"))
DOCS, INDEX = ROOT / "docs", ROOT / "documents.sqlite"

topics = dg.StaticPartitionsDefinition(["cats", "dogs", "owls"])


class Words(dg.Config):
    """What stands for the model's answer."""

    text: str = "cats sleep"


@dg.asset(kinds={"text"}, code_version="1")
def draft(config: Words) -> Document:
    """Notes that grow with every attempt."""
    words = len(config.text.split())
    return Document(config.text, model_id="tour", usage=Usage(prompt_tokens=12, completion_tokens=words))


@dg.asset(kinds={"text"}, code_version="1")
def essay(draft: str) -> str:
    """Made from the notes."""
    return f"An essay from: {draft}"


@dg.asset(kinds={"text"}, partitions_def=topics, backfill_policy=dg.BackfillPolicy.single_run())
def portrait(context: dg.AssetExecutionContext) -> DocumentsByPartition:
    """All topics in one run; each is a document of its own."""
    return DocumentsByPartition({topic: f"A portrait of {topic}" for topic in context.partition_keys})


defs = dg.Definitions(
    assets=[draft, essay, portrait],
    asset_checks=build_document_checks(assets=[draft, essay]),
    resources={"io_manager": DocDirIOManager(docs_root=str(DOCS), db_path=str(INDEX))},
)


def make(instance: dg.DagsterInstance) -> None:
    """The runs that the pictures show.

    Five attempts at the draft, of which the last came after the essay was made from it; all portraits in one run; and
    then one character of the essay altered by hand, and its checks run once more.

    Args:
        instance: Where the runs are recorded.
    """
    job = defs.resolve_implicit_global_asset_job_def()
    for attempt in range(1, 5):
        _run(job, instance, [draft], text="cats sleep " * attempt**2)
    _run(job, instance, [essay])
    _run(job, instance, [draft], text="cats hunt at night " * 3)
    tags = {"dagster/asset_partition_range_start": "cats", "dagster/asset_partition_range_end": "owls"}
    job.get_subset(asset_selection={portrait.key}).execute_in_process(instance=instance, tags=tags)
    with DocumentStore(DOCS, INDEX) as store:
        row = store.latest("essay", "essay")
        if row is None:
            raise RuntimeError("the essay was not made")
        raw = DOCS / row.doc_dir / "raw.txt"
    raw.write_bytes(raw.read_bytes().replace(b"essay", b"assay", 1))
    checks = {check.key for definition in defs.asset_checks or () for check in definition.check_specs}
    of_essay = {key for key in checks if key.asset_key == essay.key}
    job.get_subset(asset_check_selection=of_essay, asset_selection=set()).execute_in_process(instance=instance)


def _run(
    job: dg.JobDefinition, instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition], text: str = ""
) -> None:
    config = {"ops": {"draft": {"config": {"text": text}}}} if text else {}
    subset = job.get_subset(asset_selection={asset.key for asset in assets})
    subset.execute_in_process(instance=instance, run_config=config)
