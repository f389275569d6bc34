"""The index from the commit records: what is whole gets a row, what is not is reported and gets none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from doc_io.document import Parent
from doc_io.ids import is_id
from doc_io.index.base import Index
from doc_io.storage.base import Folder, Storage
from doc_io.upkeep.whole import judge

Progress = Callable[[int, int | None], None]
"""Told how many documents are done, and of how many where that is known."""

_AT_ONCE = 500


class Rejected(NamedTuple):
    """A folder that looks like a document and is none.

    Attributes:
        path: Where, relative to the docs root.
        reasons: What is wrong with it.
    """

    path: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Reindexed:
    """What came of a reindex.

    Attributes:
        documents: Rows in the index now.
        added: Rows that it got from the files in this run.
        rejected: Folders that got no row.
    """

    documents: int
    added: int
    rejected: tuple[Rejected, ...]


def reindex(
    storage: Storage,
    index: Index,
    *,
    incremental: bool = False,
    full: bool = False,
    progress: Progress | None = None,
) -> Reindexed:
    """Make the index from the commit records.

    The new table replaces the old one at one instant and only when it is whole; an interruption leaves the old one.
    Writers may go on meanwhile.

    Args:
        storage: The documents.
        index: The index to rebuild; it may be gone or damaged.
        incremental: Only add rows for documents that have none. Default: rebuild all.
        full: Read and hash every file. Default: only where the storage may have files with other bytes than were
            written, as a disk has after a power cut; else compare lengths, and the record's own checksum.
        progress: Told of each batch. Default: nobody.

    Raises:
        UpkeepBusyError: Another upkeep is at work.
        StorageError: The docs root cannot be listed; the index is as it was.
    """
    full = full or not storage.capabilities.whole_files
    rejected: list[Rejected] = []
    added = 0

    def arriving(folders: Iterable[Folder]) -> Iterator[tuple[Mapping[str, Any], Sequence[Parent]]]:
        nonlocal added
        for verdict in judge(storage, folders, full=full):
            if verdict.record is None:
                rejected.append(Rejected(verdict.folder.path, verdict.reasons))
                continue
            added += 1
            if progress is not None and added % _AT_ONCE == 0:
                progress(added, None)
            yield {**verdict.record.row, "doc_dir": verdict.folder.path}, verdict.record.parents

    with index.alone():
        documents = (folder for folder in storage.folders() if is_document_folder(folder))
        if incremental:
            inserted = 0
            while batch := list(islice(documents, _AT_ONCE)):
                inserted += index.insert_many(list(arriving(_without_row(index, batch))))
            return Reindexed(sum(each.documents for each in index.tally()), inserted, tuple(rejected))
        return Reindexed(index.rebuild(arriving(documents)), added, tuple(rejected))


def is_document_folder(folder: Folder) -> bool:
    """Whether a folder has the name and the place of a document; says nothing about what is in it."""
    segments = folder.path.split("/")
    return len(segments) == 3 and is_id(segments[1]) and is_id(segments[2])  # noqa: PLR2004 - stage, key, document


def _without_row(index: Index, folders: list[Folder]) -> list[Folder]:
    named = {folder.path.rpartition("/")[2]: folder for folder in folders}
    for row in index.get_many(list(named)):
        named.pop(row.doc_id)
    return list(named.values())
