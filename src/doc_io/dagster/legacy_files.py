"""The legacy layout as Dagster sees it: what a step made goes to versioned text files, and inputs come from them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dagster import Failure, MetadataValue

from doc_io.commit_record import encode_text
from doc_io.dagster.identity import output_info
from doc_io.dagster.inputs import InputRequest, input_request, raw_bytes, shaped, texts
from doc_io.dagster.internals import add_asset_metadata, known, step_of
from doc_io.dagster.loaded import note_loaded
from doc_io.document import FAILED, Document, Status
from doc_io.errors import ConfigurationError, DocIOError, DocumentNotFoundError
from doc_io.escaping import printable
from doc_io.ids import file_stem
from doc_io.legacy.versioned_files import UNVERSIONED, VersionedFile, VersionedFiles

if TYPE_CHECKING:
    from dagster import InputContext, OutputContext

    from doc_io.document import DocumentRow
    from doc_io.store import DocumentStore

_RAW = "_raw"
"""Ends the folder of whole answers, where the texts of the stage's own folder are parsed ones."""

_FAILED = "_failed"
"""Ends the folder of texts that are kept and that no input is given."""


class Written(NamedTuple):
    """A text that was written.

    Attributes:
        file: Its file.
        facts: What a document that is written beside it says of it, and a backfill looks for.
    """

    file: VersionedFile
    facts: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class StageFiles:
    """The versioned text files of an IO manager.

    Attributes:
        files: Under which root.
        folders: Stage to its folder; one that is not named has a folder of its own name.
    """

    files: VersionedFiles
    folders: Mapping[str, str]

    def write(self, stage: str, task: str, document: Document) -> Written | None:
        """Write a document's text as the next version of its task; the raw one too where there is a parsed one.

        Returns:
            The file that readers get; ``None`` where the document has no text.

        Raises:
            StorageError: It could not be written.
        """
        folder = self._folder(stage) + (_FAILED if document.outcome in FAILED else "")
        text = document.raw if document.parsed is None else document.parsed
        if text is None:  # skipped, or failed before the first word
            return None
        facts: dict[str, Any] = {}
        if document.parsed is not None and document.raw is not None:
            facts["legacy_raw_version"] = self.files.write(f"{folder}{_RAW}", task, document.raw).version
        file = self.files.write(folder, task, text)
        return Written(file, {**facts, **_facts(file, text)})

    def write_beside(self, stage: str, task: str, document: Document) -> Document:
        """Write the legacy file of a parsed document; the document that is returned is only ok where that worked.

        A document that is not ok is not written: in the legacy layout the newest file counts, whatever is in it.
        """
        if document.outcome is not Status.OK:
            return document
        try:
            written = self.write(stage, task, document)
            facts = {**(written.facts if written is not None else {}), "legacy_write_ok": True}
        except DocIOError as error:
            facts = {"legacy_write_ok": False, "error": f"the legacy file was not written: {error}"}
            document = dataclasses.replace(document, status=Status.GEN_ERROR)
        return dataclasses.replace(document, metadata={**(document.metadata or {}), **facts})

    def latest(self, request: InputRequest, task: str) -> tuple[VersionedFile, str] | None:
        """The newest file of a task and its text; ``None`` where it has none.

        Raises:
            ConfigurationError: The input asks for something that text files do not have.
        """
        if request.read not in (texts, raw_bytes) or request.which == "prompt" or request.version is not None:
            raise ConfigurationError(
                setting=f"The input from {request.label}",
                reason="a legacy file has a text and nothing else",
                hint="Annotate it as str or bytes, without doc_io/version; or backfill, and read from the index.",
            )
        folder = self._folder(request.stage)
        file = self.files.latest(folder + _RAW, task) if request.which == "raw" else None
        file = file or self.files.latest(folder, task)
        return None if file is None else (file, self.files.read(file))

    def has(self, stage: str, task: str) -> bool:
        """Whether a task has a file."""
        return self.files.latest(self._folder(stage), task) is not None

    def _folder(self, stage: str) -> str:
        return self.folders.get(stage) or file_stem(stage)


def dump(
    files: StageFiles,
    context: OutputContext,
    documents: Mapping[str | None, Document],
    *,
    more: Callable[[str | None], Mapping[str, Any]],
) -> None:
    """Write what a step made as versioned text files and nothing else.

    Args:
        files: Where to.
        context: What Dagster knows of the output.
        documents: What the step made, by partition; parsed.
        more: More metadata for the materialization of a partition.

    Raises:
        dagster.Failure: A file could not be written; or a document is not ok, and was kept where no input finds it.
    """
    output = output_info(context)
    try:
        written = {key: files.write(output.stage, output.task_of(key), each) for key, each in documents.items()}
    except DocIOError as error:
        # No retry: it would pay for another generation.
        raise Failure(description=f"{output.label(None)}: {error}", allow_retries=False) from error
    failed = [key for key, document in documents.items() if document.outcome in FAILED]
    if failed:
        raise Failure(
            description="\n".join(
                f"{printable(output.label(key))}: the text is {documents[key].status} and was kept as {_place(files, written[key])}"
                for key in failed
            )
        )
    metadata = {
        key: {"status": str(document.status), **_metadata(files, written[key]), **more(key)}
        for key, document in documents.items()
    }
    if len(documents) == 1:
        context.add_output_metadata(next(iter(metadata.values())))
    elif output.step is not None and output.asset_key is not None:
        add_asset_metadata(output.step, output.asset_key, metadata)


def load(files: StageFiles, context: InputContext, store: DocumentStore | None = None) -> Any:
    """Give an input its texts from the newest legacy files.

    Args:
        files: Where they are.
        context: What Dagster knows of the input.
        store: Where documents were written beside these files, so that they count as read. Default: nowhere.

    Raises:
        DocumentNotFoundError: A task has no file.
        ConfigurationError: The input asks for more than a text.
    """
    request = input_request(context)
    found = read(files, context, request, request.tasks, store)
    missing = [key for key in request.tasks if key not in found]
    if missing and not request.allow_missing:
        raise DocumentNotFoundError(
            kind="legacy",
            of=request.label if missing[0] is None else f"{request.label}, partition {missing[0]}",
            stage=request.stage,
            task=request.tasks[missing[0]],
            newest="none",
        )
    return shaped(request, found)


def read(
    files: StageFiles,
    context: InputContext,
    request: InputRequest,
    tasks: Mapping[str | None, str],
    store: DocumentStore | None = None,
) -> dict[str | None, Any]:
    """The texts of some partitions from their newest files; those without one are left out. Arguments as for `load`."""
    found: dict[str | None, Any] = {}
    for key, task in tasks.items():
        latest = files.latest(request, task)
        if latest is None:
            continue
        file, text = latest
        row = _row_of(store, request.stage, task, _facts(file, text))
        step = step_of(context)
        if row is not None and step is not None:
            note_loaded(step, known(context, "name") or request.label, [row])
        found[key] = encode_text(text) if request.read is raw_bytes else text
    return found


def _row_of(store: DocumentStore | None, stage: str, task: str, facts: Mapping[str, Any]) -> DocumentRow | None:
    """The document that was written beside a file, so that what is made from the file has a parent."""
    rows = [] if store is None else store.history(stage, task)
    return next((row for row in rows if facts.items() <= row.meta_small.items()), None)


def _facts(file: VersionedFile, text: str) -> dict[str, Any]:
    version = {} if file.version == UNVERSIONED else {"legacy_version": file.version}
    return {**version, "legacy_sha256": hashlib.sha256(encode_text(text)).hexdigest()}


def _metadata(files: StageFiles, written: Written | None) -> dict[str, Any]:
    if written is None:
        return {}
    return {"path": MetadataValue.path(_place(files, written)), "version": written.file.version}


def _place(files: StageFiles, written: Written | None) -> str:
    return "no file" if written is None else files.files.storage.shown(written.file.path)
