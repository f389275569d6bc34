"""The example's pipeline, which writes down on the disk of its host what doc_io is handed, and what it says it has kept."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from doc_io import DocDirIOManager, DocumentsByPartition, DocumentsIndex, Policy, build_upkeep_job
from examples.cluster import definitions as example
from examples.cluster.model import numbers_in

NOTED = "notes.jsonl"


def note(word: str, text: object) -> None:
    """Note the number of an answer: ``handed`` to doc_io, or ``kept`` by it."""
    numbers = numbers_in(text if isinstance(text, str) else "")
    with Path(NOTED).open("a", encoding="ascii") as notes:
        notes.writelines(f"{json.dumps([word, number])}\n" for number in numbers)


class NotingIOManager(DocDirIOManager):
    """Notes plain texts. A partition that begins with ``mutant`` is dropped, and must be missed."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        note("handed", obj)
        if not context.has_partition_key or not context.partition_key.startswith("mutant"):
            try:
                super().handle_output(context, obj)
            except dg.Failure:  # as the promise is: on disk before its step fails
                note("kept", obj)
                raise
        note("kept", obj)


class NotingIndex(DocumentsIndex):
    """Notes what is made in bodies."""

    @contextmanager
    def attempt(self, context: Any, **options: Any) -> Iterator[Any]:
        with super().attempt(context, **options) as attempt:
            yield attempt
        note("kept", attempt.raw)

    async def generate(self, context: Any, make: Any, **options: Any) -> DocumentsByPartition:
        made = []

        def noted(topic: str, attempt: Any) -> str:
            made.append(str(make(topic, attempt)))
            note("handed", made[-1])
            return made[-1]

        documents = await super().generate(context, noted, **options)
        for text in made:
            note("kept", text)
        return documents


upkeep = build_upkeep_job(
    reindex="all", verify="hashes", prune=Policy(grace=timedelta(0)), steps=4, executor=example.executor()
)

defs = dg.Definitions(
    assets=example.ASSETS,
    jobs=[example.write, example.compare, upkeep],
    executor=example.executor(),
    resources={
        "io_manager": NotingIOManager(docs_root=example.DOCS_ROOT, db_url=example.DB_URL),
        "documents": NotingIndex(docs_root=example.DOCS_ROOT, db_url=example.DB_URL),
    },
)


def write_job() -> dg.JobDefinition:
    """The job over the partitions, as the workers find it again."""
    return defs.resolve_job_def("write")


def compare_job() -> dg.JobDefinition:
    """The job over all of them."""
    return defs.resolve_job_def("compare")


def upkeep_job() -> dg.JobDefinition:
    """The upkeep of the store."""
    return defs.resolve_job_def("documents_upkeep")
