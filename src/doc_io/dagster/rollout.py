"""From legacy files to documents in steps: an IO manager that writes and reads both.

| phase | written | read |
|---|---|---|
| ``legacy`` | legacy file | legacy files |
| ``dual_write`` | legacy file, then document | legacy files |
| ``index_first`` | legacy file, then document | index; a legacy file where it has none |
| ``index_only`` | document | index |
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from enum import Enum
from typing import Any

from dagster import ConfigurableIOManager, InputContext, OutputContext
from pydantic import ConfigDict, Field

from doc_io.dagster import inputs, legacy_files
from doc_io.dagster.attempts import let_go, take_attempts
from doc_io.dagster.identity import output_info
from doc_io.dagster.io_manager import DocDirIOManager
from doc_io.dagster.outputs import value_of
from doc_io.dagster.reuse import ReusedDocument
from doc_io.dagster.settings import INDEX_FLAG, LEGACY_FLAG, flag, refuse_unknown
from doc_io.dagster.versioned_io_manager import VersionedTextIOManager
from doc_io.document import Document
from doc_io.errors import ConfigurationError, DocIOError

_warned: set[tuple[str, str]] = set()
"""Roots and assets whose fallback this process has warned of."""


class Phase(str, Enum):
    """How far a pipeline has come."""

    LEGACY = "legacy"
    DUAL_WRITE = "dual_write"
    INDEX_FIRST = "index_first"
    INDEX_ONLY = "index_only"

    @property
    def reads_files(self) -> bool:
        """Whether legacy files are what is read."""
        return self in (Phase.LEGACY, Phase.DUAL_WRITE)


def phase_of(option: str | None, environment: Mapping[str, str] = os.environ) -> Phase:
    """The phase that an option names, else the one that the flags of the environment mean.

    Args:
        option: The field ``phase``.
        environment: Where the flags are: index and legacy write off and on, on and on, on and off are ``legacy``,
            ``index_first`` and ``index_only``. A flag that is not set is on for the index and off for legacy writes.

    Raises:
        ConfigurationError: There is no such phase, both flags are off, or one is neither true nor false.
    """
    if option is not None:
        try:
            return Phase(option)
        except ValueError:
            names = ", ".join(phase.value for phase in Phase)
            raise ConfigurationError(
                setting=f"phase = {option!r}", reason="there is no such phase", hint=f"Use one of {names}."
            ) from None
    index = flag(INDEX_FLAG, environment, default=True)
    if flag(LEGACY_FLAG, environment, default=False):
        return Phase.INDEX_FIRST if index else Phase.LEGACY
    if index:
        return Phase.INDEX_ONLY
    raise ConfigurationError(
        setting=f"{INDEX_FLAG}=false with {LEGACY_FLAG}=false",
        reason="then nothing would be written at all",
        hint="Set one of them to true.",
    )


class RolloutIOManager(ConfigurableIOManager):
    """Moves a running pipeline from versioned text files to documents, phase by phase and back.

    Each document that is written to both is only ok where its legacy file is there too; its row says
    ``legacy_write_ok`` and ``legacy_version``. A run or setting that reads ``as_of`` a time reads documents alone.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    def __init__(self, **given: Any) -> None:
        """Refuse a setting that there is not: pydantic would drop a misspelt one in silence."""
        refuse_unknown(type(self), given)
        super().__init__(**given)

    documents: DocDirIOManager = Field(description="Writes and reads the documents.")
    legacy: VersionedTextIOManager = Field(description="Writes and reads the legacy files.")
    phase: str | None = Field(
        default=None,
        description="How far the pipeline has come: legacy, dual_write, index_first or index_only. Default: what"
        " DD_DOCS_INDEX_ENABLED and DD_DOCS_LEGACY_WRITE_ENABLED say, else index_only.",
    )

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write what an asset or op returned, where the phase says. Arguments and errors as for `DocDirIOManager`."""
        phase = phase_of(self.phase)
        if phase is Phase.INDEX_ONLY:
            self.documents.handle_output(context, obj)
            return
        try:
            documents = self._parsed(context, obj)
        except DocIOError:  # the same error, after the texts were kept
            self.documents.handle_output(context, obj)
            return
        if phase is Phase.LEGACY:
            answers = take_attempts(output_info(context))
            legacy_files.dump(
                self.legacy.stage_files,
                context,
                documents,
                more=lambda key: self.documents.get_metadata(context, value_of(obj, key)),
            )
            let_go(answers)
            return
        output = output_info(context)
        written = {
            key: document
            if isinstance(document, ReusedDocument)
            else self.legacy.stage_files.write_beside(output.stage, output.task_of(key), document)
            for key, document in documents.items()
        }
        self.documents.write(context, written, obj)

    def load_input(self, context: InputContext) -> Any:
        """Give an input its texts, from where the phase reads them.

        Raises:
            DocumentNotFoundError: There is none; also a ``FileNotFoundError``.
            ConfigurationError: The input asks for something that legacy files do not have.
        """
        phase = phase_of(self.phase)
        as_of = inputs.as_of_run(context, self.documents.as_of)
        if phase is Phase.LEGACY and as_of is not None:
            raise ConfigurationError(
                setting=f"as_of = {as_of!r} in the phase legacy",
                reason="legacy files do not say when they were read, or by which run",
                hint="Run `doc-io backfill`, and read in the phase index_first.",
            )
        if phase is Phase.INDEX_ONLY or as_of is not None:
            return self.documents.load_input(context)
        if phase is Phase.LEGACY:
            return self.legacy.load_input(context)
        if phase is Phase.DUAL_WRITE:
            return legacy_files.load(self.legacy.stage_files, context, self.documents.store)
        return self._index_first(context)

    def has_output(self, context: OutputContext) -> bool:
        """Whether there is a text for every partition of an output, where the phase reads."""
        if phase_of(self.phase).reads_files:
            return self.legacy.has_output(context)
        return self.documents.has_output(context)

    def _parsed(self, context: OutputContext, obj: Any) -> dict[str | None, Document]:
        output = output_info(context)
        self.documents.writer.check_stage(output)
        return {
            key: document
            if isinstance(document, ReusedDocument)
            else self.documents.writer.judged(output, key, document)
            for key, document in self.documents.documents_of(context, obj).items()
        }

    def _index_first(self, context: InputContext) -> Any:
        store = self.documents.store
        request = inputs.input_request(context, self.documents.reader(context))
        if request.version is not None:
            return self.documents.load_input(context)
        indexed = store.latest_many(request.stage, request.tasks.values())
        missing = {key: task for key, task in request.tasks.items() if task not in indexed}
        fallback = legacy_files.read(self.legacy.stage_files, context, request, missing) if missing else {}
        if not fallback:
            return self.documents.load_input(context)
        lost = [key for key in missing if key not in fallback]
        if lost and not request.allow_missing:
            raise inputs.not_found(store, request, lost)
        self._warn_once(context, request.label, len(fallback))
        of_index = {key: task for key, task in request.tasks.items() if task in indexed}
        rows = inputs.resolve(store, context, dataclasses.replace(request, tasks=of_index))
        values = fallback | dict(zip(rows, request.read(store, list(rows.values()), request.which), strict=True))
        return inputs.shaped(request, {key: values[key] for key in request.tasks if key in values})

    def _warn_once(self, context: InputContext, label: str, texts: int) -> None:
        place = (self.legacy.stage_files.files.storage.root, label)
        if place not in _warned:
            _warned.add(place)
            context.log.warning(
                f"{label}: {texts} of the texts loaded came from legacy files, as the index has no ok document for them."
                " Reading legacy files is deprecated; run `doc-io backfill`, then set the phase to index_only."
            )
