"""The pipeline: draft → essay → evaluation of each package, and a scoreboard over all of them.

An asset takes texts and returns text. Where it is kept, which version is loaded, what it was made from: doc_io's work.
"""

import dagster as dg

from doc_io import Document, DocumentsIndex, StoredDocument
from examples.essay_pipeline import prompts
from examples.essay_pipeline.corpus import description
from examples.essay_pipeline.prompts import Prompt
from examples.essay_pipeline.writer import Writer

packages = dg.DynamicPartitionsDefinition(name="packages")


class Limit(dg.Config):
    """How long an answer may be: ``max_tokens``, in the writer's own tokens.

    Make it small to see an answer cut; what was answered before is asked again with the run tag ``doc_io/force``: ``true``.
    """

    max_tokens: int = 2_000


class Template(Limit):
    """Which prompt asks for the essay; ``doc-io compare evaluation --by essay.template_id`` says which does better."""

    template_id: str = prompts.ESSAYS[0]


@dg.asset(partitions_def=packages, kinds={"text"}, code_version="1")
def draft(context: dg.AssetExecutionContext, config: Limit, writer: Writer, documents: DocumentsIndex) -> Document:
    """Notes on what the package tells of itself."""
    prompt = prompts.for_draft(context.partition_key, description(context.partition_key))
    return _answered(context, documents, writer, prompt, config.max_tokens)


@dg.asset(partitions_def=packages, kinds={"text"}, code_version="1")
def essay(
    context: dg.AssetExecutionContext, config: Template, draft: str, writer: Writer, documents: DocumentsIndex
) -> Document:
    """A short essay from the notes."""
    prompt = prompts.for_essay(context.partition_key, draft, config.template_id)
    return _answered(context, documents, writer, prompt, config.max_tokens)


@dg.asset(
    partitions_def=packages,
    kinds={"text"},
    code_version="1",
    metadata={
        "doc_io/parent": "essay",  # two inputs; this is the one that is judged
        "doc_io/parser": "examples.essay_pipeline.score.parse_score",
    },
)
def evaluation(  # noqa: PLR0917 - Dagster passes inputs and resources by name
    context: dg.AssetExecutionContext,
    config: Limit,
    essay: str,
    draft: str,
    writer: Writer,
    documents: DocumentsIndex,
) -> Document:
    """How well the essay keeps to its notes; what its parser returns is the score."""
    return _answered(context, documents, writer, prompts.for_evaluation(essay, draft), config.max_tokens)


@dg.asset(ins={"evaluation": dg.AssetIn(metadata={"allow_missing_partitions": True})}, kinds={"text"}, code_version="1")
def scoreboard(evaluation: dict[str, StoredDocument]) -> str:
    """Every package's score, the best first; packages without a good evaluation are left out."""
    scores = sorted((-(document.row.score or 0), package, document.doc_id) for package, document in evaluation.items())
    lines = [f"| {package} | {-score:g} | `{doc_id}` |" for score, package, doc_id in scores]
    return "\n".join(["| package | score | evaluation |", "|---|---:|---|", *lines, ""])


def _answered(
    context: dg.AssetExecutionContext, documents: DocumentsIndex, writer: Writer, prompt: Prompt, max_tokens: int
) -> Document:
    with documents.attempt(
        context, prompt=prompt.text, template_id=prompt.template_id, model_id=writer.model_id
    ) as attempt:
        if attempt.stored:  # answered before: nothing is paid
            return attempt.stored
        # Should the writer raise, the prompt is kept as a document with status gen_error, and the error goes on.
        answer = writer.write(prompt, max_tokens)
        return attempt.document(raw=answer.text, usage=answer.usage, finish_reason=answer.finish_reason)
