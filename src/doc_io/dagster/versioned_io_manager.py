"""`VersionedTextIOManager`: each text is the next version of a file that people find by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dagster import ConfigurableIOManager, ConfigurableResource, InputContext, OutputContext, UPathIOManager
from pydantic import Field, PrivateAttr

from doc_io.commit_record import decode_text
from doc_io.dagster.identity import output_info, own_task_of, stage_of
from doc_io.dagster.legacy_files import StageFiles, dump, load
from doc_io.legacy.versioned_files import VersionedFiles

if TYPE_CHECKING:
    from upath import UPath


class _UPathBase(UPathIOManager):
    storage_options: Any = None  # as for `DocDirIOManager`: the base class has a property of this name


class _Settings(ConfigurableResource[Any]):
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


class VersionedTextIOManager(_Settings, ConfigurableIOManager, _UPathBase):
    """Writes every output to ``<base_path>/<stage>/<partition>_v<N>.txt``, and gives every input the highest N.

    A version is never changed; it appears whole, on a local disk or in the cloud. A `doc_io.Document` that is not ok is
    kept in ``<stage>_failed``, and the step fails; one with a parsed text has its raw one in ``<stage>_raw``.

    The stage is ``doc_io/stage`` of the asset's metadata, else its key. Files without a version that others wrote
    (``<partition>.txt``) are read where there is none with one.
    """

    extension: ClassVar[str] = ".txt"  # type: ignore[misc] # or pydantic would make the base class's attribute a field

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
        dump(self._files, context, output_info(context), obj, more=self.get_metadata(context, obj))

    def dump_to_path(self, context: OutputContext, obj: Any, path: UPath) -> None:  # noqa: ARG002 - a hook of Dagster's
        """As `handle_output`: the file follows from stage and task, whatever the path."""
        self.handle_output(context, obj)

    def load_input(self, context: InputContext) -> Any:
        """Give an input the newest text of each of its partitions.

        Raises:
            DocumentNotFoundError: There is none; also a ``FileNotFoundError``.
        """
        return load(self._files, context)

    def load_from_path(self, context: InputContext, path: UPath) -> str:  # noqa: ARG002 - a hook of Dagster's
        """The text of one file."""
        return decode_text(path.read_bytes())

    def has_output(self, context: OutputContext) -> bool:
        """Whether there is a file for every partition of an output."""
        partitioned = context.has_asset_key and context.has_asset_partitions
        tasks = list(context.asset_partition_keys) if partitioned else [own_task_of(context)]
        return all(self._files.has(stage_of(context), str(task)) for task in tasks)

    def teardown_after_execution(self, context: Any) -> None:  # noqa: ARG002 - the name is Dagster's
        """Let go of the connections when the run, or the step's process, ends."""
        if self._opened is not None:
            self._opened.files.storage.close()

    @property
    def _files(self) -> StageFiles:
        if self._opened is None:
            self._opened = StageFiles(VersionedFiles(self.base_path, self.storage_options), self.folders)
        return self._opened

    @property
    def _base_path(self) -> UPath:  # type: ignore[override] # an attribute there; here it follows from a field
        """Where `UPathIOManager` believes everything to be."""
        return self._files.files.storage.upath("")
