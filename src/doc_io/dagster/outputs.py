"""From what an asset returned to documents: one for each partition, all written before any of them fails the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doc_io.dagster.identity import EXPERIMENT_TAG, Maker, completed, input_named, parents_of
from doc_io.document import Document, DocumentRow, as_document
from doc_io.draft import Origin
from doc_io.errors import InvalidDocumentError, UnknownStageError
from doc_io.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dagster import OutputContext

    from doc_io.store import DocumentStore

Documents = dict["str | None", Document]
"""What was made, by partition; ``None`` stands for what has none."""


@dataclasses.dataclass(frozen=True)
class Filing:
    """How documents are filed: the settings of an IO manager that matter to a write.

    Attributes:
        prompt_copy: Whether the prompt is kept in prompt.txt.
        stages: The stages that may be written; ``None`` for any.
        experiment: The experiment, where the run's tags name none.
        defaults: Template, model and parser where nothing else names them.
        beside: Writes a document, its stage and its task somewhere else first, and gives the document that says so.
            Default: nowhere.
    """

    prompt_copy: bool
    stages: Collection[str] | None
    experiment: str | None
    defaults: Mapping[str, Any]
    beside: Callable[[Document, str, str], Document] | None = None

    def save(self, store: DocumentStore, maker: Maker, documents: Documents) -> list[DocumentRow]:
        """File the documents of a step under their identities, all at once.

        Raises:
            DocIOError: As `DocumentStore.save_many`.
        """
        return store.save_many(
            [self._filed(store, maker, partition, document) for partition, document in documents.items()]
        )

    def _filed(
        self, store: DocumentStore, maker: Maker, partition: str | None, document: Document
    ) -> tuple[Document, Origin]:
        document = completed(document, maker, partition, self.defaults)
        prompt, prompt_path = _prompt(store, maker, partition, document)
        task_id = maker.own_task if partition is None else str(partition)
        if self.beside is not None:
            document = self.beside(document, maker.stage, task_id)
        origin = Origin(
            stage=maker.stage,
            task_id=task_id,
            run_id=maker.run_id,
            attempt=maker.attempt_of(partition),
            asset_key=maker.asset,
            parents=tuple(parents_of(maker, partition)),
            experiment_id=maker.tags.get(EXPERIMENT_TAG, self.experiment),
            prompt_path=prompt_path,
        )
        return dataclasses.replace(document, prompt=prompt if self.prompt_copy else None), origin

    def check_stage(self, maker: Maker) -> None:
        """Refuse a stage that is not on the list.

        Raises:
            UnknownStageError: There is a list, and it is not on it.
        """
        if self.stages is not None and maker.stage not in self.stages:
            raise UnknownStageError(stage=maker.stage, stages=", ".join(sorted(self.stages)))


def documents_of(context: OutputContext, maker: Maker, value: object) -> Documents:
    """What a step made, by partition; checked as a whole, so that a bad value leaves nothing written.

    Raises:
        InvalidDocumentError: A value is not text, or the partitions are not those of the run.
    """
    if not (context.has_asset_key and context.has_asset_partitions):
        return {None: _one(maker, None, value)}
    keys = list(context.asset_partition_keys)
    if len(keys) == 1 and not isinstance(value, Mapping):
        return {keys[0]: _one(maker, keys[0], value)}
    if not isinstance(value, Mapping):
        raise InvalidDocumentError(
            what=f"The output of {maker.label(None)}",
            reason=f"the run has {len(keys)} partitions, and it is {type(value).__name__}",
            todo="Return DocumentsByPartition({partition_key: text, …}).",
        )
    _check_keys(maker, keys, value)
    return {key: _one(maker, key, value[key]) for key in keys}


def _check_keys(maker: Maker, keys: Collection[str], value: Mapping[Any, object]) -> None:
    missing = [key for key in keys if key not in value]
    wrong = [key for key in value if key not in set(keys)]
    if missing or wrong:
        raise InvalidDocumentError(
            what=f"The output of {maker.label(None)}",
            reason=f"missing partitions: {_listed(missing)}; not of this run: {_listed(wrong)}",
            todo="Return exactly the partitions of the run, context.partition_keys.",
        )


def _one(maker: Maker, partition: str | None, value: object) -> Document:
    try:
        return as_document(value)
    except InvalidDocumentError as error:
        raise InvalidDocumentError(
            what=f"The output of {maker.label(partition)}",
            reason=f"it is {type(value).__name__}, not text",
            todo=error.facts["todo"],
        ) from None


def _prompt(
    store: DocumentStore, maker: Maker, partition: str | None, document: Document
) -> tuple[str | None, str | None]:
    """The prompt, and its file where it is a document of its own."""
    name = input_named(maker, "doc_io/prompt")
    if document.prompt is not None or name is None:
        return document.prompt, None
    read = [each.doc_id for each in maker.loaded(partition) if each.input_name == name]
    row = store.get(read[0]) if len(read) == 1 else None
    if row is None:
        return None, None
    which = "raw" if row.parsed_chars is None else "parsed"
    return store.read(row), f"{row.doc_dir}/{which}.txt"


def _listed(keys: list[Any]) -> str:
    shown = ", ".join(printable(repr(key), limit=60) for key in keys[:10])
    return (f"{shown} and {len(keys) - 10} more" if len(keys) > 10 else shown) or "none"  # noqa: PLR2004 - ten are enough
