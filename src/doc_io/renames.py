"""Renamed documents: those that are filed under another stage or task than their commit records say.

A commit record never changes. The new names stand in a file of their own, ``.doc_io/renames.json``; whatever makes a row
from a record, or compares the two, asks it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from doc_io.document import DocumentRow
from doc_io.errors import StorageError
from doc_io.ids import doc_dir, is_id, unstorable
from doc_io.index.base import NewName
from doc_io.storage.base import STORE_FOLDER, Storage

RENAMES_NAME = f"{STORE_FOLDER}/renames.json"
"""The file at a docs root that says which documents were renamed."""


@dataclass(frozen=True)
class Renames:
    """The new names of a store.

    Attributes:
        names: doc_id to new name.
    """

    names: Mapping[str, NewName] = field(default_factory=dict)

    def row(self, recorded: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a commit record says of the row, under the names that hold now."""
        new = self.names.get(recorded["doc_id"])
        if new is None:
            return recorded
        return {**recorded, "stage": new.stage, "task_id": recorded["task_id"] if new.task_id is None else new.task_id}

    def doc_dir_of(self, row: DocumentRow) -> str:
        """Where the document of a row must be, whatever folder the row names; of a renamed one only the ids are compared."""
        place = doc_dir(row.stage, row.logical_key_id, row.doc_id)
        if row.doc_id in self.names and row.doc_dir.split("/")[1:] == place.split("/")[1:]:
            return row.doc_dir
        return place

    def groups(self) -> Iterator[tuple[NewName, list[str]]]:
        """Each new name with the documents that have it."""
        groups: dict[NewName, list[str]] = {}
        for doc_id, name in self.names.items():
            groups.setdefault(name, []).append(doc_id)
        yield from groups.items()


NO_RENAMES = Renames()


def read_renames(storage: Storage) -> Renames:
    """The new names of a store; none where nothing was renamed.

    Raises:
        StorageError: The file cannot be read, or is damaged.
    """
    try:
        data = storage.read(RENAMES_NAME)
    except (FileNotFoundError, NotADirectoryError):
        return NO_RENAMES
    try:
        groups = [
            (
                NewName(_name(each["stage"]), None if each["task_id"] is None else _name(each["task_id"])),
                each["documents"],
            )
            for each in json.loads(data)["renamed"]
        ]
        return Renames({doc_id: name for name, documents in groups for doc_id in documents if is_id(doc_id)})
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = (
            f"it is damaged ({error!r}); restore it from a backup, or remove it: documents then have their old names"
        )
        raise StorageError(docs_root=storage.root, action="read", path=RENAMES_NAME, reason=reason) from None


def write_renames(storage: Storage, renames: Renames) -> None:
    """Put new names in the place of the old ones, at one instant and durable."""
    groups = [{**name._asdict(), "documents": documents} for name, documents in renames.groups()]
    storage.put(RENAMES_NAME, f"{json.dumps({'schema': 1, 'renamed': groups})}\n".encode("ascii"))


def forget_renames(storage: Storage, doc_ids: Iterable[str]) -> None:
    """Drop the new names of documents that were removed."""
    known = read_renames(storage).names
    left = dict(known)
    for doc_id in doc_ids if known else ():
        left.pop(doc_id, None)
    if len(left) < len(known):
        write_renames(storage, Renames(left))


def _name(value: object) -> str:
    if not isinstance(value, str) or unstorable(value):
        raise ValueError(f"{value!r} is no name")
    return value
