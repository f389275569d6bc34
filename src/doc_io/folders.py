"""Folders that are still there after a power cut: used by whatever makes files on a local disk."""

from __future__ import annotations

import os


def make_durable_folder(folder: str) -> None:
    """Make a folder and those above it that are missing, and make their names durable.

    A new name survives a power cut only once the folder that holds it was synced (fsync(2)), so each parent of a new
    folder is.

    Args:
        folder: An absolute path. Modes follow the umask.

    Raises:
        OSError: A folder cannot be made.
    """
    made = []
    missing = folder
    while not os.path.isdir(missing):
        made.append(missing)
        missing = os.path.dirname(missing)
    for path in reversed(made):
        try:
            os.mkdir(path)
        except FileExistsError:  # another process was faster
            if not os.path.isdir(path):
                raise
    # Also where another process was the one to make it: its sync may not have come yet.
    for path in made:
        sync_folder(os.path.dirname(path))


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
