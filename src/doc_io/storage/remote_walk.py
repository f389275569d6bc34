"""What lies below the URL of a docs root, and taking it away: the calls of fsspec that upkeep needs and no reader does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from doc_io.commit_record import RECORD_NAME
from doc_io.storage.base import DOCUMENT_DEPTH, STORE_FOLDER, Folder
from doc_io.storage.local import TEMPORARY_PREFIX

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
"""What the file systems call the time of an object: s3fs, adlfs, gcsfs, sftp and local, memory."""


def folders(filesystem: Any, base: str) -> Iterator[Folder]:
    """See `doc_io.storage.base.Storage.folders`. A stage is listed at once: a thousand objects for each request."""
    strays = {}
    for entry in sorted(_listed(filesystem, base), key=lambda entry: str(entry["name"])):
        name = _relative(entry["name"], base)
        if entry["type"] != "directory":
            strays[name] = entry
        elif name != STORE_FOLDER:
            yield from _of_stage(filesystem, base, name)
    if strays:
        yield _folder("", strays)


def folder(filesystem: Any, base: str, path: str) -> Folder:
    """All files in one folder and below it."""
    found = filesystem.find(f"{base}/{path}", detail=True)
    return _folder(path, {_relative(name, f"{base}/{path}"): entry for name, entry in found.items()})


def names(filesystem: Any, base: str, path: str) -> list[str]:
    """The names of the files right in a folder, but of those that are still being written."""
    found = _listed(filesystem, f"{base}/{path}")
    files = (_relative(entry["name"], f"{base}/{path}") for entry in found if entry["type"] != "directory")
    return sorted(name for name in files if name and not name.startswith(TEMPORARY_PREFIX))


def remove(filesystem: Any, base: str, path: str) -> None:
    """Remove what lies in a folder, the commit record first."""
    found = filesystem.find(f"{base}/{path}")
    for name in sorted(found, key=lambda name: not str(name).endswith(f"/{RECORD_NAME}")):
        delete(filesystem, str(name))


def remove_folder(filesystem: Any, path: str) -> None:
    """Remove an emptied folder, of a store that has folders; no error where it is gone."""
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)


def delete(filesystem: Any, path: str) -> None:
    """Remove one file; no error where it is gone."""
    try:
        filesystem.rm_file(path)
    except FileNotFoundError:
        return


def _of_stage(filesystem: Any, base: str, stage: str) -> Iterator[Folder]:
    found = filesystem.find(f"{base}/{stage}", detail=True)
    entries = sorted((_relative(name, base), entry) for name, entry in found.items())
    for path, group in groupby(entries, key=lambda named: _folder_of(named[0])):
        yield _folder(path, {name[len(path) + 1 :]: entry for name, entry in group})


def _folder_of(path: str) -> str:
    return "/".join(path.split("/")[:-1][:DOCUMENT_DEPTH])


def _folder(path: str, entries: Mapping[str, Any]) -> Folder:
    sizes = {name: int(entry.get("size") or 0) for name, entry in entries.items()}
    return Folder(path, sizes, max((_modified(entry) for entry in entries.values()), default=0.0))


def _modified(entry: Mapping[str, Any]) -> float:
    for name in _TIMES:
        value = entry.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                continue
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return time.time()  # not known: as young as can be, so that nobody takes it for left over


def _listed(filesystem: Any, path: str) -> list[Mapping[str, Any]]:
    try:
        return list(filesystem.ls(path, detail=True))
    except FileNotFoundError:
        return []


def _relative(name: str, base: str) -> str:
    return str(name).rstrip("/")[len(base) :].lstrip("/")
