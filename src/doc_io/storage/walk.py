"""Listing a local docs root: every folder of a document, every file where none should be, and what cannot be listed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from doc_io.batches import batches
from doc_io.storage.base import DOCUMENT_DEPTH, STORE_FOLDER, Folder, is_within

_PAGE = 1000  # names of a folder that are held at a time; a stage may have a million keys

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a FIFO may have no writer
_READ_AHEAD = 2**16  # bytes of each file; most are smaller
_FROM_MEMORY = 30e-6  # seconds; what is cached takes 1 µs, and a fast disk 60

_KEY_DEPTH = DOCUMENT_DEPTH - 1
_NOT_UTF8 = "its name is not UTF-8"


class _Listing(NamedTuple):
    """Some of the entries of one folder.

    Attributes:
        folders: Names of the folders in it.
        files: Names of the files in it, and their lengths.
        modified: When the newest file was written; 0 without files.
        error: Why there are no more; empty where there may be.
    """

    folders: list[str]
    files: dict[str, int]
    modified: float
    error: str = ""


def stages(root: str) -> tuple[list[str], Folder]:
    """See `doc_io.storage.base.Storage.stages`.

    Raises:
        OSError: The root cannot be listed.
    """
    names: list[str] = []
    strays: dict[str, int] = {}
    modified = 0.0
    for page in _pages(root):
        if page.error:
            raise OSError(page.error)
        names += page.folders
        strays |= page.files
        modified = max(modified, page.modified)
    return sorted(name for name in names if name != STORE_FOLDER), Folder("", strays, modified)


def folders(root: str, path: str = "", first: str = "", last: str = "") -> Iterator[Folder]:
    """See `doc_io.storage.base.Storage.folders`.

    Args:
        root: The docs root.
        path: Where to begin, relative to it. Default: the root itself.
        first: Only names inside a stage from this one on.
        last: Only names inside a stage before this one.

    Raises:
        OSError: The root cannot be listed.
    """
    if not _is_utf8(path):
        yield _passed_over(path, _NOT_UTF8)
        return
    depth = path.count("/") + 1 if path else 0
    strays: dict[str, int] = {}
    modified, error = 0.0, ""
    for page in _pages(f"{root}/{path}"):
        strays |= page.files if depth or not first else {}
        modified, error = max(modified, page.modified), page.error
        for name in sorted(page.folders):
            inner = f"{path}/{name}" if path else name
            if depth == 1 and not is_within(name, first, last):
                continue
            if depth == _KEY_DEPTH:
                yield folder(root, inner)
            elif inner != STORE_FOLDER:
                yield from folders(root, inner, first, last)
    if error and not path:
        raise OSError(error)
    if depth == 1:
        strays = {name: size for name, size in strays.items() if is_within(name, first, last)}
    if strays or error:
        yield Folder(path, strays, modified or time.time(), error)


def folder(root: str, path: str) -> Folder:
    """All files in one folder and below it; what cannot be listed is said in its ``error``."""
    if not _is_utf8(path):
        return _passed_over(path, _NOT_UTF8)
    top = f"{root}/{path}"
    subfolders = [""]
    files: dict[str, int] = {}
    modified, error = 0.0, ""
    for inner in subfolders:  # grows while it is read, by the folders that are found in it
        for page in _pages(f"{top}/{inner}" if inner else top):
            before = f"{inner}/" if inner else ""
            subfolders += [before + name for name in page.folders]
            files.update((before + name, size) for name, size in page.files.items())
            modified = max(modified, page.modified)
            if page.error:
                error = f"{inner or 'the folder'} cannot be listed: {page.error}"
    return Folder(path, files, modified or _modified(top), error)


def read_ahead(paths: Iterable[str]) -> None:
    """Have the disk begin to read files, unless the first of them is cached already: then the others will be too."""
    for number, path in enumerate(paths):
        try:
            descriptor = os.open(path, _READ_FLAGS)
        except OSError:
            continue
        try:
            if number == 0 and _in_memory(descriptor):
                return
            os.posix_fadvise(descriptor, 0, _READ_AHEAD, os.POSIX_FADV_WILLNEED)
        except OSError:
            continue  # a FIFO, or a folder
        finally:
            os.close(descriptor)


def _in_memory(descriptor: int) -> bool:
    started = time.perf_counter()
    os.pread(descriptor, 1, 0)
    return time.perf_counter() - started < _FROM_MEMORY


def _pages(folder: str) -> Iterator[_Listing]:
    """The entries of a folder, some thousand at a time; nothing where there is no such folder. Never raises."""
    try:
        with os.scandir(folder) as entries:
            for page in batches(entries, _PAGE):
                yield _classify(page)
    except FileNotFoundError:
        return
    except OSError as error:
        yield _Listing([], {}, 0.0, error.strerror or str(error))


def _classify(entries: Iterable[os.DirEntry[str]]) -> _Listing:
    """Tell folders from files. A symlink is a file. What another process removes meanwhile is left out."""
    folders: list[str] = []
    files: dict[str, int] = {}
    modified = 0.0
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
                continue
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError:  # its name is all that can be known of it
            files[_printable(entry.name)] = 0
            continue
        files[_printable(entry.name)] = found.st_size
        modified = max(modified, found.st_mtime)
    return _Listing(folders, files, modified)


def _modified(path: str) -> float:
    """When a folder was changed: 0 where there is none, now where that cannot be known, as nothing must seem old by mistake."""
    try:
        return os.stat(path, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0
    except OSError:
        return time.time()


def _passed_over(path: str, error: str) -> Folder:
    return Folder(_printable(path), {}, time.time(), error)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python decodes other bytes to lone surrogates
        return False
    return True


def _printable(name: str) -> str:
    return name if _is_utf8(name) else os.fsencode(name).decode(errors="backslashreplace")
