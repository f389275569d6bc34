"""`DocDirIOManager`: assets just return text, and load the latest ok version of what others returned."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dagster import (
    AssetMaterialization,
    ConfigurableIOManager,
    DataVersion,
    InputContext,
    OutputContext,
)
from pydantic import Field, field_validator

from doc_io.commit_record import PARSED_NAME, RAW_NAME, RECORD_NAME, decode_text
from doc_io.dagster.attempts import let_go, take_attempts, with_questions
from doc_io.dagster.events import (
    Reported,
    Shown,
    beside,
    failure_of_many,
    failure_of_one,
    failure_of_refused,
    is_failed,
    observation_of,
)
from doc_io.dagster.identity import OutputInfo, metadata_warnings, output_info, own_task_of, stage_of
from doc_io.dagster.inputs import Reader, load
from doc_io.dagster.internals import add_asset_metadata
from doc_io.dagster.interrupts import interrupts_held
from doc_io.dagster.outputs import UNAVAILABLE, Documents, OutputWriter, documents_of, salvage_valid, value_of
from doc_io.dagster.reuse import ReusedDocument, identity_warnings
from doc_io.dagster.settings import StoreSettings, copies_prompts, openable, task_table_config
from doc_io.dagster.upath_hooks import UPathHooks
from doc_io.errors import (
    DocIOError,
    DocumentNotFoundError,
    SpooledError,
    TextLostError,
)
from doc_io.escaping import printable
from doc_io.task_table import Task, TaskTable

if TYPE_CHECKING:
    from upath import UPath

    from doc_io.document import Document, DocumentRow
    from doc_io.reading import Which
    from doc_io.store import DocumentStore


class DocDirIOManager(StoreSettings, ConfigurableIOManager, UPathHooks):
    """Writes every output as a document of its own, and gives every input the latest ok one.

    Bind it in ``definitions.py`` and let assets return ``str``, `doc_io.Document` or, for many partitions in one run,
    `doc_io.DocumentsByPartition`. Each text becomes ``<docs_root>/<stage>/<logical_key_id>/<doc_id>/`` and one row of
    the index. A document that is truncated or does not parse is kept all the same; then the step fails.

    An input's annotation decides what it gets: ``str``, `doc_io.StoredDocument`, ``bytes``, ``UPath`` or ``Path``, and
    for several partitions a ``dict``, ``list`` or ``Iterator`` of these.
    """

    extension: ClassVar[None] = None  # type: ignore[misc] # or pydantic would make the base class's attribute a field

    stages: list[str] | None = Field(
        default=None,
        description="The stages that may be written, so that a misspelt one is an error. Default: any stage.",
    )
    template_id: str | None = Field(default=None, description="The template of documents that name none.")
    model_id: str | None = Field(default=None, description="The model of documents that name none.")
    parser: str | None = Field(
        default=None,
        description="The parser of documents that name none: a registered name, or a dotted path to a function.",
    )
    prompt_copy: bool | None = Field(
        default=None,
        description="Whether a document's prompt is kept in its prompt.txt. Default: what DD_DOCS_PROMPT_COPY_ENABLED"
        " says, else yes.",
    )
    preview_chars: int = Field(
        default=500, ge=0, description="The longest preview in the metadata, in characters; 0 turns it off."
    )
    page_url: str | None = Field(
        default=None,
        description="Where `doc-io serve` answers, such as http://localhost:8712: each document in Dagster's UI then has a"
        " link to its page.",
    )
    on_bad_status: Literal["fail", "skip"] = Field(
        default="fail",
        description="When some of a run's many partitions are not ok: fail them all, or let the good ones count as"
        " materialized. Either way every document is kept and the step fails with a list of the bad ones.",
    )
    data_versions: bool = Field(
        default=True,
        description="Whether the hash of the text is the asset's data version, so that the same text again does not"
        " make downstream assets stale. An Output's own data_version wins.",
    )
    as_of: str | None = Field(
        default=None,
        description="Read only what there was at a time (2026-01-31T12:00:00Z), or what a run read (its id), to replay"
        " a pipeline on the documents it saw. The run tag doc_io/as_of wins over it.",
    )
    task_tables: dict[str, dict[str, str]] = Field(
        default={},
        description="By stage, a doc_io.TaskTable: a CSV that says template, model and parent of each task.",
    )
    empty: Literal["fail", "ok"] = Field(
        default="fail",
        description="What a text without a visible character is, where its author gave no status: a failed document, for"
        " the reason empty, or ok.",
    )

    @field_validator("task_tables", mode="before")
    @classmethod
    def _as_config(cls, tables: Any) -> Any:
        """Dagster's config holds plain values, so a table is kept as its fields."""
        if not isinstance(tables, Mapping):
            return tables
        return {stage: task_table_config(table) for stage, table in tables.items()}

    @field_validator("page_url")
    @classmethod
    def _openable(cls, url: str | None) -> str | None:
        return openable(url)

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write what an asset or op returned, as a document for each partition.

        Args:
            context: What Dagster knows of the output.
            obj: Text, a `doc_io.Document`, or a mapping of partition keys to these.

        Raises:
            dagster.Failure: The value is not text; or it cannot be filed as it is, and its text was kept; or the
                store failed, and the text waits in the spool (no retry, which would pay for another generation); or a
                document is not ok, and was kept.
        """
        with interrupts_held():
            try:
                documents = self.documents_of(context, obj)
            except DocIOError as error:
                output = output_info(context)
                salvaged = salvage_valid(context, output, obj, self._convert(context))
                raise failure_of_refused(
                    output.label(None), error, self._kept_texts(context, output, salvaged, error)
                ) from error
            self.write(context, documents, obj)

    def write(self, context: OutputContext, documents: dict[str | None, Document], obj: Any) -> None:
        """Write the documents of a step and say so to Dagster.

        Args:
            context: What Dagster knows of the output.
            documents: What `documents_of` gave.
            obj: What the asset returned, for `get_metadata`.

        Raises:
            dagster.Failure: As for `handle_output`.
        """
        output = output_info(context)
        answers = take_attempts(output)
        documents = with_questions(documents, answers)
        try:
            self.writer.check_stage(output)
            rows = self._write(output, documents)
        except DocIOError as error:
            kept = self._kept_texts(context, output, documents, error)
            if kept or isinstance(error, SpooledError):
                let_go(answers)  # else their copies stay in the spool
            raise failure_of_refused(output.label(None), error, kept) from error
        let_go(answers)
        oddities = [each for document in documents.values() for each in document.warnings]
        # Not before: where Dagster's storage is away, its log raises.
        for warning in [
            *metadata_warnings(output),
            *identity_warnings(self.store, output, rows),
            *dict.fromkeys(oddities),
        ]:
            context.log.warning(f"{printable(output.label(None))}: {printable(warning)}")
        self._report(context, output, [self._reported(context, obj, *each) for each in _with_rows(documents, rows)])

    def documents_of(self, context: OutputContext, obj: Any) -> dict[str | None, Document]:
        """What an asset returned as documents, by partition; nothing is written.

        Args:
            context: What Dagster knows of the output.
            obj: As for `handle_output`.

        Raises:
            InvalidDocumentError: A value is not text, or the partitions are not those of the run.
        """
        return documents_of(context, output_info(context), obj, self._convert(context))

    def load_input(self, context: InputContext) -> Any:
        """Give an input its documents: the pinned one, else the latest ok of this run, else the latest ok.

        Raises:
            DocumentNotFoundError: There is none; also a ``FileNotFoundError``.
        """
        if context.has_asset_key and context.has_asset_partitions and len(context.asset_partition_keys) > 1:
            return self.load_partitions(context)
        return self._load(context)

    def load_partitions(self, context: InputContext) -> Any:
        """Give an input of several partitions its documents. Errors as for `load_input`."""
        return self._load(context)

    def load_from_path(self, context: InputContext, path: UPath) -> Any:  # noqa: ARG002 - for those who override it
        """The text of the document in a folder: parsed where there is one, else raw.

        Override it, plain or ``async``, to give inputs something else: it is called for each document, whatever the
        annotation.
        """
        parsed = path / PARSED_NAME
        return decode_text((parsed if parsed.exists() else path / RAW_NAME).read_bytes())

    def has_output(self, context: OutputContext) -> bool:
        """Whether there is an ok document for every partition of an output."""
        tasks = _tasks_of(context)
        rows = self.store.latest_many(stage_of(context), tasks)
        return len(rows) == len(set(tasks)) and all(
            self.path_exists(self.store.resolve_doc_dir(row)) for row in rows.values()
        )

    def path_exists(self, path: UPath) -> bool:
        """Whether a folder holds a document: one without a commit record does not."""
        return (path / RECORD_NAME).exists()

    def get_path_for_partition(self, context: InputContext | OutputContext, path: UPath, partition: str) -> UPath:  # noqa: ARG002 - a hook of Dagster's
        """The folder of a partition's latest ok document.

        Raises:
            DocumentNotFoundError: There is none.
        """
        return self._folders(context, [partition])[partition]

    def _get_path(self, context: InputContext | OutputContext) -> UPath:
        task = own_task_of(context)
        return self._folders(context, [task])[task]

    def _get_paths_for_partitions(self, context: InputContext | OutputContext) -> dict[str, UPath]:
        return self._folders(context, context.asset_partition_keys)

    def _folders(self, context: InputContext | OutputContext, tasks: Sequence[str]) -> dict[str, UPath]:
        stage = stage_of(context)
        rows = self.store.latest_many(stage, tasks)
        for task in tasks:
            if task not in rows:
                raise DocumentNotFoundError(
                    kind="ok", of=f"{stage}/{task}", stage=stage, task=task, newest="not looked up"
                )
        return {task: self.store.resolve_doc_dir(rows[task]) for task in tasks}

    def _load(self, context: InputContext) -> Any:
        return load(self.store, context, self.as_of, self.reader(context))

    def reader(self, context: InputContext) -> Reader | None:
        """What turns rows into values where a subclass has its own `load_from_path`; ``None`` where it has not."""
        if type(self).load_from_path is DocDirIOManager.load_from_path:
            return None

        def read(store: DocumentStore, rows: Sequence[DocumentRow], which: Which) -> list[Any]:  # noqa: ARG001 - a Reader
            loaded = [self.load_from_path(context, store.resolve_doc_dir(row)) for row in rows]
            return asyncio.run(_gathered(loaded)) if any(map(inspect.isawaitable, loaded)) else loaded

        return read

    @property
    def _base_path(self) -> UPath:  # type: ignore[override] # an attribute there; here it follows from a field
        """Where `UPathIOManager` believes everything to be."""
        return self.store.storage.upath("")

    def _convert(self, context: OutputContext) -> Callable[[object], object]:
        return lambda value: value if isinstance(value, ReusedDocument) else self.to_document(context, value)

    def _write(self, output: OutputInfo, documents: Documents) -> dict[str | None, DocumentRow]:
        """The rows of what was made, by partition; what was reused has one already."""
        rows = {partition: each.row for partition, each in documents.items() if isinstance(each, ReusedDocument)}
        made = {partition: each for partition, each in documents.items() if partition not in rows}
        tasks = self.task_lookup(output, made)
        if made:
            rows |= zip(made, self.writer.save(self.store, output, made, tasks), strict=True)
        return rows

    def _kept_texts(
        self, context: OutputContext, output: OutputInfo, documents: Documents, error: DocIOError
    ) -> list[Reported]:
        """Keep the texts of what was refused; nothing where the store itself is the trouble."""
        if isinstance(error, (*UNAVAILABLE, SpooledError, TextLostError)):
            return []
        try:
            rows = self.writer.save_texts(self.store, output, documents, error)
        except DocIOError:  # the first error is what the user must see
            return []
        kept = [self._reported(context, None, *each) for each in _with_rows(documents, rows)]
        _observe(context, output, kept)
        return kept

    def task_lookup(self, output: OutputInfo, documents: Iterable[str | None]) -> dict[str, Task]:
        """What the task table of a stage says of some partitions; nothing where it has none."""
        table = self.task_tables.get(output.stage)
        keys = [partition for partition in documents if partition is not None]
        if table is None or not keys:
            return {}
        return TaskTable(**table, storage_options=self.storage_options).lookup(keys)

    def _reported(
        self, context: OutputContext, obj: Any, partition: str | None, row: DocumentRow, document: Document
    ) -> Reported:
        text = document.beginning if isinstance(document, ReusedDocument) else document.raw
        if is_failed(row):
            metadata = self.shown.metadata_of_failed(row, text)
        else:
            metadata = self.shown.metadata_of(row, text)
            if isinstance(document, ReusedDocument) and not document.made_by_this_step:
                metadata["reused"] = True
        if obj is not None:
            metadata |= self.get_metadata(context, value_of(obj, partition))
        return partition, row, metadata

    @property
    def shown(self) -> Shown:
        """How documents are shown in Dagster's UI."""
        return Shown(self.store, self.preview_chars, self.page_url)

    @property
    def writer(self) -> OutputWriter:
        """What writes the documents of a step, with the settings of this manager."""
        return OutputWriter(
            prompt_copy=copies_prompts(self.prompt_copy),
            stages=self.stages,
            experiment=self.experiment,
            defaults={"template_id": self.template_id, "model_id": self.model_id, "parser": self.parser},
            spool=self.spool or None,
            empty_is_ok=self.empty == "ok",
        )

    def _report(self, context: OutputContext, output: OutputInfo, reported: list[Reported]) -> None:
        failed = [each for each in reported if is_failed(each[1])]
        _observe(context, output, failed)
        if failed:
            if self.on_bad_status == "skip":  # the others are materialized though their step fails
                _materialize(context, output, [each for each in reported if not is_failed(each[1])])
            if len(reported) > 1:
                raise failure_of_many(output.label(None), self.shown, failed)
            partition, row, metadata = failed[0]
            raise failure_of_one(output.label(partition), row, metadata)
        if len(reported) == 1:
            partition, row, metadata = reported[0]
            self._set_data_version(output, row)
            context.add_output_metadata(beside(metadata, output.metadata))
            return
        for_dagster = {partition: beside(each, output.authors_metadata(partition)) for partition, _, each in reported}
        if output.step is not None and output.asset_key is not None:
            add_asset_metadata(output.step, output.asset_key, for_dagster)
        else:  # a context of a test's: context.get_logged_events() has them
            _materialize(context, output, reported)

    def _set_data_version(self, output: OutputInfo, row: DocumentRow) -> None:
        # Dagster has one data version for all partitions of a step, so a run over many leaves them to Dagster.
        if self.data_versions and row.content_hash and output.step is not None and output.asset_key is not None:
            output.step.set_data_version(output.asset_key, DataVersion(row.content_hash))


def _with_rows(
    documents: Documents, rows: Mapping[str | None, DocumentRow]
) -> Iterator[tuple[str | None, DocumentRow, Document]]:
    return ((partition, row, documents[partition]) for partition, row in rows.items())


def _tasks_of(context: OutputContext) -> list[str]:
    partitioned = context.has_asset_key and context.has_asset_partitions
    return [str(key) for key in context.asset_partition_keys] if partitioned else [own_task_of(context)]


async def _gathered(loaded: Iterable[Any]) -> list[Any]:
    return list(await asyncio.gather(*loaded))


def _materialize(context: OutputContext, output: OutputInfo, made: list[Reported]) -> None:
    if output.asset_key is not None:
        for partition, _, metadata in made:
            shown = {**metadata, **output.authors_metadata(partition)}
            context.log_event(AssetMaterialization(output.asset_key, partition=partition, metadata=shown))


def _observe(context: OutputContext, output: OutputInfo, kept: list[Reported]) -> None:
    """Show what was kept of a step that fails: what add_output_metadata was given is lost then, and an observation stays."""
    for partition, row, metadata in kept:
        if output.asset_key is not None:
            context.log_event(observation_of(output.asset_key, partition, row, metadata))
