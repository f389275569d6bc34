"""From what an asset returned to documents: one for each partition, all written before any of them fails the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import tenacity

from doc_io.dagster.identity import EXPERIMENT_TAG, OutputInfo, completed, input_named, parents_of
from doc_io.dagster.internals import in_order
from doc_io.dagster.reuse import ReusedDocument
from doc_io.document import Document, DocumentRow, Status, as_document
from doc_io.document_checks import checked
from doc_io.errors import (
    DocIOError,
    IndexAccessError,
    IndexBusyError,
    IndexFormatError,
    IndexVersionError,
    InvalidDocumentError,
    SpooledError,
    StorageError,
    TextLostError,
    UnknownStageError,
)
from doc_io.escaping import printable
from doc_io.reading import StoredDocument
from doc_io.writing.draft import Origin, make_drafts
from doc_io.writing.spool import spool as spool_drafts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dagster import OutputContext

    from doc_io.store import DocumentStore
    from doc_io.task_table import Task

Documents = dict["str | None", Document]
"""What was made, by partition; ``None`` stands for what has none."""

AWAY = (StorageError, IndexAccessError)
"""The store's own trouble: it may pass, and the text must not be lost to it."""

# Four tries within some seven seconds: a restarted server is back by then, and a step that waits is cheaper than a
# second generation. A database that stayed locked was waited for already, and a wrong file does not become right.
_AGAIN = tenacity.Retrying(
    retry=tenacity.retry_if_exception(
        lambda error: (
            isinstance(error, AWAY) and not isinstance(error, (IndexBusyError, IndexFormatError, IndexVersionError))
        )
    ),
    stop=tenacity.stop_after_attempt(4),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=4),
    reraise=True,
)


@dataclasses.dataclass(frozen=True)
class Filing:
    """How documents are filed: the settings of an IO manager that matter to a write.

    Attributes:
        prompt_copy: Whether the prompt is kept in prompt.txt.
        stages: The stages that may be written; ``None`` for any.
        experiment: The experiment, where the run's tags name none.
        defaults: Template, model and parser where nothing else names them.
        spool: The folder for texts that the store cannot take; ``None`` for none.
        beside: Writes a document, its stage and its task somewhere else first, and gives the document that says so.
            Default: nowhere.
    """

    prompt_copy: bool
    stages: Collection[str] | None
    experiment: str | None
    defaults: Mapping[str, Any]
    spool: str | None
    beside: Callable[[Document, str, str], Document] | None = None

    def save(
        self, store: DocumentStore, output: OutputInfo, documents: Documents, tasks: Mapping[str, Task]
    ) -> list[DocumentRow]:
        """File the documents of a step under their identities, all at once; the store's trouble is waited out.

        Args:
            store: Where.
            output: What Dagster knows of the output.
            documents: What was made.
            tasks: What the task table says of each partition, where there is one.

        Raises:
            SpooledError: The store stayed away; the texts are in the spool.
            TextLostError: Nor could the spool take them.
            DocIOError: As `DocumentStore.save_many`.
        """
        if self.beside is not None:  # once, however often the store is tried
            documents = {
                partition: self._beside(output, partition, each, tasks) for partition, each in documents.items()
            }
        attempts = {partition: output.attempt_of(partition) for partition in documents}
        try:
            return _AGAIN(lambda: store.save_many(self._filed(store, output, documents, tasks, attempts)))
        except AWAY as error:
            if self.spool is None:
                raise
            spool = str(Path(self.spool).expanduser().absolute())  # whoever reads the message may be anywhere
            try:
                drafts = make_drafts(self._filed(None, output, documents, tasks, attempts))
                spool = spool_drafts(spool, drafts, owner=store.owner)
            except DocIOError as trouble:
                raise TextLostError(count=len(documents), spool=spool, reason=error, trouble=trouble) from error
            raise SpooledError(
                count=len(documents), spool=spool, reason=error, command=_recovery(store, spool)
            ) from error

    def save_texts(
        self, store: DocumentStore, output: OutputInfo, documents: Documents, error: DocIOError
    ) -> dict[str | None, DocumentRow]:
        """Keep the bare texts of what cannot be filed as it was returned: they were paid for.

        Args:
            store: Where.
            output: What Dagster knows of the output.
            documents: What was made.
            error: Why it cannot be filed; it goes into the metadata.

        Returns:
            The rows, as ``gen_error``, by partition; those without a text are left out.

        Raises:
            DocIOError: Not even the texts can be filed.
        """
        made = {
            key: each
            for key, each in documents.items()
            if each.raw is not None and not isinstance(each, ReusedDocument)
        }
        texts = [
            (
                refused_document(each, error),
                self._origin(output, key, output.attempt_of(key)),
            )
            for key, each in made.items()
        ]
        return dict(zip(made, store.save_many(texts), strict=True))

    def _beside(
        self, output: OutputInfo, partition: str | None, document: Document, tasks: Mapping[str, Task]
    ) -> Document:
        if self.beside is None:
            return document
        document = completed(document, output, partition, self.defaults, task=tasks.get(partition or ""))
        return self.beside(document, output.stage, output.task_of(partition))

    def check_stage(self, output: OutputInfo) -> None:
        """Refuse a stage that is not on the list.

        Raises:
            UnknownStageError: There is a list, and it is not on it.
        """
        if self.stages is not None and output.stage not in self.stages:
            raise UnknownStageError(stage=output.stage, stages=", ".join(sorted(self.stages)))

    def _filed(
        self,
        store: DocumentStore | None,
        output: OutputInfo,
        documents: Documents,
        tasks: Mapping[str, Task],
        attempts: Mapping[str | None, str],
    ) -> list[tuple[Document, Origin]]:
        """The documents under their identities; without a store, as far as that is known without one."""
        filed = []
        for partition, made in documents.items():
            document = completed(made, output, partition, self.defaults, task=tasks.get(partition or ""), store=store)
            prompt, prompt_path = (
                (document.prompt, None) if store is None else _prompt(store, output, partition, document)
            )
            origin = self._origin(output, partition, attempts[partition], prompt_path)
            filed.append((dataclasses.replace(document, prompt=prompt if self.prompt_copy else None), origin))
        return filed

    def _origin(
        self, output: OutputInfo, partition: str | None, attempt: str, prompt_path: str | None = None
    ) -> Origin:
        return Origin(
            stage=output.stage,
            task_id=output.task_of(partition),
            run_id=output.run_id,
            attempt=attempt,
            asset_key=output.asset,
            parents=tuple(parents_of(output, partition)),
            experiment_id=output.tags.get(EXPERIMENT_TAG, self.experiment),
            prompt_path=prompt_path,
        )


def refused_document(document: Document, error: DocIOError) -> Document:
    """What is right of a document that cannot be filed as it is, as a ``gen_error`` that says why."""
    kept, _ = checked(document)
    metadata = {**(kept.metadata or {}), "error": str(error)}
    return dataclasses.replace(kept, status=Status.GEN_ERROR, metadata=metadata)


def documents_of(context: OutputContext, output: OutputInfo, value: object) -> Documents:
    """What a step made, by partition; checked as a whole, so that a bad value leaves nothing written.

    Raises:
        InvalidDocumentError: A value is not text, or the partitions are not those of the run.
    """
    if not (context.has_asset_key and context.has_asset_partitions):
        return {None: _one(output, None, value)}
    instance = None if output.step is None else output.step.instance
    keys = in_order(context.asset_partition_keys, context.asset_partitions_def, instance)
    if len(keys) == 1 and not isinstance(value, Mapping):
        return {keys[0]: _one(output, keys[0], value)}
    if not isinstance(value, Mapping):
        raise InvalidDocumentError(
            what=f"The output of {output.label(None)}",
            reason=f"the run has {len(keys)} partitions, and it is {type(value).__name__}",
            hint="Return DocumentsByPartition({partition_key: text, …}).",
        )
    _check_keys(output, keys, value)
    return {key: _one(output, key, value[key]) for key in keys}


def salvage_valid(context: OutputContext, output: OutputInfo, value: object) -> Documents:
    """Of what `documents_of` refuses as a whole, the texts that were made for partitions of the run."""
    found: Documents = {}
    if isinstance(value, Mapping) and context.has_asset_key and context.has_asset_partitions:
        for key in context.asset_partition_keys:
            with suppress(InvalidDocumentError, KeyError):
                found[key] = _one(output, key, value[key])
    return found


def _check_keys(output: OutputInfo, keys: Collection[str], value: Mapping[Any, object]) -> None:
    known = set(keys)
    missing = [key for key in keys if key not in value]
    wrong = [key for key in value if key not in known]
    if missing or wrong:
        raise InvalidDocumentError(
            what=f"The output of {output.label(None)}",
            reason=f"missing partitions: {_listed(missing)}; not of this run: {_listed(wrong)}",
            hint="Return exactly the partitions of the run, context.partition_keys.",
        )


def _one(output: OutputInfo, partition: str | None, value: object) -> Document:
    try:
        document = ReusedDocument.of(value) if isinstance(value, StoredDocument) else as_document(value)
    except InvalidDocumentError as error:
        raise InvalidDocumentError(
            what=f"The output of {output.label(partition)}",
            reason=f"it is {type(value).__name__}, not text",
            hint=error.facts["hint"],
        ) from None
    if isinstance(document, ReusedDocument) and (document.row.stage, document.row.task_id) != (
        output.stage,
        output.task_of(partition),
    ):
        raise InvalidDocumentError(
            what=f"The output of {output.label(partition)}",
            reason=f"it is the stored document {document.row.doc_id} of stage {document.row.stage!r}, another product",
            hint="Return its .text to make a new document of it.",
        )
    return document


def _prompt(
    store: DocumentStore, output: OutputInfo, partition: str | None, document: Document
) -> tuple[str | None, str | None]:
    """The prompt, and its file where it is a document of its own."""
    name = input_named(output, "doc_io/prompt")
    if document.prompt is not None or name is None:
        return document.prompt, None
    read = [each.doc_id for each in output.loaded(partition) if each.input_name == name]
    row = store.get(read[0]) if len(read) == 1 else None
    if row is None:
        return None, None
    which = "raw" if row.parsed_chars is None else "parsed"
    return store.read(row), f"{row.doc_dir}/{which}.txt"


def _recovery(store: DocumentStore, spool: str) -> str:
    """The command that files what is in the spool; the index's URL is not part of it, for it may hold a password."""
    database = "" if "://" in store.index.name else f" --db {quote(store.index.name)}"
    return f"doc-io --docs-root {quote(store.docs_root)}{database} recover {quote(spool)}"


def _listed(keys: list[Any]) -> str:
    shown = ", ".join(printable(repr(key), limit=60) for key in keys[:10])
    return (f"{shown} and {len(keys) - 10} more" if len(keys) > 10 else shown) or "none"  # noqa: PLR2004 - ten are enough
