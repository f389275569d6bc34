"""`DocDirIOManager`: assets just return text, and load the latest ok version of what others returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dagster import (
    AssetMaterialization,
    ConfigurableIOManager,
    DataVersion,
    Failure,
    InputContext,
    OutputContext,
    UPathIOManager,
)
from pydantic import Field, PrivateAttr, field_validator

from doc_io.commit_record import PARSED_NAME, RAW_NAME, decode_text
from doc_io.dagster import legacy_files, rollout
from doc_io.dagster.events import failure_of_many, failure_of_one, is_failed, metadata_of, observation_of
from doc_io.dagster.identity import OutputInfo, metadata_warnings, output_info, own_task_of, stage_of
from doc_io.dagster.legacy_files import StageFiles
from doc_io.dagster.outputs import AWAY, Documents, Filing, documents_of, salvage_valid
from doc_io.dagster.reuse import ReusedDocument
from doc_io.dagster.rollout import Phase
from doc_io.dagster.settings import StoreSettings
from doc_io.errors import DocIOError, SpooledError, TextLostError
from doc_io.escaping import printable
from doc_io.legacy.versioned_files import VersionedFiles
from doc_io.task_table import Task, TaskTable

if TYPE_CHECKING:
    from upath import UPath

    from doc_io.document import Document, DocumentRow

Reported = tuple["str | None", "DocumentRow", dict[str, Any]]
"""Partition, row, and what Dagster gets to see of it."""


class _UPathBase(UPathIOManager):
    # The base class has a property of this name, which would hide the field; it also reads UPath._kwargs, gone in
    # universal-pathlib 0.3. A plain attribute gives way to the field.
    storage_options: Any = None


class DocDirIOManager(StoreSettings, ConfigurableIOManager, _UPathBase):
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
    rollout: str | None = Field(
        default=None,
        description="How far the way from legacy files is gone: legacy, dual_write, index_first or index_only. Default:"
        " what DD_DOCS_INDEX_ENABLED and DD_DOCS_LEGACY_WRITE_ENABLED say, else index_only.",
    )
    legacy_root: str = Field(
        default="data", description="Where the legacy files are, <stage>/<partition>_v<N>.txt: a path or a URL."
    )
    legacy_folders: dict[str, str] = Field(
        default={}, description="Stage to its folder below legacy_root, where that is not called as the stage is."
    )

    _legacy_files: StageFiles | None = PrivateAttr(default=None)

    @field_validator("task_tables", mode="before")
    @classmethod
    def _as_config(cls, tables: Any) -> Any:
        """Dagster's config holds plain values, so a table is kept as its fields."""
        if not isinstance(tables, Mapping):
            return tables
        return {stage: table.as_config() if isinstance(table, TaskTable) else table for stage, table in tables.items()}

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write what an asset or op returned, as a document for each partition.

        Args:
            context: What Dagster knows of the output.
            obj: Text, a `doc_io.Document`, or a mapping of partition keys to these.

        Raises:
            dagster.Failure: The value is not text; or it cannot be filed as it is, and its bare text was kept; or the
                store failed, and the text waits in the spool (no retry, which would pay for another generation); or a
                document is not ok, and was kept.
        """
        output = output_info(context)
        for doubt in metadata_warnings(output):
            context.log.warning(f"{printable(output.label(None))}: {printable(doubt)}")
        if self._phase is Phase.LEGACY:
            legacy_files.dump(
                self._legacy, context, output, obj, more=self.get_metadata(context, obj), defaults=self._defaults
            )
            return
        documents: Documents = {}
        try:
            documents = documents_of(context, output, obj)
            self._filing.check_stage(output)
            rows = self._file(output, documents)
        except DocIOError as error:
            # No retry: it would pay for another generation.
            kept = self._kept_texts(context, output, documents or salvage_valid(context, output, obj), error)
            raise Failure(description=f"{output.label(None)}: {error}{kept}", allow_retries=False) from error
        reported = [self._reported(partition, rows[partition], document) for partition, document in documents.items()]
        self._report(context, output, obj, reported)

    def dump_to_path(self, context: OutputContext, obj: Any, path: UPath) -> None:  # noqa: ARG002 - a hook of Dagster's
        """As `handle_output`: the folder follows from the document's identity, whatever the path."""
        self.handle_output(context, obj)

    def load_input(self, context: InputContext) -> Any:
        """Give an input its documents: the pinned one, else the latest ok of this run, else the latest ok.

        In the first phases of ``rollout`` it is given legacy files.

        Raises:
            DocumentNotFoundError: There is none; also a ``FileNotFoundError``.
        """
        return rollout.load(self._phase, self.store, self._legacy, context, self.as_of)

    def has_output(self, context: OutputContext) -> bool:
        """Whether there is an ok document for every partition of an output."""
        partitioned = context.has_asset_key and context.has_asset_partitions
        tasks = list(context.asset_partition_keys) if partitioned else [own_task_of(context)]
        if self._phase.reads_files:
            return all(self._legacy.has(stage_of(context), str(task)) for task in tasks)
        return len(self.store.latest_many(stage_of(context), tasks)) == len(set(tasks))

    def teardown_after_execution(self, context: Any) -> None:
        """Let go of the connections when the run, or the step's process, ends."""
        super().teardown_after_execution(context)
        if self._legacy_files is not None:
            self._legacy_files.files.storage.close()

    def load_from_path(self, context: InputContext, path: UPath) -> str:  # noqa: ARG002 - a hook of Dagster's
        """The text of the document in a folder: parsed where there is one, else raw."""
        parsed = path / PARSED_NAME
        return decode_text((parsed if parsed.exists() else path / RAW_NAME).read_bytes())

    @property
    def _base_path(self) -> UPath:  # type: ignore[override] # an attribute there; here it follows from a field
        """Where `UPathIOManager` believes everything to be."""
        return self.store.storage.upath("")

    def _file(self, output: OutputInfo, documents: Documents) -> dict[str | None, DocumentRow]:
        """The rows of what was made, by partition; what was reused has one already."""
        rows = {partition: each.row for partition, each in documents.items() if isinstance(each, ReusedDocument)}
        made = {partition: each for partition, each in documents.items() if partition not in rows}
        tasks = self._tasks(output, made)
        if made:
            rows |= zip(made, self._filing.save(self.store, output, made, tasks), strict=True)
        return rows

    def _kept_texts(self, context: OutputContext, output: OutputInfo, documents: Documents, error: DocIOError) -> str:
        """Keep the bare texts of what was refused, and say where; nothing where the store itself is the trouble."""
        if isinstance(error, (*AWAY, SpooledError, TextLostError)):
            return ""
        try:
            rows = self._filing.save_texts(self.store, output, documents, error)
        except DocIOError:  # the first error is what the user must see
            return ""
        _observe(
            context, output, [self._reported(partition, row, documents[partition]) for partition, row in rows.items()]
        )
        listed = ", ".join(f"{row.doc_id} in {row.doc_dir}" for row in list(rows.values())[:10])
        return f" The bare text was kept as a gen_error document: {listed}." if rows else ""

    def _tasks(self, output: OutputInfo, documents: Documents) -> dict[str, Task]:
        table = self.task_tables.get(output.stage)
        keys = [partition for partition in documents if partition is not None]
        if table is None or not keys:
            return {}
        return TaskTable(**table, storage_options=self.storage_options).lookup(keys)

    def _reported(self, partition: str | None, row: DocumentRow, document: Document) -> Reported:
        metadata = metadata_of(self.store, row, document.raw, self.preview_chars)
        if isinstance(document, ReusedDocument):
            metadata["reused"] = True
        return partition, row, metadata

    @property
    def _filing(self) -> Filing:
        return Filing(
            prompt_copy=rollout.copies_prompts(self.prompt_copy),
            stages=self.stages,
            experiment=self.experiment,
            defaults=self._defaults,
            spool=self.spool or None,
            beside=self._legacy.beside if self._phase.writes_files else None,
        )

    @property
    def _phase(self) -> Phase:
        return rollout.phase_of(self.rollout)

    @property
    def _defaults(self) -> dict[str, str | None]:
        return {"template_id": self.template_id, "model_id": self.model_id, "parser": self.parser}

    @property
    def _legacy(self) -> StageFiles:
        if self._legacy_files is None:
            same_place = self.legacy_root.partition("://")[0] == self.docs_root.partition("://")[0]
            options = self.storage_options if same_place else {}
            self._legacy_files = StageFiles(VersionedFiles(self.legacy_root, options), self.legacy_folders)
        return self._legacy_files

    def _report(self, context: OutputContext, output: OutputInfo, obj: Any, reported: list[Reported]) -> None:
        failed = [each for each in reported if is_failed(each[1])]
        _observe(context, output, failed)
        if failed:
            self._let_count(context, output, [each for each in reported if not is_failed(each[1])])
            if len(reported) > 1:
                raise failure_of_many(output.label(None), failed)
            partition, row, metadata = failed[0]
            raise failure_of_one(output.label(partition), row, metadata)
        if len(reported) == 1:
            _, row, metadata = reported[0]
            self._set_data_version(output, row)
            context.add_output_metadata({**metadata, **self.get_metadata(context, obj)})
            return
        for partition, _, metadata in reported:
            context.step_context.add_asset_metadata(metadata, output.asset_key, partition)

    def _let_count(self, context: OutputContext, output: OutputInfo, good: list[Reported]) -> None:
        """Say that partitions are materialized though their step fails for the others."""
        if self.on_bad_status == "skip" and output.asset_key is not None:
            for partition, _, metadata in good:
                context.log_event(AssetMaterialization(output.asset_key, partition=partition, metadata=metadata))

    def _set_data_version(self, output: OutputInfo, row: DocumentRow) -> None:
        # Dagster has one data version for all partitions of a step, so a run over many leaves them to Dagster.
        if self.data_versions and row.content_hash and output.step is not None and output.asset_key is not None:
            output.step.set_data_version(output.asset_key, DataVersion(row.content_hash))


def _observe(context: OutputContext, output: OutputInfo, kept: list[Reported]) -> None:
    """Show what was kept of a step that fails: what add_output_metadata was given is lost then, and an observation stays."""
    for partition, row, metadata in kept:
        if output.asset_key is not None:
            context.log_event(observation_of(output.asset_key, partition, row, metadata))
