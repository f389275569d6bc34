"""From what an asset returned to documents: one for each partition, all written before any of them fails the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tenacity

from doc_io.dagster import internals
from doc_io.dagster.identity import (
    EXPERIMENT_TAG,
    REPORT_STAGES,
    OutputInfo,
    completed,
    field_named,
    input_named,
    parents_of,
)
from doc_io.dagster.internals import in_order
from doc_io.dagster.interrupts import GRACE_SECONDS, interrupts_allowed, interrupts_held
from doc_io.dagster.reuse import COMPLETE, ReusedDocument
from doc_io.dagster.safekeeping import SpoolCopy
from doc_io.document import EMPTY, OK, Document, DocumentRow, Status
from doc_io.document_checks import as_document, checked, text_instead_of
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
from doc_io.parsers import parse
from doc_io.reading import StoredDocument
from doc_io.writing.draft import Origin, hash_of_prompt, make_drafts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from dagster import OutputContext

    from doc_io.store import DocumentStore
    from doc_io.task_table import Task
    from doc_io.writing.draft import Draft

Documents = dict["str | None", Document]
"""What was made, by partition; ``None`` stands for what has none."""

UNAVAILABLE = (StorageError, IndexAccessError)
"""The store's own trouble: it may pass, and the text must not be lost to it."""

SAVE_SECONDS = 60.0
"""After so long no other try to write begins. One try ends by itself: a call to a server after ``call_timeout``, a wait for a
lock after 30 s."""

# Four tries within some seven seconds, where the store answers: a restarted server is back by then, and a step that waits is cheaper than a
# second generation. A database that stayed locked was waited for already, and a wrong file does not become right.
_WITH_RETRIES = tenacity.Retrying(
    retry=tenacity.retry_if_exception(
        lambda error: (
            isinstance(error, UNAVAILABLE)
            and not isinstance(error, (IndexBusyError, IndexFormatError, IndexVersionError))
        )
    ),
    stop=tenacity.stop_after_attempt(4) | tenacity.stop_after_delay(SAVE_SECONDS),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=4),
    reraise=True,
)


@dataclasses.dataclass(frozen=True)
class OutputWriter:
    """Writes the documents of a step: the settings of an IO manager that matter to a write.

    Attributes:
        prompt_copy: Whether the prompt is kept in prompt.txt.
        stages: The stages that may be written; ``None`` for any.
        experiment: The experiment, where the run's tags name none.
        defaults: Template, model and parser where nothing else names them.
        spool: The folder for texts that the store cannot take; ``None`` for none.
        empty_is_ok: Whether a text without a visible character is ``ok`` where its author gave no status. Default: it is
            ``gen_error``, for the reason ``empty``.
    """

    prompt_copy: bool
    stages: Collection[str] | None
    experiment: str | None
    defaults: Mapping[str, Any]
    spool: str | None
    empty_is_ok: bool = False

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
        # Parsed once, however often the store is tried: a parser need not give the same again.
        documents = {partition: self.judged(output, partition, each) for partition, each in documents.items()}
        attempts = {partition: output.attempt_of(partition) for partition in documents}
        drafts: list[Draft] = []

        def known(store: DocumentStore | None) -> list[Draft]:
            return make_drafts(self.with_origins(store, output, documents, tasks, attempts))

        def write() -> list[DocumentRow]:
            if not drafts:
                drafts.extend(known(store))
            return store.commit(drafts)

        with interrupts_held():
            copy = SpoolCopy(self.spool, store, lambda: drafts or known(None))
            if not store.is_local:  # safe on this machine before the first call that may wait long
                copy.keep_meanwhile()
            try:
                with interrupts_allowed(0 if copy.is_durable else GRACE_SECONDS):
                    rows = _WITH_RETRIES(write)
            except UNAVAILABLE as error:
                copy.keep(error)
                if copy.where is None:
                    raise
                raise copy.error(error) from error
            except DocIOError:
                copy.release()  # what is wrong is in the documents; the caller keeps what is right of them
                raise
            except BaseException as error:  # a run that is cancelled while it writes has paid for its texts
                copy.keep(error)
                raise
            copy.release()
            return rows

    def save_each(
        self,
        store: DocumentStore,
        output: OutputInfo,
        documents: Mapping[str, Document],
        lookup: Callable[[OutputInfo, Iterable[str]], Mapping[str, Task]],
    ) -> dict[str, DocumentRow]:
        """Write documents that have nothing to do with each other: one that is refused leaves its text.

        Args:
            store: Where.
            output: What Dagster knows of the output.
            documents: What was made, by partition.
            lookup: What the task table says of some partitions.

        Returns:
            The rows, by partition.

        Raises:
            DocIOError: As for `save`, where the store is the trouble; or a document has not even a text.
        """
        made: Documents = dict(documents.items())
        try:
            self.check_stage(output)
            return dict(zip(documents, self.save(store, output, made, lookup(output, documents)), strict=True))
        except DocIOError as error:
            if isinstance(error, (*UNAVAILABLE, SpooledError, TextLostError)):
                raise
            if len(documents) == 1:
                rows = self.save_texts(store, output, made, error)
                if not rows:
                    raise
                return {str(partition): row for partition, row in rows.items()}
        each = (self.save_each(store, output, {partition: made}, lookup) for partition, made in documents.items())
        return {partition: row for rows in each for partition, row in rows.items()}

    def save_texts(
        self, store: DocumentStore, output: OutputInfo, documents: Documents, error: DocIOError
    ) -> dict[str | None, DocumentRow]:
        """Keep the texts of what cannot be filed as it was returned, and what is right of the rest: they were paid for.

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
        named = self.with_origins(None, output, made, {}, {key: output.attempt_of(key) for key in made})
        drafts = [refused_draft(each, origin, error) for each, origin in named]
        return dict(zip(made, store.commit(drafts), strict=True))

    def judged(self, output: OutputInfo, partition: str | None, document: Document) -> Document:
        """The document after its parser, and with the status that an empty text has.

        Args:
            output: What Dagster knows of the output.
            partition: The partition it was made for.
            document: What was made.
        """
        if self.empty_is_ok and document.status is None and document.reason == EMPTY:
            document = dataclasses.replace(document, status=Status.OK)
        parser = field_named("parser", document, output, partition, self.defaults)
        return parse(document if parser == document.parser else dataclasses.replace(document, parser=parser))

    def check_stage(self, output: OutputInfo) -> None:
        """Refuse a stage that is not on the list, with `UnknownStageError`."""
        if self.stages is not None and output.stage not in {*self.stages, *REPORT_STAGES}:
            raise UnknownStageError(stage=output.stage, stages=", ".join(sorted(self.stages)))

    def with_origins(
        self,
        store: DocumentStore | None,
        output: OutputInfo,
        documents: Documents,
        tasks: Mapping[str, Task],
        attempts: Mapping[str | None, str],
    ) -> list[tuple[Document, Origin]]:
        """The documents under their identities; without a store, as far as that is known without one."""
        made_with: list[tuple[Document, Origin]] = []
        for partition, made in documents.items():
            document = completed(made, output, partition, self.defaults, task=tasks.get(partition or ""), store=store)
            prompt, prompt_path = (
                (document.prompt, None) if store is None else _prompt(store, output, partition, document)
            )
            origin = self._origin(output, partition, attempts[partition], prompt_path)
            if not self.prompt_copy:  # reuse knows the question by its hash
                hashed = hash_of_prompt(prompt) if isinstance(prompt, str) else None
                origin, prompt = dataclasses.replace(origin, prompt_hash=hashed), None
            made_with.append((dataclasses.replace(document, prompt=prompt), origin))
        return made_with

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


def refused_draft(document: Document, origin: Origin, error: DocIOError) -> Draft:
    """What is right of a document that cannot be filed as it is, as a ``gen_error`` that says why; `reuse` finds a whole answer."""
    kept, _ = checked(document)
    why = {**({COMPLETE: True} if document.outcome in OK else {}), "error": str(error)}
    whole = dataclasses.replace(kept, status=Status.GEN_ERROR, metadata={**(kept.metadata or {}), **why})
    try:
        return make_drafts([(whole, origin)])[0]
    except InvalidDocumentError:  # each field is right, and all of them together are too large
        return make_drafts([(Document(document.raw, status=Status.GEN_ERROR, metadata=why), origin)])[0]


def documents_of(
    context: OutputContext, output: OutputInfo, value: object, convert: Callable[[object], object]
) -> Documents:
    """What a step made, by partition; checked as a whole, so that a bad value leaves nothing written.

    Args:
        context: What Dagster knows of the output.
        output: The same, as doc_io sees it.
        value: What the step made.
        convert: Gives the text or document that one value stands for.

    Raises:
        InvalidDocumentError: A value is not text, or the partitions are not those of the run.
    """
    keys = _partitions(context, output)
    if keys is None:
        return {None: _one(output, None, value, convert)}
    if len(keys) == 1 and not _is_by_partition(value, keys[0], convert):
        return {keys[0]: _one(output, keys[0], value, convert)}
    if not isinstance(value, Mapping):
        instead = "" if isinstance(value, str) else f" {text_instead_of(value)}"
        raise InvalidDocumentError(
            what=f"The output of {output.label(None)}",
            reason=f"the run has {len(keys)} partitions, and it is {type(value).__name__}",
            hint=f"Return DocumentsByPartition({{partition_key: text, …}}).{instead}",
        )
    _check_keys(output, keys, value)
    return {key: _one(output, key, value[key], convert) for key in keys}


def value_of(value: object, partition: str | None) -> Any:
    """What a step returned for one partition."""
    return value[partition] if isinstance(value, Mapping) and partition in value else value


def salvage_valid(
    context: OutputContext, output: OutputInfo, value: object, convert: Callable[[object], object]
) -> Documents:
    """Of what `documents_of` refuses as a whole, the texts that were made for partitions of the run.

    A provider's response counts too, although it is no text: its answer was paid for.
    """
    found: Documents = {}
    keys: Sequence[str | None] = _partitions(context, output) or [None]
    for key in keys:
        one = value[key] if isinstance(value, Mapping) and key in value else value if len(keys) == 1 else None
        try:
            found[key] = _one(output, key, one, convert)
        except InvalidDocumentError:
            answer = Document.from_response(one)
            if answer.raw is not None:
                found[key] = answer
    return found


def _partitions(context: OutputContext, output: OutputInfo) -> list[str] | None:
    """The partitions of an output, in the order of their definition; ``None`` where it has none."""
    if context.has_asset_key and context.has_asset_partitions:
        instance = None if output.step is None else output.step.instance
        return in_order(context.asset_partition_keys, internals.known(context, "asset_partitions_def"), instance)
    # A context that was built with a key and no definition. In a run, the key may be that of other assets.
    if context.has_asset_key and output.step is None and context.has_partition_key:
        return [context.partition_key]
    return None


def _is_by_partition(value: object, key: str, convert: Callable[[object], object]) -> bool:
    """Whether a value for one partition is a mapping of partitions, and not one that ``to_document`` makes a text of."""
    return isinstance(value, Mapping) and (key in value or isinstance(convert(value), Mapping))


def _check_keys(output: OutputInfo, keys: Collection[str], value: Mapping[Any, object]) -> None:
    known = set(keys)
    missing = [key for key in keys if key not in value]
    wrong = [key for key in value if key not in known]
    if missing or wrong:
        instead = "" if len(missing) < len(keys) else f" {text_instead_of(dict(value))}"
        raise InvalidDocumentError(
            what=f"The output of {output.label(None)}",
            reason=f"missing partitions: {_listed(missing)}; not of this run: {_listed(wrong)}",
            hint=f"Return exactly the partitions of the run, context.partition_keys.{instead}",
        )


def _one(output: OutputInfo, partition: str | None, value: object, convert: Callable[[object], object]) -> Document:
    try:
        made = convert(value)
        document = ReusedDocument.of(made) if isinstance(made, StoredDocument) else as_document(made)
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


def _listed(keys: list[Any]) -> str:
    shown = ", ".join(printable(repr(key), limit=60) for key in keys[:10])
    return (f"{shown} and {len(keys) - 10} more" if len(keys) > 10 else shown) or "none"  # noqa: PLR2004 - ten are enough
