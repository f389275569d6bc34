"""What a storage promises: whole documents, created once, read exactly."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doc_io.errors import StorageError

if TYPE_CHECKING:
    from upath import UPath

DOCUMENT_DEPTH = 3
"""Segments in the path of a document's folder: stage, logical key, document."""

STORE_FOLDER = ".doc_io"
"""The folder at the root that holds no documents but what is remembered of them (pins, removals under way). No stage's
folder begins with a dot."""


@dataclass(frozen=True)
class Capabilities:
    """What a storage can do, declared and not guessed.

    Attributes:
        atomic_create: Of two writers of one document exactly one succeeds.
        atomic_document: All files of a document appear at one instant.
        durable: What was written survives a power cut once the call returns.
        whole_files: A file that is there has its bytes, after a power cut too; else only its hash tells.
    """

    atomic_create: bool
    atomic_document: bool
    durable: bool
    whole_files: bool


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies in one place below the root: a document, something that is none, or files that are in the wrong place.

    Attributes:
        path: The folder, relative to the root. Three segments where documents lie; fewer for stray files above them.
        files: Path inside the folder to length in bytes.
        modified: When the newest of it was written, in seconds since 1970.
    """

    path: str
    files: Mapping[str, int]
    modified: float


class LocalBytes(bytes):
    """The content of a file of this machine that a local storage may hard-link instead of writing it once more.

    Attributes:
        path: The file.
        stat: What it was when it was read; another file, or one that was written since, is not linked.
    """

    path: str
    stat: os.stat_result

    @classmethod
    def of(cls, data: bytes, path: str, stat: os.stat_result) -> LocalBytes:
        """These bytes, read from that file."""
        linked = cls(data)
        linked.path, linked.stat = path, stat
        return linked


class DocumentThereError(FileExistsError):
    """Something lies already where a new document was to be; the store judges what it is."""


class Storage(ABC):
    """Where the folders of documents lie. Every path is relative to the root, with ``/`` between segments.

    Every method raises `doc_io.errors.StorageError` where the storage itself fails; a missing file is
    ``FileNotFoundError``.
    """

    capabilities: Capabilities
    root: str
    """The docs root as it may be shown: without credentials."""

    @abstractmethod
    def create(self, doc_dir: str, files: Mapping[str, bytes]) -> None:
        """Write a new document, whole and durable when this returns.

        Args:
            doc_dir: Its folder.
            files: Path inside the folder to content; ``metadata.json`` is the last one.

        Raises:
            DocumentThereError: Something lies there already; nothing was changed.
            StorageError: It could not be written; no document is there.
        """

    def create_many(self, documents: Mapping[str, Mapping[str, bytes]]) -> set[str]:
        """Write new documents, each whole and all durable when this returns.

        Args:
            documents: Folder to files, as for `create`.

        Returns:
            The folders where something lies already; nothing was changed there.

        Raises:
            StorageError: One could not be written; none of them may be taken for written.
        """
        there = set()
        for doc_dir, files in documents.items():
            try:
                self.create(doc_dir, files)
            except DocumentThereError:
                there.add(doc_dir)
        return there

    @abstractmethod
    def replace(self, path: str, data: bytes) -> None:
        """Put new content in the place of a file, at one instant and durable."""

    @abstractmethod
    def quarantine(self, doc_dir: str) -> None:
        """Take a folder that is no document out of the way of a new one; nothing is deleted. None there: nothing to do."""

    @abstractmethod
    def sync(self, doc_dir: str, files: Iterable[str]) -> None:
        """Make durable what another writer may only have begun to."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: It is not there.
        """

    @abstractmethod
    def read_many(self, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        """The contents of many files in the order asked for; the error in the place of one that cannot be read."""

    def prefetch(self, paths: Iterable[str]) -> None:  # noqa: B027 - only a hint
        """Say which files will be read soon; where the storage can, it begins with them. No error where one is not there."""

    @abstractmethod
    def folders(self) -> Iterator[Folder]:
        """Everything that lies below the root but `STORE_FOLDER`, in flat memory, a key's folders together.

        Every third-level folder once, those of unfinished writes (`.tmp-`, `.torn-`) included; and each shallower
        folder that holds files, with these. What another process writes or removes meanwhile may or may not appear.
        """

    @abstractmethod
    def folder(self, path: str) -> Folder:
        """What lies in one folder; without files where there is no such folder."""

    @abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Write a file, its folder with it where that is missing; at one instant and durable, over what was there."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove one file, durably; no error where it is gone already."""

    @abstractmethod
    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it, durably; no error where it, or a part of it, is gone already.

        The commit record goes first, or everything at one instant: what is left of an interrupted removal is no document.
        """

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of the files that lie right in a folder, sorted; none where there is no such folder."""

    def add(self, path: str, data: bytes) -> None:
        """Write a new file that is no part of a document, at one instant and durable; its folder too where it is missing.

        Raises:
            DocumentThereError: There is one already; it was not changed.
            StorageError: It could not be written.
        """
        folder, _, name = path.rpartition("/")
        self.create(folder, {name: data})  # of objects, a folder is no more than the start of their names

    @abstractmethod
    def upath(self, path: str) -> UPath:
        """The file or folder as a `UPath`, for code that wants to open it by itself."""

    @abstractmethod
    def shown(self, path: str) -> str:
        """The file or folder as a person would open it: a path of this machine, or a URL without credentials."""

    @abstractmethod
    def url(self, path: str) -> str:
        """The file or folder as a URL, without credentials."""

    def close(self) -> None:  # noqa: B027 - a storage without connections has nothing to do
        """Let go of connections. Using the storage again opens new ones."""


def contained(root: str, path: str) -> str:
    """A path below a root, in full.

    Raises:
        StorageError: It leads out of the root, or is none. Only a forged row or record can say so.
    """
    if "/../" in f"/{path}/" or "\0" in path:
        raise StorageError(docs_root=root, action="use", path=path, reason="the path leaves the docs root")
    return f"{root}/{path}"
