"""What lies below a local docs root: every folder of a document, and every file where none should be."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from doc_io.storage.base import DOCUMENT_DEPTH, STORE_FOLDER, Folder

_PAGE = 1000  # names of a folder that are held at a time; a stage may have a million keys

_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: nobody may write into a pipe
_READ_AHEAD = 2**16  # bytes of each file; most are smaller
_FROM_MEMORY = 30e-6  # seconds; what is there takes 1 µs, and a fast disk 60

_Listed = tuple[list[str], dict[str, int], float]


def folders(root: str, path: str = "", depth: int = 0) -> Iterator[Folder]:
    """See `doc_io.storage.base.Storage.folders`.

    Args:
        root: The docs root.
        path: Where to begin, relative to it. Default: the root itself.
        depth: How many segments ``path`` has.

    Raises:
        OSError: A folder above the documents cannot be listed.
    """
    strays: dict[str, int] = {}
    modified = 0.0
    for below, files, newest in _pages(f"{root}/{path}"):
        strays |= files
        modified = max(modified, newest)
        for name in sorted(below):
            inner = f"{path}/{name}" if path else name
            if depth == DOCUMENT_DEPTH - 1:
                yield folder(root, inner)
            elif inner != STORE_FOLDER:
                yield from folders(root, inner, depth + 1)
    if strays:
        yield Folder(path, strays, modified)


def keys(root: str) -> Iterator[str]:
    """The folders of all logical keys, relative to the root.

    Raises:
        OSError: The root or a stage cannot be listed.
    """
    for stages, _, _ in _pages(root):
        for stage in sorted(stages):
            if stage != STORE_FOLDER:
                for below, _, _ in _pages(f"{root}/{stage}"):
                    yield from (f"{stage}/{key}" for key in sorted(below))


def folder(root: str, path: str) -> Folder:
    """All files in one folder and below it; none where it cannot be listed, which must not end the scan of the rest."""
    top = f"{root}/{path}"
    try:
        below, files, modified = _listed(top)
        for inner in below:  # grows while it is read, by the folders that are found in it
            deeper, more, newest = _listed(f"{top}/{inner}")
            below += [f"{inner}/{name}" for name in deeper]
            files.update((f"{inner}/{name}", size) for name, size in more.items())
            modified = max(modified, newest)
        return Folder(path, files, modified or os.stat(top).st_mtime)
    except OSError:
        return Folder(path, {}, 0.0)


def read_ahead(paths: Iterable[str]) -> None:
    """Have the disk begin to read files, unless the first of them is in memory already: then the others will be too."""
    for number, path in enumerate(paths):
        try:
            descriptor = os.open(path, _LOOK)
        except OSError:
            continue
        try:
            if number == 0 and _in_memory(descriptor):
                return
            os.posix_fadvise(descriptor, 0, _READ_AHEAD, os.POSIX_FADV_WILLNEED)
        except OSError:
            continue  # a pipe, or a folder
        finally:
            os.close(descriptor)


def _in_memory(descriptor: int) -> bool:
    started = time.perf_counter()
    os.pread(descriptor, 1, 0)
    return time.perf_counter() - started < _FROM_MEMORY


def _pages(folder: str) -> Iterator[_Listed]:
    """What `_listed` says, of some thousand names at a time; nothing where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            while page := list(islice(entries, _PAGE)):
                yield _told_apart(page)
    except FileNotFoundError:
        return


def _listed(folder: str) -> _Listed:
    """The folders and the files right in a folder, and when the newest file was written."""
    try:
        with os.scandir(folder) as entries:
            return _told_apart(entries)
    except FileNotFoundError:
        return [], {}, 0.0


def _told_apart(entries: Iterable[os.DirEntry[str]]) -> _Listed:
    """A symlink is a file. What another process removes meanwhile is left out."""
    folders: list[str] = []
    files: dict[str, int] = {}
    modified = 0.0
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        files[entry.name] = found.st_size
        modified = max(modified, found.st_mtime)
    return folders, files, modified
