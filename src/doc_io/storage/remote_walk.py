"""Lists the folders below the URL of a docs root, in flat memory, with their files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import dropwhile, groupby, takewhile

from doc_io.storage.base import DOCUMENT_DEPTH, STORE_FOLDER, TEMPORARY_PREFIX, Folder, is_within
from doc_io.storage.client import Client
from doc_io.storage.listing import Entry, Pages, entry


def stages(client: Client) -> tuple[list[str], Folder]:
    """See `doc_io.storage.base.Storage.stages`."""
    found = sorted(_listed(client, client.base))
    strays = {name: each for name, is_folder, each in found if not is_folder}
    return [name for name, is_folder, _ in found if is_folder and name != STORE_FOLDER], _folder("", strays)


def folders(client: Client, pages: Pages | None, stage: str = "", first: str = "", last: str = "") -> Iterator[Folder]:
    """See `doc_io.storage.base.Storage.folders`.

    Args:
        client: The client.
        pages: How the store lists objects by prefix; ``None`` for a store that has folders.
        stage: Only this stage.
        first: Only names inside a stage from this one on.
        last: Only names inside a stage before this one.
    """
    names = [stage]
    if not stage:
        names, strays = stages(client)
        if strays.files and not first:
            yield strays
    for name in names:
        if pages is not None:
            yield from _of_objects(client, _objects(client, pages, name, first, last))
        else:
            yield from _of_folders(client, name, first, last)


def folder(client: Client, pages: Pages | None, path: str) -> Folder:
    """All files in one folder and below it."""
    return _folder(path, {each.name[len(client.base) + len(path) + 2 :]: each for each in files(client, pages, path)})


def files(client: Client, pages: Pages | None, path: str) -> list[Entry]:
    """The files below a folder, by their full names."""
    top = f"{client.base}/{path}"
    if pages is not None:
        return [each for page in pages(client, f"{top}/", "") for each in page if not each.name.endswith("/")]
    found = client.call("find", top, detail=True)
    return [entry(str(name), int(each.get("size") or 0), each) for name, each in found.items()]


def names(client: Client, path: str) -> list[str]:
    """The names of the files directly in a folder, without those that are still being written."""
    found = _listed(client, f"{client.base}/{path}")
    return sorted(name for name, is_folder, _ in found if not is_folder and not name.startswith(TEMPORARY_PREFIX))


def _objects(client: Client, pages: Pages, stage: str, first: str, last: str) -> Iterator[Entry]:
    """The objects of a stage, or of a part of it; they come in the order of their names."""
    top = f"{client.base}/{stage}/"
    if first and last == first[:-1] + chr(ord(first[-1]) + 1):  # all names that begin with one text
        found = pages(client, top + first, "")
    else:
        # What comes after the name before ``first``, since a listing after ``first`` would lack that itself.
        found = pages(client, top, f"{top}{first[:-1]}{chr(ord(first[-1]) - 1)}z" if first else "")
    entries = (each for page in found for each in page)
    return takewhile(
        lambda each: not last or each.name[len(top) :] < last,
        dropwhile(lambda each: each.name[len(top) :] < first, entries),
    )


def _of_objects(client: Client, objects: Iterable[Entry]) -> Iterator[Folder]:
    """Folders made of objects, which come in the order of their names."""
    found = ((each.name[len(client.base) + 1 :], each) for each in objects if not each.name.endswith("/"))
    strays: dict[str, dict[str, Entry]] = {}  # of the shallower folders that the walk is in
    for path, group in groupby(found, key=lambda named: _folder_of(named[0])):
        for passed in [stray for stray in strays if path != stray and not path.startswith(f"{stray}/")]:
            yield _folder(passed, strays.pop(passed))
        inside = {name[len(path) + 1 :]: each for name, each in group}
        if path.count("/") < DOCUMENT_DEPTH - 1:
            strays.setdefault(path, {}).update(inside)
        else:
            yield _folder(path, inside)
    for passed, entries in strays.items():
        yield _folder(passed, entries)


def _of_folders(client: Client, path: str, first: str, last: str) -> Iterator[Folder]:
    """Folders of a store that has some: listed one after the other, down to the depth of documents."""
    depth = path.count("/") + 1
    strays = {}
    try:
        found = sorted(_listed(client, f"{client.base}/{path}"))
    except PermissionError:
        yield _passed_over(path)
        return
    for name, is_folder, each in found:
        if depth == 1 and not is_within(name, first, last):
            continue
        if not is_folder:
            strays[name] = each
        elif depth == DOCUMENT_DEPTH - 1:
            try:
                yield folder(client, None, f"{path}/{name}")
            except PermissionError:
                yield _passed_over(f"{path}/{name}")
        else:
            yield from _of_folders(client, f"{path}/{name}", first, last)
    if strays:
        yield _folder(path, strays)


def _passed_over(path: str) -> Folder:
    return Folder(path, {}, time.time(), "the folder cannot be listed: permission denied")


def _folder_of(path: str) -> str:
    return "/".join(path.split("/")[:-1][:DOCUMENT_DEPTH])


def _folder(path: str, entries: dict[str, Entry]) -> Folder:
    sizes = {name: each.size for name, each in entries.items()}
    return Folder(path, sizes, max((each.modified for each in entries.values()), default=0.0))


def _listed(client: Client, path: str) -> Iterator[tuple[str, bool, Entry]]:
    """The entries of a folder: name, whether it is a folder, and the rest."""
    try:
        found = client.call("ls", path, detail=True)
    except FileNotFoundError:
        return
    for each in found:
        name = str(each["name"]).rstrip("/")[len(path) :].lstrip("/")
        if name:
            yield name, each["type"] == "directory", entry(str(each["name"]), int(each.get("size") or 0), each)
