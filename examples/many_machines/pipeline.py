"""The pipeline that every machine runs: notes, two essays from them and a comparison, over many topics in one run."""

import os
import warnings

import dagster as dg

from doc_io import DocDirIOManager, Document, DocumentsByPartition

TOPICS = [f"topic-{number:02}" for number in range(10)]
STAGES = ("notes", "short_essay", "long_essay", "comparison")

warnings.filterwarnings("ignore", category=dg.BetaWarning)  # Dagster calls one run over many partitions beta

topics = dg.StaticPartitionsDefinition(TOPICS)
together = dg.BackfillPolicy.single_run()
MACHINE = os.environ.get("MACHINE", "none")


@dg.asset(partitions_def=topics, backfill_policy=together)
def notes(context: dg.AssetExecutionContext) -> DocumentsByPartition:
    """What this machine knows of each topic."""
    return DocumentsByPartition({key: f"Notes on {key} by machine {MACHINE}.\n" for key in context.partition_keys})


@dg.asset(partitions_def=topics, backfill_policy=together)
def short_essay(notes: dict[str, str]) -> DocumentsByPartition:
    """Two lines."""
    return DocumentsByPartition({key: Document(text * 2, model_id="short") for key, text in notes.items()})


@dg.asset(partitions_def=topics, backfill_policy=together)
def long_essay(notes: dict[str, str]) -> DocumentsByPartition:
    """Twenty lines."""
    return DocumentsByPartition({key: Document(text * 20, model_id="long") for key, text in notes.items()})


@dg.asset(partitions_def=topics, backfill_policy=together, metadata={"doc_io/parent": "long_essay"})
def comparison(short_essay: dict[str, str], long_essay: dict[str, str]) -> DocumentsByPartition:
    """Which one is longer, and by how much."""
    return DocumentsByPartition(
        {key: f"{len(text) - len(short_essay[key])} characters longer\n" for key, text in long_essay.items()}
    )


defs = dg.Definitions(
    assets=[notes, short_essay, long_essay, comparison],
    jobs=[dg.define_asset_job("write_all", selection="*")],
    executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
    resources={
        "io_manager": DocDirIOManager(
            docs_root=dg.EnvVar("DOCS_ROOT"),
            db_url=dg.EnvVar("DB_URL"),
            storage_options={
                "key": dg.EnvVar("S3_KEY"),
                "secret": dg.EnvVar("S3_SECRET"),
                "endpoint_url": dg.EnvVar("S3_ENDPOINT"),
                "client_kwargs": {"region_name": dg.EnvVar("S3_REGION")},
            },
        )
    },
)


def write_all() -> dg.JobDefinition:
    """The job, as the processes of its steps find it again."""
    return defs.resolve_job_def("write_all")
