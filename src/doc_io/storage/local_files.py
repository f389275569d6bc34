"""Files of a local disk by descriptor: written whole, synced in batches of few open ones, read only where they are regular."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from doc_io.commit_record import MAX_RECORD_BYTES, RECORD_NAME
from doc_io.storage.base import MAX_FILE_BYTES, Extent, LocalBytes

# O_NOFOLLOW: a symlink in the docs root could name any file of this machine. O_NONBLOCK: opening a FIFO would else wait for
# a writer (open(2)); of regular files it changes nothing.
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

MAX_OPEN_FILES = 100
"""Files that a write holds open; a process may have 256 where the limit is lowest (macOS)."""

_SYNC_THREADS = 8
_CHUNK = 2**16  # bytes; most texts are smaller, and a larger buffer only costs
_NOT_REGULAR = "it is not a regular file"
_T = TypeVar("_T")


class OpenFiles:
    """Files that were written and still have to be synced. They stay open, so that none has to be opened again.

    Where too many are open they are synced and closed, all together, so their number has no bound.

    Args:
        parallel: Whether several are synced at once. For the four files of one document the threads cost what they save;
            for a hundred files they halve the time, as the kernel flushes the disk once for several of them.
    """

    def __init__(self, *, parallel: bool) -> None:
        self._parallel = parallel
        self._descriptors: list[int] = []

    def write(self, path: str, data: bytes) -> None:
        """Write a new file, or hard-link the one that holds these bytes already."""
        if isinstance(data, LocalBytes) and _linked(data, path):
            self._open(path, READ_FLAGS)
        else:
            write_all(self._open(path, _CREATE_FLAGS), data)

    def sync(self) -> None:
        """Make all of them durable, and close them."""
        _start_write_back(self._descriptors)
        for_each(os.fsync, self._descriptors, parallel=self._parallel)
        self.close()

    def close(self) -> None:
        """Close them without a sync."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _open(self, path: str, flags: int) -> int:
        if len(self._descriptors) >= MAX_OPEN_FILES:
            self.sync()
        try:
            descriptor = os.open(path, flags, 0o666)  # the umask takes its share
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._descriptors:
                raise
            self.sync()  # others in this process have nearly all there may be
            descriptor = os.open(path, flags, 0o666)
        self._descriptors.append(descriptor)
        return descriptor


def write_files(folder: str, files: Mapping[str, bytes], opened: OpenFiles) -> list[str]:
    """Write files into a new folder, with folders inside it where their names say so.

    Returns:
        The folders that must be synced, relative to this one.
    """
    subfolders = [""]
    for name, data in files.items():
        subfolder = f"/{name.rpartition('/')[0]}".rstrip("/")
        if subfolder not in subfolders:
            os.mkdir(folder + subfolder)
            subfolders.append(subfolder)
        opened.write(f"{folder}/{name}", data)
    return subfolders


def write_file(path: str, data: bytes) -> None:
    """Write one new file, durable but for its name."""
    descriptor = os.open(path, _CREATE_FLAGS, 0o666)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it; write(2) may take less than it was given, on a full disk for one."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_file(path: str) -> None:
    """Make a file's content durable."""
    descriptor = os.open(path, READ_FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: str) -> bytes:
    """The content of a regular file of bounded size.

    Raises:
        OSError: It cannot be read, or is a FIFO, a socket, a device, a symlink, a folder, or larger than may be.
    """
    try:
        descriptor = os.open(path, READ_FLAGS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symlink, a socket
            raise OSError(error.errno, _NOT_REGULAR) from None
        raise
    try:
        data = os.read(descriptor, _CHUNK)
        # A regular file gives all it has in one call (read(2)). What else gives a few bytes is not what the record says.
        if 0 < len(data) < _CHUNK:
            return data
        _check_regular(path, os.fstat(descriptor))
        if not data:
            return data
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return data + file.read(MAX_FILE_BYTES)
    except (IsADirectoryError, BlockingIOError):  # a folder; a FIFO that somebody writes to
        raise OSError(errno.EINVAL, _NOT_REGULAR) from None
    finally:
        os.close(descriptor)


def _check_regular(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _NOT_REGULAR)
    most = MAX_RECORD_BYTES if path.endswith(f"/{RECORD_NAME}") else MAX_FILE_BYTES
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, and such a file may have {most}")


def extent_of(folder: str) -> Extent | None:
    """The extent of all files in a folder, at any depth; ``None`` where it has none, or where that is not known."""
    newest, size = 0.0, 0
    folders = [folder]
    try:
        for each in folders:  # grows while it is read
            with os.scandir(each) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        found = entry.stat(follow_symlinks=False)
                        newest, size = max(newest, found.st_mtime), size + found.st_size
    except OSError:
        return None
    return Extent(newest, size) if newest else None


def remove_tree(folder: str) -> None:
    """Remove a folder with all that is in it; no error where it is missing. A symlink goes, and what it points to stays."""
    with suppress(FileNotFoundError):
        if os.path.islink(folder):  # not made by doc_io
            os.unlink(folder)
            return
        # Most documents have no folder inside: to go by names takes four fifths of the time of shutil.rmtree.
        with os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                import shutil  # noqa: PLC0415 - it imports every compressor, and a reader removes nothing

                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        os.rmdir(folder)


def for_each(sync: Callable[[_T], None], items: Sequence[_T], *, parallel: bool) -> None:
    """Call a function for each item: in this thread, or in several.

    Raises:
        OSError: The first error, after all have ended.
    """
    if not parallel:
        _one_by_one(sync, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 15 ms that only a batch has to pay

    shares = [items[first::_SYNC_THREADS] for first in range(_SYNC_THREADS)]
    with ThreadPoolExecutor(_SYNC_THREADS) as threads:
        list(threads.map(partial(_one_by_one, sync), shares))


def _one_by_one(sync: Callable[[_T], None], items: Sequence[_T]) -> None:
    for item in items:
        sync(item)


def _linked(data: LocalBytes, path: str) -> bool:
    """Make the path a hard link to the file that holds these bytes already, where that is possible."""
    try:
        os.link(data.path, path, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        return False
    now = os.stat(path, follow_symlinks=False)
    if (now.st_ino, now.st_size, now.st_mtime_ns) == (data.stat.st_ino, data.stat.st_size, data.stat.st_mtime_ns):
        return True
    os.unlink(path)  # it was written since it was read
    return False


def _start_write_back(descriptors: Sequence[int]) -> None:
    # Linux starts writing dirty pages it is advised not to keep (posix_fadvise(2)): the disk then works on all files at
    # once while the first fsync waits. Elsewhere the advice does not exist, and fsync alone does it.
    if hasattr(os, "posix_fadvise"):
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
