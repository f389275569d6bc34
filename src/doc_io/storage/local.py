"""The local disk: a document is durable when `create` returns, and appears at one instant.

The recipe is the cheapest of those that survived every simulated power cut (docs/reliability.md): write all files into a
temporary folder, rename it, start the write-back of all, then fsync each file and each folder that got a new name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from doc_io.durable_folders import make_durable_folder, sync_folder
from doc_io.errors import StorageError
from doc_io.storage import walk
from doc_io.storage.base import (
    QUARANTINE_PREFIX,
    TEMPORARY_PREFIX,
    Capabilities,
    DocumentExistsError,
    Extent,
    Folder,
    Storage,
    check_sizes,
    contained,
)
from doc_io.storage.local_files import (
    MAX_OPEN_FILES,
    OpenFiles,
    extent_of,
    for_each,
    read_file,
    remove_tree,
    sync_file,
    write_file,
    write_files,
)

if TYPE_CHECKING:
    from upath import UPath

_MAX_SETTLED = 50_000  # folders, some 10 MB of names


class LocalStorage(Storage):
    """Documents in folders of a local file system.

    Args:
        root: The docs root, made when the first document is written.
    """

    capabilities = Capabilities(atomic_create=True, atomic_document=True, durable=True, whole_files=False)

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(os.fspath(root))
        self._settled: set[str] = set()

    def root_id(self) -> object:
        with suppress(OSError):
            found = os.stat(self.root)
            return found.st_dev, found.st_ino
        return None

    def _check_root(self, written: Iterable[str] = ()) -> None:
        """Refuse a write onto the disk below a mount, to be called after it: the root and what was written are to be seen."""
        for path in written:
            os.stat(path)  # else it was unmounted and is mounted again
        if not self.is_same_root():
            self._settled.clear()
            raise OSError(errno.ESTALE, "the docs root is not the folder that it was; check that it is mounted")

    def create_many(self, documents: Mapping[str, Mapping[str, bytes]], *, written: set[str] | None = None) -> set[str]:
        written = set() if written is None else written
        existing: set[str] = set()
        for doc_dir, files in documents.items():
            check_sizes(self.root, doc_dir, files)
        for batch in _batches(documents):
            with self._translate_errors("write", next(iter(batch))):
                existing |= self._create_batch(batch, written)
        return existing

    def _create_batch(self, batch: Mapping[str, Mapping[str, bytes]], written: set[str]) -> set[str]:
        """Write a few documents together; those of them that are made whole and durable are added to ``written``."""
        existing: set[str] = set()
        temporaries: list[str] = []
        finals: dict[str, str] = {}  # path to doc_dir
        folders: list[str] = []
        made: dict[str, None] = {}
        opened = OpenFiles(parallel=len(batch) > 1)
        try:
            for doc_dir, files in batch.items():
                final = self._path(doc_dir)
                key_folder = os.path.dirname(final)
                temporaries.append(f"{key_folder}/{TEMPORARY_PREFIX}{os.path.basename(final)}-{os.urandom(4).hex()}")
                made.update(self._make_temporary(temporaries[-1], key_folder))
                subfolders = write_files(temporaries[-1], files, opened)
                if not self._rename(temporaries[-1], final):
                    existing.add(doc_dir)
                    continue
                temporaries.pop()
                finals[final] = doc_dir
                folders += [*(final + each for each in subfolders), key_folder]
            opened.sync()
            for_each(sync_folder, list(dict.fromkeys(folders)), parallel=len(batch) > 1)
            self._settle(made)
            self._check_root(finals)
        except OSError:
            # After a failed fsync Linux forgets what was not written, so these folders must not be taken for documents
            # by a later attempt (wiki.postgresql.org/wiki/Fsync_Errors). An interrupt leaves them: they are whole, and
            # the next writer of the same document syncs them first.
            for final in finals:
                _discard(final)
            raise
        finally:
            opened.close()
            for temporary in temporaries:
                _discard(temporary)
        written.update(finals.values())
        return existing

    def replace(self, path: str, data: bytes) -> None:
        with self._translate_errors("replace", path):
            final = self._own_path(path)
            folder = os.path.dirname(final)
            temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(4).hex()}"
            try:
                write_file(temporary, data)
                os.rename(temporary, final)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
            sync_folder(folder)

    def quarantine(self, doc_dir: str) -> None:
        with self._translate_errors("quarantine", doc_dir), suppress(FileNotFoundError):
            folder = self._own_path(doc_dir)
            key_folder, name = os.path.split(folder)
            os.rename(folder, f"{key_folder}/{QUARANTINE_PREFIX}{name}-{os.urandom(4).hex()}")

    def sync(self, doc_dir: str, files: Iterable[str]) -> None:
        folder = self._path(doc_dir)
        with self._translate_errors("sync", doc_dir):
            folders = {folder, os.path.dirname(folder)}
            for name in files:
                path = f"{folder}/{name}"
                folders.add(os.path.dirname(path))
                sync_file(path)
            for each in folders:
                sync_folder(each)

    def read(self, path: str) -> bytes:
        try:
            return read_file(self._path(path))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._error("read", path, error) from error

    def read_many(self, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        # One after the other: on a warm cache threads cost more than they save (1,000 plain opens take 23 ms).
        for path in paths:
            try:
                yield self.read(path)
            except OSError as error:
                yield error

    def prefetch(self, paths: Iterable[str]) -> None:
        # posix_fadvise(2) makes Linux read ahead without waiting: a disk that is
        # asked for a thousand files at once gives them three times as fast. Elsewhere there is no such advice.
        if hasattr(os, "posix_fadvise"):
            walk.read_ahead(map(self._path, paths))

    def stages(self) -> tuple[list[str], Folder]:
        with self._translate_errors("list", ""):
            return walk.stages(self.root)

    def folders(self, stage: str = "", first: str = "", last: str = "") -> Iterator[Folder]:
        with self._translate_errors("list", stage):
            yield from walk.folders(self.root, self._relative(stage), first, last)

    def folder(self, path: str) -> Folder:
        return walk.folder(self.root, self._relative(path))

    def extents(self, folders: Sequence[str]) -> list[Extent]:
        # In few words for the common case: a pruning asks this of each document, and of what replaced it.
        return [extent_of(self._path(path)) or self.folder(path).extent for path in folders]

    def names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._path(folder)) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if entry.is_file(follow_symlinks=False) and not entry.name.startswith(TEMPORARY_PREFIX)
                )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._error("list", folder, error) from error

    def add(self, path: str, data: bytes) -> None:
        with self._translate_errors("write", path):
            final = self._own_path(path)
            folder = os.path.dirname(final)
            temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
            make_durable_folder(folder)
            try:
                write_file(temporary, data)
                os.link(temporary, final)  # unlike a rename it never takes the place of a file that is there
            except FileExistsError:
                raise DocumentExistsError(errno.EEXIST, "a file exists already", final) from None
            finally:
                with suppress(OSError):
                    os.unlink(temporary)
            sync_folder(folder)
            self._check_root([final])

    def put(self, path: str, data: bytes) -> None:
        with self._translate_errors("write", path):
            self._check_root()
            make_durable_folder(os.path.dirname(self._own_path(path)))
            self.replace(path, data)
            self._check_root([self._path(path)])

    def delete(self, path: str) -> None:
        with self._translate_errors("delete", path):
            final = self._own_path(path)
            try:
                os.unlink(final)
            except FileNotFoundError:
                return
            sync_folder(os.path.dirname(final))

    def remove_many(self, folders: Sequence[str]) -> None:
        doomed: list[str] = []
        key_folders: dict[str, None] = {}
        for folder in folders:
            with self._translate_errors("remove", folder):
                final = self._own_path(folder)
            key_folder, name = os.path.split(final)
            if name.startswith(TEMPORARY_PREFIX):
                doomed.append(final)
                continue
            temporary = f"{key_folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
            with self._translate_errors("remove", folder), suppress(FileNotFoundError):
                os.rename(final, temporary)  # the document vanishes at one instant
                doomed.append(temporary)
                key_folders[key_folder] = None
        with self._translate_errors("remove", folders[0] if folders else ""):
            for_each(sync_folder, list(key_folders), parallel=len(key_folders) > 1)
            for_each(remove_tree, doomed, parallel=len(doomed) > 1)

    def upath(self, path: str) -> UPath:
        from upath import UPath  # noqa: PLC0415 - 55 ms that a reader of texts need not wait for

        return UPath(self._path(path))

    def shown(self, path: str) -> str:
        return self._path(path)

    def url(self, path: str) -> str:
        from pathlib import Path  # noqa: PLC0415 - only for the events of a write

        return Path(self._path(path)).as_uri()

    def _path(self, path: str) -> str:
        return contained(self.root, path)

    def _own_path(self, path: str) -> str:
        """The same of a file or folder that is to be changed: no folder on its way may be a symlink, which leads elsewhere."""
        final = self._path(path)
        folder = os.path.dirname(final)
        while len(folder) > len(self.root):
            _refuse_symlink(folder)
            folder = os.path.dirname(folder)
        return final

    def _relative(self, path: str) -> str:
        """The path as it is, if it does not leave the root."""
        self._path(path)
        return path

    def _make_temporary(self, temporary: str, key_folder: str) -> dict[str, None]:
        """Make it and whatever is missing above it; returns the folders whose own names are not durable yet."""
        made = self._make(key_folder)
        try:
            os.mkdir(temporary)
        except FileNotFoundError:  # another process removed the empty folder meanwhile
            self._settled.clear()
            made = self._make(key_folder)
            os.mkdir(temporary)
        return made

    def _make(self, folder: str) -> dict[str, None]:
        """Make a folder where it is missing; returns it and those above it that this process has not settled, upper ones first."""
        if folder in self._settled:
            return {}
        if folder == self.root:
            make_durable_folder(folder)
            return {folder: None}
        made = self._make(os.path.dirname(folder))
        try:
            os.mkdir(folder)
        except FileExistsError:
            _refuse_symlink(folder)
        return {**made, folder: None}

    def _settle(self, made: Mapping[str, None]) -> None:
        """Make the names of folders durable, once in this process.

        Also of those that were there already: their maker may have died, or be just about to sync them. It comes after
        the files, because the first sync of a file makes most file systems write all new names, and a later one of
        their folders then costs little.
        """
        if len(self._settled) > _MAX_SETTLED:
            self._settled.clear()
        for parent in dict.fromkeys(os.path.dirname(folder) for folder in made if folder != self.root):
            sync_folder(parent)
        self._settled.update(made)

    def _rename(self, temporary: str, final: str) -> bool:
        """Give a folder its name; ``False`` where something exists there already."""
        try:
            os.rename(temporary, final)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        return True

    @contextmanager
    def _translate_errors(self, action: str, path: str) -> Iterator[None]:
        """Say of every failure of the disk what was being done; an existing document is for the caller to judge."""
        try:
            yield
        except (DocumentExistsError, StorageError):
            raise
        except OSError as error:
            raise self._error(action, path, error) from error

    def _error(self, action: str, path: str, error: OSError) -> StorageError:
        failure = StorageError(docs_root=self.root, action=action, path=path, reason=error.strerror or str(error))
        failure.errno = error.errno
        return failure


def _batches(documents: Mapping[str, Mapping[str, bytes]]) -> Iterator[dict[str, Mapping[str, bytes]]]:
    """The documents in batches, each of few enough files to be open at the same time where one document has no more."""
    batch: dict[str, Mapping[str, bytes]] = {}
    count = 0
    for doc_dir, files in documents.items():
        if batch and count + len(files) > MAX_OPEN_FILES:
            yield batch
            batch, count = {}, 0
        batch[doc_dir] = files
        count += len(files)
    if batch:
        yield batch


def _refuse_symlink(folder: str) -> None:
    if os.path.islink(folder):
        raise OSError(errno.ELOOP, f"{folder} is a symlink; what it points to is not changed")


def _discard(folder: str) -> None:
    """Remove what this call wrote and did not acknowledge; if that fails, verify finds the rest."""
    doomed = f"{os.path.dirname(folder)}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    with suppress(OSError):
        os.rename(folder, doomed)
        remove_tree(doomed)
