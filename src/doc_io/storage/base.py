"""What a storage promises: whole documents, created once, read exactly."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from doc_io.errors import StorageError

if TYPE_CHECKING:
    from upath import UPath

DOCUMENT_DEPTH = 3
"""Segments in the path of a document's folder: stage, logical key, document."""

STORE_FOLDER = ".doc_io"
"""The folder at the root that holds no documents but the store's own files (its id, pins, removals under way). No stage's
folder begins with a dot."""

TEMPORARY_PREFIX = ".tmp-"
"""Starts the name of a folder or file that is being written, or was when its writer died."""

QUARANTINE_PREFIX = ".torn-"
"""Starts the name of a folder that held no whole document and was in the way of one."""

MAX_FILE_BYTES = 2**30
"""Size of the largest file that is written or read. Files are held in memory, and a sparse file can claim any size."""

NO_FILE_ERRORS = frozenset({errno.EINVAL, errno.ELOOP, errno.ENXIO, errno.EFBIG})
"""The ``errno`` of what says that something is no file, or is too large: reading it again gives the same answer."""


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


class Extent(NamedTuple):
    """What a removal has to know of a folder.

    Attributes:
        modified: When it was last written to, as that of `Folder`; 0 where there is no such folder.
        bytes: The length of all its files.
    """

    modified: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Folder:
    """The contents of one folder below the root: a document, something that is none, or files in the wrong place.

    Attributes:
        path: The folder, relative to the root. Three segments for a document; fewer for stray files above one.
        files: Path inside the folder to length in bytes.
        modified: When the newest of it was written, in seconds since 1970, by the clock of the storage: the server of an
            object store, the file system of a disk. Now, where the storage does not say.
        error: Why the folder, or a part of it, was passed over; empty where all of it was listed. A folder with an error
            may hold documents that no scan sees.
    """

    path: str
    files: Mapping[str, int]
    modified: float
    error: str = ""

    @property
    def extent(self) -> Extent:
        """How large it is, and when it was last written to."""
        return Extent(self.modified, sum(self.files.values()))


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


class DocumentExistsError(FileExistsError):
    """There is something already where a new document was to be; the store judges what it is."""


class Storage(ABC):
    """Where the folders of documents are. Every path is relative to the root, with ``/`` between segments.

    Every method raises `doc_io.errors.StorageError` where the storage itself fails; a missing file is
    ``FileNotFoundError``. No method that reads or lists writes anything.
    """

    capabilities: Capabilities
    root: str
    """The docs root as it may be shown: without credentials."""
    option_names: tuple[str, ...] = ()
    """The names of the options that it is opened with; their values may be secret."""

    expected_root: object = None
    """The `root_id` of the right docs root, which every write makes sure of; ``None`` for whatever is there."""

    def root_id(self) -> object:
        """What tells that the docs root is the same: another one where its file system was unmounted. Default: nothing does."""
        return None

    def is_same_root(self) -> bool:
        """Whether the docs root is the expected one."""
        return self.expected_root is None or self.expected_root == self.root_id()

    def create(self, doc_dir: str, files: Mapping[str, bytes]) -> None:
        """Write a new document, whole and durable when this returns.

        Args:
            doc_dir: Its folder.
            files: Path inside the folder to content; ``metadata.json`` is the last one.

        Raises:
            DocumentExistsError: Something is there already; nothing was changed.
            StorageError: It could not be written; no document is there.
        """
        if self.create_many({doc_dir: files}):
            raise DocumentExistsError(errno.EEXIST, "a document exists already", self.shown(doc_dir))

    @abstractmethod
    def create_many(self, documents: Mapping[str, Mapping[str, bytes]], *, written: set[str] | None = None) -> set[str]:
        """Write new documents, each whole and all durable when this returns.

        An error or an interrupt (``KeyboardInterrupt``, ``SystemExit``, Dagster's own) ends the call early. Documents that
        were durable by then stay, and ``written`` names them; of the others, the caller has to assume that they are lost.

        Args:
            documents: Folder to files, as for `create`.
            written: A set that is filled, while the call runs, with the folders of the documents that it has made whole
                and durable. It is right whatever ends the call. Default: none.

        Returns:
            The folders where something exists already; nothing was changed there.

        Raises:
            StorageError: One could not be written. Those in ``written`` are.
        """

    @abstractmethod
    def replace(self, path: str, data: bytes) -> None:
        """Put new content in the place of a file, at one instant and durable."""

    @abstractmethod
    def quarantine(self, doc_dir: str) -> None:
        """Move a folder that is no document out of the way of a new one; nothing is deleted. No error where it is missing."""

    @abstractmethod
    def sync(self, doc_dir: str, files: Iterable[str]) -> None:
        """Make a document durable whose writer may have died before it did so."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: There is no such file.
            StorageError: It is not a regular file, or too large, or could not be read.
        """

    @abstractmethod
    def read_many(self, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        """The contents of many files in the order asked for; the error in the place of one that cannot be read."""

    def prefetch(self, paths: Iterable[str]) -> None:  # noqa: B027 - only a hint
        """Hint that files will be read soon, so that the storage may begin to load them. Missing ones are ignored."""

    @abstractmethod
    def stages(self) -> tuple[list[str], Folder]:
        """The names of the stages' folders, sorted, and the files that lie beside them.

        Raises:
            StorageError: The root cannot be listed.
        """

    @abstractmethod
    def folders(self, stage: str = "", first: str = "", last: str = "") -> Iterator[Folder]:
        """Everything below the root but `STORE_FOLDER`, in flat memory, the folders of a logical key together.

        Every third-level folder once, those of unfinished writes (`.tmp-`, `.torn-`) included; and each shallower
        folder that holds files, with these. What cannot be listed is passed over: it comes as a `Folder` with an ``error``,
        and the rest follows. What another process writes or removes meanwhile may or may not appear.

        Args:
            stage: Only the folder of this stage. Default: all, and files beside the stages.
            first: Only names inside a stage, those of logical keys, from this one on. Default: from the first.
            last: Only names before this one. Default: to the end.

        Raises:
            StorageError: The root itself cannot be listed.
        """

    @abstractmethod
    def folder(self, path: str) -> Folder:
        """The contents of one folder; without files where there is no such folder."""

    @abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Write a file, and its folder where that is missing; atomic, durable, and in the place of what was there."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove one file, durably; no error where it is missing."""

    def remove(self, folder: str) -> None:
        """Remove one folder; see `remove_many`."""
        self.remove_many([folder])

    @abstractmethod
    def remove_many(self, folders: Sequence[str]) -> None:
        """Remove folders with all that is in them, durably; no error where one, or a part of it, is missing.

        The commit record goes first, or everything at one instant: what is left of an interrupted removal is no document.
        """

    @abstractmethod
    def extents(self, folders: Sequence[str]) -> list[Extent]:
        """When each folder was last written to, and how many bytes it has."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of the files directly in a folder, sorted; none where there is no such folder."""

    def add(self, path: str, data: bytes) -> None:
        """Write a new file that is no part of a document, at one instant and durable; its folder too where it is missing.

        Raises:
            DocumentExistsError: There is one already; it was not changed.
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
        """Close connections. Using the storage again opens new ones."""


def is_within(name: str, first: str, last: str) -> bool:
    """Whether a name is from ``first`` on and before ``last``; one that is empty does not restrict."""
    return first <= name and (not last or name < last)


def contained(root: str, path: str) -> str:
    """The full path of a relative one.

    Raises:
        StorageError: It leads out of the root, or is no path. Only a forged row or record can hold one.
    """
    if "/../" in f"/{path}/" or "\0" in path:
        raise StorageError(docs_root=root, action="use", path=path, reason="the path leaves the docs root")
    return f"{root}/{path}"


def check_sizes(root: str, doc_dir: str, files: Mapping[str, bytes]) -> None:
    """Refuse files that could not be read again.

    Raises:
        StorageError: One is larger than `MAX_FILE_BYTES`. Nothing was written.
    """
    for name, data in files.items():
        if len(data) > MAX_FILE_BYTES:
            reason = f"it has {len(data)} bytes, and a file may have {MAX_FILE_BYTES}"
            raise StorageError(docs_root=root, action="write", path=f"{doc_dir}/{name}", reason=reason)
