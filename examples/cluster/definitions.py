"""What Dagster loads, on one machine or on many: draft → essay → evaluation of each topic, and a scoreboard over all.

Without any of the variables below, ``dagster dev -f examples/cluster/definitions.py`` runs it here, in one process, on
SQLite and a local folder:

- ``DOC_IO_DOCS_ROOT`` and ``DOC_IO_DB``, as for the command ``doc-io``: an ``s3://…`` and a ``postgresql://…``;
- ``BROKER_URL``: the Redis of the Celery workers;
- ``MODEL_URL``: the server that answers prompts;
- ``AWS_…`` and ``PGPASSWORD``: the credentials, for the clients themselves.
"""

import os

import dagster as dg

from doc_io import DocDirIOManager, Document, DocumentsByPartition, DocumentsIndex, StoredDocument
from examples.cluster.model import ask

STAGES = ("draft", "essay", "evaluation")
MODEL_URL = os.environ.get("MODEL_URL")
BROKER_URL = os.environ.get("BROKER_URL")
DOCS_ROOT = os.environ.get("DOC_IO_DOCS_ROOT", "data/docs")
DB_URL = os.environ.get("DOC_IO_DB")

topics = dg.DynamicPartitionsDefinition(name="topics")


@dg.asset(partitions_def=topics)
def draft(context: dg.AssetExecutionContext) -> str:
    """A plain asset: it just returns its text, which doc_io has once the step hands it over."""
    return ask(MODEL_URL, "draft", context.partition_key, f"Notes on {context.partition_key}, please.")


@dg.asset(partitions_def=topics)
def essay(context: dg.AssetExecutionContext, draft: str, documents: DocumentsIndex) -> Document:
    """With ``attempt`` the answer is safe at the end of the block, whatever becomes of the step; it is paid for once."""
    prompt = f"An essay on {context.partition_key} from these notes, please.\n{draft}"
    with documents.attempt(context, prompt=prompt) as attempt:
        if attempt.stored:
            return attempt.stored
        attempt.raw = ask(MODEL_URL, "essay", context.partition_key, prompt)
        return attempt.document()


@dg.asset(partitions_def=topics, metadata={"doc_io/parent": "essay"})
async def evaluation(
    context: dg.AssetExecutionContext, essay: str, draft: str, documents: DocumentsIndex
) -> DocumentsByPartition:
    """With ``generate`` each answer is stored as soon as it is there, before the step ends; it is paid for once."""
    prompt = f"How well does the essay keep to the notes?\n{essay}\n{draft}"
    return await documents.generate(
        context,
        lambda topic, attempt: ask(MODEL_URL, "evaluation", topic, attempt.prompt or ""),
        prompts=lambda _: prompt,
    )


@dg.asset(ins={"evaluation": dg.AssetIn(metadata={"allow_missing_partitions": True})})
def scoreboard(evaluation: dict[str, StoredDocument]) -> str:
    """Every topic and the evaluation that counts."""
    return "".join(f"{topic} {document.doc_id}\n" for topic, document in sorted(evaluation.items()))


def executor() -> dg.ExecutorDefinition:
    """The Celery workers where there is a broker, else this process."""
    if BROKER_URL is None:
        return dg.in_process_executor
    from dagster_celery import celery_executor  # noqa: PLC0415 - only where there is a broker

    from examples.cluster.celery_app import SETTINGS  # noqa: PLC0415 - as above

    settings = {"broker": BROKER_URL, "backend": BROKER_URL, "config_source": SETTINGS}
    celery: dg.ExecutorDefinition = celery_executor.configured(settings)
    return celery


write = dg.define_asset_job("write", selection=dg.AssetSelection.assets(*STAGES))
compare = dg.define_asset_job("compare", selection=dg.AssetSelection.assets("scoreboard"))

ASSETS = [draft, essay, evaluation, scoreboard]

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[write, compare],
    executor=executor(),
    resources={
        "io_manager": DocDirIOManager(docs_root=DOCS_ROOT, db_url=DB_URL),
        "documents": DocumentsIndex(docs_root=DOCS_ROOT, db_url=DB_URL),
    },
)


def write_job() -> dg.JobDefinition:
    """The job over the partitions, as the workers find it again."""
    return defs.resolve_job_def("write")


def compare_job() -> dg.JobDefinition:
    """The job over all of them."""
    return defs.resolve_job_def("compare")
