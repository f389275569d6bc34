"""The legacy layout: ``<folder>/<task>_v<N>.txt``, the highest N is the latest, and ``<task>.txt`` came before all of them.

A file that is there never changes: each text gets the next free number, and of two writers each gets a number of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from doc_io.commit_record import decode_text, encode_text
from doc_io.errors import DamagedDocumentError
from doc_io.ids import file_stem
from doc_io.storage.base import DocumentExistsError
from doc_io.storage.open import open_storage

NAME = re.compile(r"(?P<task>.+?)(?:_v(?P<version>[0-9]+))?\.txt", re.DOTALL)
"""The name of a file: its task, and its version where it has one."""

UNVERSIONED = -1
"""The version of ``<task>.txt``: before 0."""


class VersionedFile(NamedTuple):
    """One file of the layout.

    Attributes:
        path: Relative to the root.
        version: Its number, or `UNVERSIONED`.
    """

    path: str
    version: int


class VersionedFiles:
    """Versioned text files under one root, local or remote.

    Args:
        root: A folder or a URL that fsspec knows.
        storage_options: Handed to fsspec. Default: none.

    Raises:
        ConfigurationError: The root cannot be used.
    """

    def __init__(self, root: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.storage = open_storage(root, storage_options)

    def write(self, folder: str, task_id: str, text: str) -> VersionedFile:
        """Add a text as the newest version of a task; durable when this returns.

        Args:
            folder: Relative to the root; made where it is missing.
            task_id: Any string; one that a file cannot be named by is encoded.
            text: Written as UTF-8, with nothing changed.

        Returns:
            The new file.

        Raises:
            StorageError: It could not be written; there is no such version.
        """
        stem, data = file_stem(task_id), encode_text(text)
        version = max((each.version for each in self.versions(folder, task_id)), default=UNVERSIONED)
        while True:
            version = max(version + 1, 1)
            path = f"{folder}/{stem}_v{version}.txt"
            try:
                self.storage.add(path, data)
            except DocumentExistsError:  # another writer took the number since the folder was listed
                continue
            return VersionedFile(path, version)

    def versions(self, folder: str, task_id: str) -> list[VersionedFile]:
        """The files of a task, oldest version first.

        Raises:
            StorageError: The folder cannot be listed.
        """
        found = versions_of(task_id, self.storage.names(folder))
        return [VersionedFile(f"{folder}/{name}", version) for version, name in found]

    def latest(self, folder: str, task_id: str) -> VersionedFile | None:
        """The file with the highest version; ``None`` where the task has none."""
        return next(reversed(self.versions(folder, task_id)), None)

    def read(self, file: VersionedFile) -> str:
        """The text of a file, exactly as it was written.

        Raises:
            DamagedDocumentError: It is not UTF-8.
            FileNotFoundError: It was deleted.
        """
        try:
            return decode_text(self.storage.read(file.path))
        except UnicodeDecodeError as error:
            raise DamagedDocumentError(doc_id="(legacy file)", doc_dir=file.path, reason=error) from None


def versions_of(task_id: str, names: Iterable[str]) -> list[tuple[int, str]]:
    """Which of a folder's names are a task's, oldest version first.

    ``a_v1.txt`` is version 1 of ``a``. It is the unversioned file of a task called ``a_v1`` only where nothing else in
    the folder belongs to ``a``.

    Args:
        task_id: The task.
        names: All names of the folder.
    """
    stems = {file_stem(task_id)}
    if "%" not in task_id and "~" not in task_id:
        stems.add(task_id)  # written by another program, with a character that doc_io encodes
    found, unversioned, tasks = [], [], []
    for name in names:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        if name.removesuffix(".txt") in stems:
            unversioned.append((UNVERSIONED, name))
        elif match["task"] in stems and match["version"] is not None:
            found.append((int(match["version"]), name))
        else:
            tasks.append(match["task"])
    other = NAME.fullmatch(f"{task_id}.txt")
    if found or other is None or other["version"] is None or other["task"] not in tasks:
        found += unversioned
    return sorted(found)
