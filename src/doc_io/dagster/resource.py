"""`DocumentsIndex`: the store for the bodies of assets, beside the IO manager."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, DagsterEvent

from doc_io import ids, maintenance
from doc_io.dagster.attempts import (
    Attempt,
    PendingAttempt,
    await_step,
    keep_attempts_of,
    keep_attempts_of_step,
    keep_failed_attempts,
)
from doc_io.dagster.events import Shown, observation_of, say
from doc_io.dagster.generate import Generation, Make, Save, prompt_lookup
from doc_io.dagster.identity import OutputInfo, attempt_name, body_output_info, completed, partition_of
from doc_io.dagster.internals import io_manager_of_output
from doc_io.dagster.io_manager import DocDirIOManager
from doc_io.dagster.outputs import OutputWriter
from doc_io.dagster.reuse import Answers, Prompt, Question, answer_of, find_answers, find_answers_of_many, note_asked
from doc_io.dagster.settings import StoreSettings
from doc_io.document import OK, Document, DocumentRow, DocumentsByPartition, Status
from doc_io.document_checks import checked
from doc_io.errors import ConfigurationError, DocIOError, SpooledError
from doc_io.maintenance.answer_copies import AnswerCopy, copy_answer
from doc_io.writing.draft import make_drafts

if TYPE_CHECKING:
    from dagster import AssetExecutionContext, OpExecutionContext
    from upath import UPath

    from doc_io.store import DocumentStore


class DocumentsIndex(StoreSettings):
    """Look-ups, reads and attempts inside of an asset's body; the same fields as `DocDirIOManager`.

    What has no method here is on ``.store``, a `doc_io.DocumentStore`.
    """

    def compute_logical_key_id(self, stage: str, identifiers: Mapping[str, str]) -> str:
        """See `doc_io.compute_logical_key_id`."""
        return ids.compute_logical_key_id(stage, identifiers)

    def new_doc_id(self, logical_key_id: str, run_id: str, attempt_or_ts: str | float) -> str:
        """See `doc_io.new_doc_id`."""
        return ids.new_doc_id(logical_key_id, run_id, attempt_or_ts)

    def insert_document(self, row: DocumentRow | Mapping[str, Any]) -> DocumentRow:
        """Put the row of a document whose files are there already into the index.

        Args:
            row: Every column; ``seq`` is given by the index.

        Returns:
            The row as it is in the index; where its doc_id was there already, the row that was.

        Raises:
            DamagedDocumentError: Its files are not whole; a row never points to a document that is not there.
            InvalidDocumentError: The row does not say what the document's own record says.
        """
        return maintenance.index_document(self.store, row if isinstance(row, Mapping) else row.as_dict())

    def get_latest_by_task(self, stage: str, task_id: str, status: Collection[Status | str] = OK) -> DocumentRow | None:
        """The newest document of a task; see `doc_io.DocumentStore.latest`."""
        return self.store.latest(stage, task_id, status)

    def get_latest_by_logical(self, logical_key_id: str, status: Collection[Status | str] = OK) -> DocumentRow | None:
        """The newest document of a logical key; see `doc_io.compute_logical_key_id`."""
        return self.store.index.latest_by_logical(logical_key_id, frozenset(Status(each) for each in status))

    def resolve_doc_dir(self, row: DocumentRow) -> UPath:
        """The folder of a document, to open or to list."""
        return self.store.resolve_doc_dir(row)

    def read_raw(self, row: DocumentRow) -> str:
        """The model's whole answer; errors as for `doc_io.DocumentStore.read`."""
        return self.store.read(row, "raw")

    def read_parsed(self, row: DocumentRow) -> str:
        """The parsed text; errors as for `doc_io.DocumentStore.read`."""
        return self.store.read(row, "parsed")

    def read_prompt(self, row: DocumentRow) -> str:
        """The prompt; errors as for `doc_io.DocumentStore.read`."""
        return self.store.read(row, "prompt")

    @contextmanager
    def attempt(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        *,
        prompt: Prompt = None,
        template_id: str | None = None,
        model_id: str | None = None,
        identifiers: Mapping[str, str] | None = None,
        asset_key: AssetKey | None = None,
        output_name: str = "result",
        partition_key: str | None = None,
    ) -> Iterator[Attempt]:
        """Ask a model once: what was answered before is not paid for again, and what is answered now is not lost.

        Where the block raises, prompt and answer so far become a ``gen_error`` document. Where it ends well and the body
        raises later, the whole answer does, and `reuse` finds it.

        Args:
            context: The context of the body.
            prompt: The prompt, where it is known before. Default: set it on the attempt; the inputs that the step
                loaded stand for it then in ``stored``.
            template_id: The template. Default: from the asset.
            model_id: The model asked for. Default: from the asset.
            identifiers: As for `doc_io.Document`. Default: none.
            asset_key: Which asset, where the body makes several. Default: the only one.
            output_name: Which output of an op. Default: ``result``.
            partition_key: Which partition, where the run has several. Default: the run's.

        Yields:
            The attempt: return its ``stored``, or append to its ``raw`` as the answer comes in.

        Raises:
            BaseException: Whatever the body raised, after it was kept.
        """
        output = _output(context, asset_key, output_name)
        asked = Document("", template_id=template_id, model_id=model_id, identifiers=identifiers)
        [question] = self._questions(output, {partition_of(context, partition_key): prompt}, asked)
        pending = self._start(context, question, asked)
        try:
            yield pending.attempt
        except BaseException as error:  # a terminated run, too, has paid for what it got
            pending.keep(pending.attempt.failed(error))
            keep_attempts_of_step(output, error)
            raise
        await_step(dataclasses.replace(pending, copy=self._copied(context, question, pending.attempt)))

    def reuse(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        *,
        prompt: Prompt = None,
        template_id: str | None = None,
        model_id: str | None = None,
        identifiers: Mapping[str, str] | None = None,
        asset_key: AssetKey | None = None,
        output_name: str = "result",
        partition_key: str | None = None,
    ) -> Document | None:
        """The stored answer to this very question, to return instead of paying for another one.

        It has the same stage, task, template, model asked for and identifiers, and was made from the same prompt; where
        no prompt is given, from inputs of the same content, whatever their ids. Returned from the asset, it makes no new
        document, and its materialization says ``reused: true``; but an answer whose step failed becomes a document now.
        The run tag ``doc_io/force`` (``true``, or stages with commas between) makes this return ``None``, except for what
        the same run made.

        Args:
            context: The context of the body.
            prompt: The prompt, to the letter. Default: the inputs that the step loaded stand for it.
            template_id: The template. Default: from the asset.
            model_id: The model asked for. Default: from the asset.
            identifiers: As for `doc_io.Document`. Default: none.
            asset_key: Which asset, where the body makes several. Default: the only one.
            output_name: Which output of an op. Default: ``result``.
            partition_key: Which partition, where the run has several. Default: the run's.

        Returns:
            A `doc_io.Document` to return as it is; ``None`` where there is none and the text has to be made.
        """
        output = _output(context, asset_key, output_name)
        asked = Document("", template_id=template_id, model_id=model_id, identifiers=identifiers)
        [question] = self._questions(output, {partition_of(context, partition_key): prompt}, asked)
        row, _ = find_answers(self.store, question)
        return None if row is None else answer_of(self.store, question, row)

    async def generate(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        make: Make,
        *,
        prompts: Mapping[str, Prompt] | Callable[[str], Prompt] | None = None,
        concurrency: int = 32,
        template_id: str | None = None,
        model_id: str | None = None,
        retry_on: type[BaseException] | tuple[type[BaseException], ...] = (),
        max_tries: int = 5,
        calls_per_minute: float | None = None,
        asset_key: AssetKey | None = None,
        output_name: str = "result",
    ) -> DocumentsByPartition:
        """Make a document for each partition of the run, so many at a time; each is stored as soon as it is finished.

        What `reuse` finds is handed on without calling ``make``. Where one partition raises, what it had is kept as a
        ``gen_error`` document and the others go on; the step fails at the end and lists the bad ones.

        Args:
            context: The context of the body.
            make: ``make(partition_key, attempt)``, plain or ``async``, gives a text or a document; the question is
                ``attempt.prompt``. A plain one runs in a thread.
            prompts: Partition key to prompt, or a function that gives it. Default: none; the inputs that the step loaded
                stand for the prompt.
            concurrency: How many calls of ``make`` are under way.
            template_id: The template. Default: from the asset.
            model_id: The model asked for. Default: from the asset.
            retry_on: Errors of ``make`` that may pass, such as a rate limit: tried again, with growing waits.
            max_tries: How often one partition is tried.
            calls_per_minute: The most calls of ``make`` in a minute. Default: no limit.
            asset_key: Which asset, where the body makes several. Default: the only one.
            output_name: Which output of an op. Default: ``result``.

        Returns:
            What the asset is to return.

        Raises:
            ConfigurationError: The output has another IO manager, or a partition has no prompt.
            SpooledError: The store cannot be reached; what was finished is in the spool.
        """
        output = _output(context, asset_key, output_name)
        save = _saves(self.store, output)
        partitions = list(context.partition_keys)
        prompt_of = prompt_lookup(prompts, partitions)
        asked = Document("", template_id=template_id, model_id=model_id)

        def start(asked_for: Mapping[str, Prompt]) -> list[PendingAttempt]:
            questions = self._questions(output, asked_for, asked)
            found = find_answers_of_many(self.store, questions)
            return [
                self._start(context, question, asked, known=known)
                for question, known in zip(questions, found, strict=True)
            ]

        generation = Generation(
            make, prompt_of, start, save, context.log, concurrency, calls_per_minute, retry_on, max_tries
        )
        return DocumentsByPartition(await generation.run(partitions))

    def teardown_after_execution(self, context: Any) -> None:
        """Keep the whole answers of steps that failed, and let go of the connections."""
        keep_attempts_of(self)
        super().teardown_after_execution(context)

    def _questions(self, output: OutputInfo, prompts: Mapping[Any, Prompt], asked: Document) -> list[Question]:
        """What is asked for each partition, with what the asset, its IO manager and its task table say of it."""
        manager = manager_of(output)
        defaults = {} if manager is None else manager.writer.defaults
        tasks = {} if manager is None else manager.task_lookup(output, prompts)
        questions = [
            Question(output, key, completed(asked, output, key, defaults, task=tasks.get(key or "")), prompt)
            for key, prompt in prompts.items()
        ]
        for question in questions:
            note_asked(question)
        return questions

    def _start(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        question: Question,
        asked: Document,
        *,
        known: Answers | None = None,
    ) -> PendingAttempt:
        attempt = Attempt(question, self.store, template_id=asked.template_id, model_id=asked.model_id, known=known)
        keep = partial(self._keep, context, question)
        return PendingAttempt(question.output, attempt, keep, self, under_way=known is not None)

    def _copied(
        self, context: AssetExecutionContext | OpExecutionContext, question: Question, attempt: Attempt
    ) -> AnswerCopy | None:
        """A copy of a whole answer in the spool, as a document that says so, until its step has ended."""
        document = attempt.complete()
        if document is None or not self.spool:
            return None
        output, partition = question.output, question.partition
        named = {partition: output.attempt_of(partition)}

        made = {partition: _storable(document, question)}
        try:
            drafts = make_drafts(self._writer(output).with_origins(None, output, made, {}, named))
            return copy_answer(self.spool, self.store, drafts)
        except (DocIOError, OSError) as error:
            say(context.log.warning, f"{output.label(partition)}: no copy of the answer is kept in the spool: {error}")
            return None

    def _keep(
        self, context: AssetExecutionContext | OpExecutionContext, question: Question, document: Document
    ) -> bool:
        """Write what a body had; where that fails, say so: the body's own error is what the user must see."""
        output, partition = question.output, question.partition
        document = _storable(document, question)
        try:
            [row] = self._writer(output).save(self.store, output, {partition: document}, {})
        except DocIOError as lost:
            say(context.log.error, f"The failed generation could not be kept: {lost}")
            return isinstance(lost, SpooledError)
        say(context.log.error, f"{output.label(partition)}: what there was is kept as {row.doc_id} in {row.doc_dir}")
        if output.asset_key is not None and output.step is not None:
            manager = manager_of(output)
            shown = Shown(self.store) if manager is None else manager.shown
            metadata = shown.metadata_of_failed(row, document.raw)
            with suppress(Exception):  # Dagster's storage may be the trouble
                # Not context.log_event: Dagster drops what a body logs when the body raises.
                DagsterEvent.asset_observation(output.step, observation_of(output.asset_key, partition, row, metadata))
        return True

    def _writer(self, output: OutputInfo) -> OutputWriter:
        """What writes the documents of failed tries."""
        manager = manager_of(output)
        return OutputWriter(
            prompt_copy=True,
            stages=None,
            experiment=self.experiment,
            defaults={} if manager is None else manager.writer.defaults,
            spool=self.spool or None,
            empty_is_ok=True,
        )


def _storable(document: Document, question: Question) -> Document:
    """What can be stored of a document, with the template and model of the question where it names none."""
    named = dataclasses.replace(
        document,
        template_id=document.template_id or question.document.template_id,
        model_id=document.model_id or question.document.model_id,
    )
    kept, problems = checked(named)
    noted = {**(kept.metadata or {}), "not_kept": "; ".join(problems)} if problems else kept.metadata
    return dataclasses.replace(kept, metadata=noted)


def _output(
    context: AssetExecutionContext | OpExecutionContext, asset_key: AssetKey | None, output_name: str
) -> OutputInfo:
    """What a body works on; whole answers of an earlier, failed try of its step are kept first."""
    output = body_output_info(context, asset_key, output_name)
    keep_failed_attempts(output)
    return output


def _saves(store: DocumentStore, output: OutputInfo) -> Save:
    """What stores the documents of an output as its IO manager would.

    Raises:
        ConfigurationError: The output has another IO manager.
    """
    manager = manager_of(output)
    if manager is None or output.step is None:
        raise ConfigurationError(
            setting=f"generate in {output.label(None)}",
            reason="its output has another IO manager",
            hint="Bind DocDirIOManager to it.",
        )
    written = dataclasses.replace(output, attempt=attempt_name(output.step, output.name, None))
    return lambda made: manager.writer.save_each(store, written, made, manager.task_lookup)


def manager_of(output: OutputInfo) -> DocDirIOManager | None:
    """The IO manager that will write an output; ``None`` where it is none of ours."""
    manager = None if output.step is None else io_manager_of_output(output.step, output.name)
    manager = getattr(manager, "documents", manager)  # of a RolloutIOManager
    return manager if isinstance(manager, DocDirIOManager) else None
