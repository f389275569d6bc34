"""`VersionedTextIOManager`: each text is the next version of a file that people find by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dagster import ConfigurableIOManager, ConfigurableResource, Failure, InputContext, OutputContext
from pydantic import ConfigDict, Field, PrivateAttr

from doc_io.commit_record import decode_text
from doc_io.dagster.identity import output_info, own_task_of, stage_of
from doc_io.dagster.legacy_files import StageFiles, dump, load
from doc_io.dagster.outputs import OutputWriter, documents_of, value_of
from doc_io.dagster.settings import refuse_unknown, shown_fields
from doc_io.dagster.upath_hooks import NOT_CALLED, UPathHooks
from doc_io.errors import DocIOError
from doc_io.legacy.versioned_files import VersionedFiles

if TYPE_CHECKING:
    from upath import UPath


class _Settings(ConfigurableResource[Any]):
    model_config = ConfigDict(hide_input_in_errors=True)

    def __init__(self, **given: Any) -> None:
        """Refuse a setting that there is not: pydantic would drop a misspelt one in silence."""
        refuse_unknown(type(self), given)
        super().__init__(**given)

    base_path: str = Field(
        default="data", description="Where the folders are: a path, or any URL that fsspec can write to."
    )
    folders: dict[str, str] = Field(
        default={},
        description="Stage to its folder below base_path, where that is not called as the stage is.",
    )
    storage_options: dict[str, Any] = Field(
        default={}, description="Handed to fsspec: endpoint, credentials and the like. Never shown.", repr=False
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return shown_fields(super().__repr_args__())


class VersionedTextIOManager(_Settings, ConfigurableIOManager, UPathHooks):
    """Writes every output to ``<base_path>/<stage>/<partition>_v<N>.txt``, and gives every input the highest N.

    A version is never changed; it appears whole, on a local disk or in the cloud. A `doc_io.Document` that is not ok is
    kept in ``<stage>_failed``, and the step fails; one with a parsed text has its raw one in ``<stage>_raw``.

    The stage is ``doc_io/stage`` of the asset's metadata, else its key. Files without a version that others wrote
    (``<partition>.txt``) are read where there is none with one.
    """

    extension: ClassVar[str] = ".txt"  # type: ignore[misc] # or pydantic would make the base class's attribute a field

    not_called: ClassVar[Mapping[str, str]] = {
        **NOT_CALLED,
        "dump_to_path": "Override to_document(context, obj) to change what is stored.",
        "load_from_path": "Override load_input.",
        "load_partitions": "Override load_input.",
        "path_exists": "Override has_output.",
        "get_path_for_partition": "Stage and task name the file; doc_io/stage and folders choose its folder.",
    }

    _opened: StageFiles | None = PrivateAttr(default=None)

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write what an asset or op returned, as a file for each partition.

        Args:
            context: What Dagster knows of the output.
            obj: Text, a `doc_io.Document`, or a mapping of partition keys to these.

        Raises:
            dagster.Failure: The value is not text, or could not be written (no retry, which would pay for another
                generation); or a document is not ok, and was kept.
        """
        output = output_info(context)
        writer = OutputWriter(
            prompt_copy=False, stages=None, experiment=None, defaults={}, spool=None, empty_is_ok=True
        )
        try:
            documents = documents_of(context, output, obj, lambda value: self.to_document(context, value))
        except DocIOError as error:
            raise Failure(description=f"{output.label(None)}: {error}", allow_retries=False) from error
        parsed = {key: writer.judged(output, key, document) for key, document in documents.items()}
        dump(self.stage_files, context, parsed, more=lambda key: self.get_metadata(context, value_of(obj, key)))

    def load_input(self, context: InputContext) -> Any:
        """Give an input the newest text of each of its partitions.

        Raises:
            DocumentNotFoundError: There is none; also a ``FileNotFoundError``.
        """
        return load(self.stage_files, context)

    def load_from_path(self, context: InputContext, path: UPath) -> str:  # noqa: ARG002 - a hook of Dagster's
        """The text of one file."""
        return decode_text(path.read_bytes())

    def has_output(self, context: OutputContext) -> bool:
        """Whether there is a file for every partition of an output."""
        partitioned = context.has_asset_key and context.has_asset_partitions
        tasks = list(context.asset_partition_keys) if partitioned else [own_task_of(context)]
        return all(self.stage_files.has(stage_of(context), str(task)) for task in tasks)

    def teardown_after_execution(self, context: Any) -> None:  # noqa: ARG002 - the name is Dagster's
        """Let go of the connections when the run, or the step's process, ends."""
        if self._opened is not None:
            self._opened.files.storage.close()

    @property
    def stage_files(self) -> StageFiles:
        """The files, by stage; opened at their first use."""
        if self._opened is None:
            self._opened = StageFiles(VersionedFiles(self.base_path, self.storage_options), self.folders)
        return self._opened

    @property
    def _base_path(self) -> UPath:  # type: ignore[override] # an attribute there; here it follows from a field
        """Where `UPathIOManager` believes everything to be."""
        return self.stage_files.files.storage.upath("")
