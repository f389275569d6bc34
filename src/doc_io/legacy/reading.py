"""From the files of a task to the documents they are: one for each raw version, the parsed text with the latest of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path

from doc_io.commit_record import decode_text
from doc_io.ids import compute_logical_key_id, new_doc_id
from doc_io.legacy.backfill_result import BadFile
from doc_io.legacy.scan import Found, TaskFiles
from doc_io.legacy.versioned_files import UNVERSIONED
from doc_io.storage.base import LocalBytes
from doc_io.writing.draft import time_text

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST = datetime(9999, 1, 1, tzinfo=timezone.utc)  # a file's time may be anything; a year of five digits does not sort

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True)
class OldFile:
    """A legacy file that was read.

    Attributes:
        path: Relative to the data root.
        version: Its number, or `UNVERSIONED`.
        data: Its bytes; of a local file where they may be linked.
        text: What they say.
        sha256: Their hash.
        modified: When it was written, in the form of ``created_at``.
    """

    path: str
    version: int
    data: bytes
    text: str
    sha256: str
    modified: str


@dataclass(frozen=True)
class Old:
    """A legacy document: a raw text, a parsed one, or both.

    Attributes:
        stage: Kind of document.
        task_id: What it was made for.
        raw: The whole answer.
        parsed: The parsed text.
        prompt: The prompt, where one matches.
        asset_key: The asset that made it, where that is known.
    """

    stage: str
    task_id: str
    raw: OldFile | None
    parsed: OldFile | None
    prompt: OldFile | None = None
    asset_key: str | None = None

    @property
    def source(self) -> OldFile:
        """The file that it is a version of."""
        found = self.raw or self.parsed
        if found is None:
            raise AssertionError("an old document without a file")
        return found

    @property
    def text_file(self) -> OldFile:
        """The file that a reader of the legacy layout gets."""
        return self.parsed or self.source

    @property
    def files(self) -> list[OldFile]:
        """Its files."""
        return [file for file in (self.raw, self.parsed, self.prompt) if file is not None]

    @cached_property
    def attempt(self) -> str:
        """Which files it is made of, names and contents; not the prompt, which may be found later."""
        parts = [(kind, file.path, file.sha256) for kind, file in (("raw", self.raw), ("parsed", self.parsed)) if file]
        return f"legacy-{hashlib.sha256(repr(parts).encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"

    @cached_property
    def doc_id(self) -> str:
        """The same for the same files, whatever the run and however much is known of the task by then."""
        key = compute_logical_key_id(self.stage, {"source": self.task_id})
        return new_doc_id(key, "legacy", self.attempt)


def read_task(data_root: Path, stage: str, task_id: str, files: TaskFiles) -> tuple[list[Old], list[BadFile]]:
    """The documents of one task, oldest version first, and the files that are none.

    The latest parsed text belongs to the latest raw one. An earlier parsed text, and one whose raw text cannot be read,
    is a document of its own: nothing that can be read is left out.
    """
    bad: list[BadFile] = []

    def read(found: Found) -> OldFile | None:
        file = _read(data_root, found)
        if isinstance(file, OldFile):
            return file
        bad.append(BadFile(stage, task_id, found.path, filed=False, reason=file))
        return None

    raws, parsed = [read(each) for each in files.raw], [read(each) for each in files.parsed]
    documents = [Old(stage, task_id, None, each) for each in parsed[:-1] if each is not None]
    documents += [Old(stage, task_id, each, None) for each in raws[:-1] if each is not None]
    last_raw, last_parsed = (raws or [None])[-1], (parsed or [None])[-1]
    if last_raw is not None or last_parsed is not None:
        documents.append(Old(stage, task_id, last_raw, last_parsed))
    prompts = _prompts(files.prompts, documents)
    read_prompts = {found: read(found) for found in dict.fromkeys(prompts) if found is not None}
    bad += [
        BadFile(stage, task_id, found.path, filed=False, reason="a prompt that matches no version")
        for found in files.prompts
        if found not in read_prompts
    ]
    return [
        Old(stage, task_id, each.raw, each.parsed, read_prompts.get(found) if found is not None else None)
        for each, found in zip(documents, prompts, strict=True)
    ], bad


def _prompts(found: Sequence[Found], documents: Sequence[Old]) -> list[Found | None]:
    """The prompt of each document: that of its version, else the one without a version, else the last has the latest."""
    by_version: Mapping[int, Found] = {each.version: each for each in found}
    unversioned = by_version.get(UNVERSIONED)
    prompts = [by_version.get(each.source.version, unversioned) for each in documents]
    if prompts and prompts[-1] is None and found:
        prompts[-1] = max(found)
    return prompts


def _read(data_root: Path, found: Found) -> OldFile | str:
    """The file, or why it cannot be taken in."""
    path = data_root / found.path
    try:
        descriptor = os.open(path, _READ)
        with os.fdopen(descriptor, "rb") as file:
            stat = os.fstat(descriptor)
            data = file.read()
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if not data:
        return "it is empty"
    try:
        text = decode_text(data)
    except UnicodeDecodeError as error:
        return f"it is not UTF-8: {error.reason} at byte {error.start}"
    return OldFile(
        path=found.path,
        version=found.version,
        data=LocalBytes.of(data, str(path.absolute()), stat),
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        modified=modified_time(stat.st_mtime_ns),
    )


def modified_time(nanoseconds: int) -> str:
    """The time of a file in the form of ``created_at``; one that no document can have becomes the nearest it can."""
    try:
        moment = _EPOCH + timedelta(microseconds=max(nanoseconds, 0) // 1000)
    except OverflowError:
        moment = _LAST
    return time_text(min(moment, _LAST))
