"""From legacy files to documents in steps, and back: who is written and who is read in each phase.

| phase | written | read |
|---|---|---|
| ``legacy`` | legacy files | legacy files |
| ``dual_write`` | legacy file, then document | legacy files |
| ``index_first`` | legacy file, then document | index; a legacy file where it has none |
| ``index_only`` | document | index |
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from doc_io.dagster import inputs, legacy_files
from doc_io.errors import ConfigurationError

if TYPE_CHECKING:
    from dagster import InputContext

    from doc_io.dagster.legacy_files import StageFiles
    from doc_io.store import DocumentStore

INDEX_FLAG = "DD_DOCS_INDEX_ENABLED"
LEGACY_FLAG = "DD_DOCS_LEGACY_WRITE_ENABLED"
PROMPT_FLAG = "DD_DOCS_PROMPT_COPY_ENABLED"

_warned: set[tuple[str, str]] = set()
"""Roots and assets whose fallback this process has warned of."""


class Phase(str, Enum):
    """How far a pipeline has come."""

    LEGACY = "legacy"
    DUAL_WRITE = "dual_write"
    INDEX_FIRST = "index_first"
    INDEX_ONLY = "index_only"

    @property
    def writes_files(self) -> bool:
        """Whether legacy files are written."""
        return self is not Phase.INDEX_ONLY

    @property
    def reads_files(self) -> bool:
        """Whether legacy files are what is read."""
        return self in (Phase.LEGACY, Phase.DUAL_WRITE)


def phase_of(option: str | None, environment: Mapping[str, str] = os.environ) -> Phase:
    """The phase that an option names, else the one that the flags of the environment mean.

    Args:
        option: The IO manager's ``rollout``.
        environment: Where the flags are: index and legacy write off and on, on and on, on and off are ``legacy``,
            ``index_first`` and ``index_only``. A flag that is not set is on for the index and off for legacy writes.

    Raises:
        ConfigurationError: There is no such phase, both flags are off, or one is neither true nor false.
    """
    if option is not None:
        try:
            return Phase(option)
        except ValueError:
            known = ", ".join(phase.value for phase in Phase)
            raise ConfigurationError(
                setting=f"rollout = {option!r}", reason="there is no such phase", hint=f"Use one of {known}."
            ) from None
    index = _flag(INDEX_FLAG, environment, default=True)
    if _flag(LEGACY_FLAG, environment, default=False):
        return Phase.INDEX_FIRST if index else Phase.LEGACY
    if index:
        return Phase.INDEX_ONLY
    raise ConfigurationError(
        setting=f"{INDEX_FLAG}=false with {LEGACY_FLAG}=false",
        reason="then nothing would be written at all",
        hint="Set one of them to true.",
    )


def copies_prompts(option: bool | None, environment: Mapping[str, str] = os.environ) -> bool:  # noqa: FBT001 - a setting
    """Whether prompts go to prompt.txt: what the option says, else the flag, else yes.

    Raises:
        ConfigurationError: The flag is neither true nor false.
    """
    return _flag(PROMPT_FLAG, environment, default=True) if option is None else option


def load(
    phase: Phase, store: DocumentStore, legacy: StageFiles, context: InputContext, as_of: str | None = None
) -> Any:
    """Give an input its texts, from where its phase reads them. Errors as for `doc_io.dagster.inputs.load`."""
    if phase is Phase.LEGACY:
        return legacy_files.load(legacy, context)
    if phase is Phase.DUAL_WRITE:
        return legacy_files.load(legacy, context, store)
    if phase is Phase.INDEX_FIRST:
        return _index_first(store, legacy, context, as_of)
    return inputs.load(store, context, as_of)


def _index_first(store: DocumentStore, legacy: StageFiles, context: InputContext, as_of: str | None) -> Any:
    wanted = inputs.input_request(context)
    if wanted.version is not None or as_of is not None:
        return inputs.load(store, context, as_of)
    there = store.latest_many(wanted.stage, wanted.tasks.values())
    missing = {key: task for key, task in wanted.tasks.items() if task not in there}
    fallback = legacy_files.read(legacy, context, wanted, missing) if missing else {}
    if not fallback:
        return inputs.load(store, context)
    lost = [key for key in missing if key not in fallback]
    if lost and not wanted.allow_missing:
        raise inputs.not_found(store, wanted, lost)
    _warn_once(legacy, context, wanted.label, len(fallback))
    of_index = {key: task for key, task in wanted.tasks.items() if task in there}
    rows = inputs.resolve(store, context, dataclasses.replace(wanted, tasks=of_index))
    values = fallback | dict(zip(rows, wanted.read(store, list(rows.values()), wanted.which), strict=True))
    return inputs.shaped(wanted, {key: values[key] for key in wanted.tasks if key in values})


def _warn_once(legacy: StageFiles, context: InputContext, label: str, texts: int) -> None:
    place = (legacy.files.storage.root, label)
    if place not in _warned:
        _warned.add(place)
        context.log.warning(
            f"{label}: {texts} of the texts loaded came from legacy files, as the index has no ok document for them."
            " Reading legacy files is deprecated; run `doc-io backfill`, then set rollout to index_only."
        )


def _flag(name: str, environment: Mapping[str, str], *, default: bool) -> bool:
    said = environment.get(name, "").strip().lower()
    if said in ("true", "1", "yes", "on"):
        return True
    if said in ("false", "0", "no", "off"):
        return False
    if said == "":
        return default
    raise ConfigurationError(
        setting=f"{name}={said!r}", reason="it is neither true nor false", hint="Set it to true or false."
    )
