"""What lies below a local docs root: every folder of a document, and every file where none should be."""

from __future__ import annotations

import os
from collections.abc import Iterator

from doc_io.storage.base import DOCUMENT_DEPTH, KEPT_APART, Folder


def folders(root: str, path: str = "", depth: int = 0) -> Iterator[Folder]:
    """See `doc_io.storage.base.Storage.folders`.

    Args:
        root: The docs root.
        path: Where to begin, relative to it. Default: the root itself.
        depth: How many segments ``path`` has.

    Raises:
        OSError: A folder above the documents cannot be listed.
    """
    below, strays, modified = _listed(f"{root}/{path}")
    if strays:
        yield Folder(path, strays, modified)
    for name in sorted(below):
        inner = f"{path}/{name}" if path else name
        if depth == DOCUMENT_DEPTH - 1:
            yield folder(root, inner)
        elif inner != KEPT_APART:
            yield from folders(root, inner, depth + 1)


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


def _listed(folder: str) -> tuple[list[str], dict[str, int], float]:
    """The folders and the files right in a folder, and when the newest file was written.

    A symlink is a file. What another process removes meanwhile is left out.
    """
    folders: list[str] = []
    files: dict[str, int] = {}
    modified = 0.0
    try:
        with os.scandir(folder) as entries:
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
    except FileNotFoundError:
        pass
    return folders, files, modified
