"""Which files a stage's folders hold, task by task; reads only names and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from doc_io.ids import file_stem, unstorable
from doc_io.legacy.backfill_result import BadFile
from doc_io.legacy.layout import StageLayout
from doc_io.legacy.versioned_files import UNVERSIONED


class Found(NamedTuple):
    """A file of a task.

    Attributes:
        version: Its number, or `UNVERSIONED`.
        path: Relative to the data root.
    """

    version: int
    path: str


@dataclass
class TaskFiles:
    """All files of one task, each kind oldest first."""

    raw: list[Found] = field(default_factory=list)
    parsed: list[Found] = field(default_factory=list)
    prompts: list[Found] = field(default_factory=list)


def scan(data_root: Path, layout: StageLayout, tasks: Collection[str]) -> tuple[dict[str, TaskFiles], list[BadFile]]:
    """The files of a stage, by task.

    Args:
        data_root: The folder that the layout's paths are relative to.
        layout: Where the stage's files are.
        tasks: The tasks of its tables, which tell ``a_v1``, a task, from version 1 of ``a``.

    Returns:
        Tasks in order, and the files whose names say less or more than one task and version.
    """
    found: dict[str, TaskFiles] = {}
    bad: list[BadFile] = []
    names = _Names(layout, tasks)
    for kind in ("raw", "parsed", "prompts"):
        # The last folder first, so that its files come before those of the folder that is named first.
        for folder in reversed(getattr(layout, kind)):
            of_folder: dict[str, list[Found]] = {}
            for name, reason in _entries(data_root / folder):
                path = f"{folder}/{name}"
                task, version, odd = names.read(name) if reason is None else (None, 0, reason)
                if odd is not None:
                    bad.append(BadFile(layout.stage, task or "", path, filed=task is not None, reason=odd))
                if task is not None:
                    of_folder.setdefault(task, []).append(Found(version, path))
            for task, files in of_folder.items():
                getattr(found.setdefault(task, TaskFiles()), kind).extend(sorted(files))
    return dict(sorted(found.items())), bad


class _Names:
    """What a name says, in one layout and with its tasks known."""

    def __init__(self, layout: StageLayout, tasks: Collection[str]) -> None:
        self._pattern = layout.pattern
        self._tasks = tasks
        self._by_stem: Mapping[str, str] = {file_stem(task): task for task in tasks}

    def read(self, name: str) -> tuple[str | None, int, str | None]:
        """Task and version of a file, and what is odd about its name; no task where it cannot be one."""
        match = self._pattern.fullmatch(name)
        if match is None:
            return None, 0, "the name is not that of a task's file"
        reason = unstorable(name)
        if reason is not None:
            return None, 0, f"the name cannot be stored: {reason}"
        groups = match.groupdict()
        task, digits = self._task(groups["task"]), groups.get("version")
        if digits is None:
            return task, UNVERSIONED, None
        whole = self._task(name[: match.end("version")])
        if whole in self._tasks:
            if task not in self._tasks:
                return whole, UNVERSIONED, None
            return task, int(digits), f"taken for version {int(digits)} of {task!r}, but {whole!r} is a task too"
        return task, int(digits), None

    def _task(self, stem: str) -> str:
        """The task that a file name stands for; `VersionedFiles` encodes some."""
        if stem in self._tasks:
            return stem
        if stem in self._by_stem:
            return self._by_stem[stem]
        decoded = unquote(stem, errors="surrogatepass")
        return decoded if file_stem(decoded) == stem else stem


def _entries(folder: Path) -> Iterator[tuple[str, str | None]]:
    """The names in a folder, and why one cannot be read."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                regular = entry.is_file(follow_symlinks=False)
                yield entry.name, None if regular else "it is a folder, a link or a device"
    except FileNotFoundError:
        return
    except OSError as error:
        yield "", f"the folder cannot be listed: {error.strerror}"
