"""Folders that survive a power cut, for everything that creates files on a local disk."""

from __future__ import annotations

import os

_settled: set[str] = set()  # folders that this process made sure of


def make_durable_folder(folder: str) -> None:
    """Make sure, once in this process, that a folder exists, and that its name and those above it are durable.

    A new name survives a power cut only once the folder that holds it was synced (fsync(2)). Those that were there
    already are synced as well: the process that made them may have been killed before it did. Above a folder that this process may not
    change there is nothing it could have made.

    Args:
        folder: An absolute path. Modes follow the umask.

    Raises:
        OSError: A folder cannot be made, or the disk says that it could not sync one.
    """
    if folder in _settled and os.path.isdir(folder):
        return
    os.makedirs(folder, exist_ok=True)
    path, parent = folder, os.path.dirname(folder)
    while parent != path and os.access(parent, os.W_OK):
        sync_folder(parent)
        path, parent = parent, os.path.dirname(parent)
    _settled.add(folder)


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: The disk says that it could not.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
