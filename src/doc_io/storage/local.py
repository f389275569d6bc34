"""The local disk: a document is durable when `create` returns, and appears at one instant.

The recipe is the cheapest of those that survived every simulated power cut (docs/reliability.md): write all files into a
temporary folder, rename it, start the write-back of all, then fsync each file and each folder that got a new name.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from doc_io.durable_folders import make_durable_folder, sync_folder
from doc_io.errors import StorageError
from doc_io.storage import walk
from doc_io.storage.base import Capabilities, DocumentThereError, Folder, LocalBytes, Storage, contained

if TYPE_CHECKING:
    from upath import UPath

TEMPORARY_PREFIX = ".tmp-"
"""Starts the name of a folder that is being written, or was when its writer died."""

QUARANTINE_PREFIX = ".torn-"
"""Starts the name of a folder that held no whole document and was in the way of one."""

# O_NOFOLLOW: a symlink in the docs root could name any file of this machine.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 2**16  # bytes; most texts are smaller, and a larger buffer only costs
_T = TypeVar("_T")
_MAX_OPEN = 100  # files at a time; a process may have 256 where the limit is lowest (macOS)
_AT_ONCE = 8  # syncs of a batch under way
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

    def create(self, doc_dir: str, files: Mapping[str, bytes]) -> None:
        if self.create_many({doc_dir: files}):
            raise DocumentThereError(errno.EEXIST, "a document lies there already", self._path(doc_dir))

    def create_many(self, documents: Mapping[str, Mapping[str, bytes]]) -> set[str]:
        there: set[str] = set()
        ours: list[str] = []  # what a failure must take away
        made: dict[str, None] = {}
        with self._translate_errors("write", next(iter(documents), "")):
            try:
                for batch in _batches(documents):
                    there |= self._create_batch(batch, ours, made)
                self._settle(made)
            except BaseException:
                # After a failed fsync Linux forgets what was not written, so these folders must not be taken for
                # documents by a later attempt (wiki.postgresql.org/wiki/Fsync_Errors).
                for folder in ours:
                    _discard(folder)
                raise
        return there

    def _create_batch(
        self, batch: Mapping[str, Mapping[str, bytes]], ours: list[str], made: dict[str, None]
    ) -> set[str]:
        """Write a few documents side by side; a folder is added to ``ours`` and ``made`` before anything can fail."""
        there: set[str] = set()
        descriptors: list[int] = []
        folders: list[str] = []
        try:
            for doc_dir, files in batch.items():
                final = self._path(doc_dir)
                key_folder = os.path.dirname(final)
                temporary = f"{key_folder}/{TEMPORARY_PREFIX}{os.path.basename(final)}-{os.urandom(4).hex()}"
                made.update(self._make_temporary(temporary, key_folder))
                ours.append(temporary)
                subfolders = _write_files(temporary, files, descriptors)
                if not self._rename(temporary, final):
                    _discard(ours.pop())
                    there.add(doc_dir)
                    continue
                ours[-1] = final
                folders += [*(final + each for each in subfolders), key_folder]
            _start_write_back(descriptors)
            _each(os.fsync, descriptors, side_by_side=len(batch) > 1)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        _each(sync_folder, list(dict.fromkeys(folders)), side_by_side=len(batch) > 1)
        return there

    def replace(self, path: str, data: bytes) -> None:
        final = self._path(path)
        folder = os.path.dirname(final)
        temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(4).hex()}"
        with self._translate_errors("replace", path):
            try:
                _write(temporary, data)
                os.rename(temporary, final)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
            sync_folder(folder)

    def quarantine(self, doc_dir: str) -> None:
        folder = self._path(doc_dir)
        key_folder, name = os.path.split(folder)
        with self._translate_errors("set aside", doc_dir), suppress(FileNotFoundError):
            os.rename(folder, f"{key_folder}/{QUARANTINE_PREFIX}{name}-{os.urandom(4).hex()}")

    def sync(self, doc_dir: str, files: Iterable[str]) -> None:
        folder = self._path(doc_dir)
        with self._translate_errors("sync", doc_dir):
            folders = {folder, os.path.dirname(folder)}
            for name in files:
                path = f"{folder}/{name}"
                folders.add(os.path.dirname(path))
                descriptor = os.open(path, _READ)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            for each in folders:
                sync_folder(each)

    def read(self, path: str) -> bytes:
        try:
            descriptor = os.open(self._path(path), _READ)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._error("read", path, error) from error
        try:
            data = os.read(descriptor, _CHUNK)
            if len(data) < _CHUNK:  # a regular file gives all it has in one call (read(2))
                return data
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return data + file.read()
        except OSError as error:
            raise self._error("read", path, error) from error
        finally:
            os.close(descriptor)

    def read_many(self, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        # One after the other: on a warm cache threads cost more than they save (1,000 plain opens take 23 ms).
        for path in paths:
            try:
                yield self.read(path)
            except OSError as error:
                yield error

    def prefetch(self, paths: Iterable[str]) -> None:
        # Linux begins to read what it is told will be needed, and does not wait for it (posix_fadvise(2)): a disk that is
        # asked for a thousand files at once gives them three times as fast. Elsewhere there is no such advice.
        if hasattr(os, "posix_fadvise"):
            walk.read_ahead(map(self._path, paths))

    def folders(self, within: str = "") -> Iterator[Folder]:
        with self._translate_errors("list", within):
            yield from walk.folders(self.root, within, within.count("/") + 1 if within else 0)

    def logical_keys(self) -> Iterator[str]:
        """The folders of all logical keys, in flat memory; what does not lie in one of them is no document."""
        with self._translate_errors("list", ""):
            yield from walk.keys(self.root)

    def folder(self, path: str) -> Folder:
        self._path(path)  # refuses what leaves the root
        return walk.folder(self.root, path)

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
        final = self._path(path)
        folder = os.path.dirname(final)
        temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
        with self._translate_errors("write", path):
            make_durable_folder(folder)
            try:
                _write(temporary, data)
                os.link(temporary, final)  # unlike a rename it never takes the place of a file that is there
            except FileExistsError:
                raise DocumentThereError(errno.EEXIST, "a file lies there already", final) from None
            finally:
                with suppress(OSError):
                    os.unlink(temporary)
            sync_folder(folder)

    def put(self, path: str, data: bytes) -> None:
        with self._translate_errors("write", path):
            make_durable_folder(os.path.dirname(self._path(path)))
        self.replace(path, data)

    def delete(self, path: str) -> None:
        final = self._path(path)
        with self._translate_errors("delete", path):
            try:
                os.unlink(final)
            except FileNotFoundError:
                return
            sync_folder(os.path.dirname(final))

    def remove(self, folder: str) -> None:
        final = self._path(folder)
        key_folder, name = os.path.split(final)
        doomed = final
        with self._translate_errors("remove", folder):
            try:
                if not name.startswith(TEMPORARY_PREFIX):
                    doomed = f"{key_folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
                    os.rename(final, doomed)  # the document is gone at one instant
                    sync_folder(key_folder)
                if os.path.islink(doomed):  # somebody else's; what it points to is not ours
                    os.unlink(doomed)
                else:
                    shutil.rmtree(doomed)
            except FileNotFoundError:
                return

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

    def _make_temporary(self, temporary: str, key_folder: str) -> dict[str, None]:
        """Make it and whatever is missing above it; the folders whose own names are still to be settled."""
        made = self._make(key_folder)
        try:
            os.mkdir(temporary)
        except FileNotFoundError:  # a pruner took the empty folder since this process last wrote to it
            self._settled.clear()
            made = self._make(key_folder)
            os.mkdir(temporary)
        return made

    def _make(self, folder: str) -> dict[str, None]:
        """Make sure that a folder is there; it and those above it that this process has not settled, upper ones first."""
        if folder in self._settled:
            return {}
        if folder == self.root:
            make_durable_folder(folder)
            return {folder: None}
        made = self._make(os.path.dirname(folder))
        with suppress(FileExistsError):
            os.mkdir(folder)
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
        """Give a folder its name; ``False`` where something lies there already."""
        try:
            os.rename(temporary, final)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        return True

    @contextmanager
    def _translate_errors(self, action: str, path: str) -> Iterator[None]:
        """Say of every failure of the disk what was being done; a file in the way is for the caller to judge."""
        try:
            yield
        except DocumentThereError:
            raise
        except OSError as error:
            raise self._error(action, path, error) from error

    def _error(self, action: str, path: str, error: OSError) -> StorageError:
        return StorageError(docs_root=self.root, action=action, path=path, reason=error.strerror or str(error))


def _batches(documents: Mapping[str, Mapping[str, bytes]]) -> Iterator[dict[str, Mapping[str, bytes]]]:
    """The documents in batches of a bounded number of files: all of a batch are open at the same time."""
    batch: dict[str, Mapping[str, bytes]] = {}
    count = 0
    for doc_dir, files in documents.items():
        if batch and count + len(files) > _MAX_OPEN:
            yield batch
            batch, count = {}, 0
        batch[doc_dir] = files
        count += len(files)
    if batch:
        yield batch


def _write_files(folder: str, files: Mapping[str, bytes], descriptors: list[int]) -> list[str]:
    """Write the files and leave them open, so that each can be synced without opening it again; the folders inside."""
    subfolders = [""]
    for name, data in files.items():
        subfolder = f"/{name.rpartition('/')[0]}".rstrip("/")
        if subfolder not in subfolders:
            os.mkdir(folder + subfolder)
            subfolders.append(subfolder)
        path = f"{folder}/{name}"
        if isinstance(data, LocalBytes) and _linked(data, path):
            descriptors.append(os.open(path, _READ))
            continue
        descriptors.append(os.open(path, _CREATE, 0o666))  # the umask takes its share
        _write_all(descriptors[-1], data)
    return subfolders


def _linked(data: LocalBytes, path: str) -> bool:
    """Make the path a hard link to the file that holds these bytes already, where that can be."""
    try:
        os.link(data.path, path, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        return False
    now = os.stat(path, follow_symlinks=False)
    if (now.st_ino, now.st_size, now.st_mtime_ns) == (data.stat.st_ino, data.stat.st_size, data.stat.st_mtime_ns):
        return True
    os.unlink(path)  # it was written since it was read
    return False


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, _CREATE, 0o666)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # write(2) may take less than it was given, a full disk for one
        rest = rest[os.write(descriptor, rest) :]


def _each(sync: Callable[[_T], None], things: Sequence[_T], *, side_by_side: bool) -> None:
    """Sync them all: one after the other, or side by side, where the kernel flushes the disk once for several of them.

    For the four files of one document the threads cost what they save; for a hundred files they halve the time.
    """
    if not side_by_side:
        _in_turn(sync, things)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 15 ms that only a batch has to pay

    shares = [things[first::_AT_ONCE] for first in range(_AT_ONCE)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(partial(_in_turn, sync), shares))  # raises the first error, after all have ended


def _in_turn(sync: Callable[[_T], None], things: Sequence[_T]) -> None:
    for thing in things:
        sync(thing)


def _start_write_back(descriptors: list[int]) -> None:
    # Linux starts writing dirty pages it is advised not to keep (posix_fadvise(2)): the disk then works on all files at
    # once while the first fsync waits. Elsewhere the advice does not exist, and fsync alone does it.
    if hasattr(os, "posix_fadvise"):
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _discard(folder: str) -> None:
    """Take away what this very call wrote and nobody was told of; a folder that will not go is found by verify."""
    doomed = f"{os.path.dirname(folder)}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    with suppress(OSError):
        os.rename(folder, doomed)
        shutil.rmtree(doomed)
