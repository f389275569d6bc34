"""Rebuilds the index from the commit records: a whole document gets a row; anything else is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

from doc_io.document import Parent
from doc_io.errors import IndexAccessError, StorageError
from doc_io.index.sql_index import Index
from doc_io.integrity import is_document_or_error
from doc_io.maintenance.reader import Verdict, documents_of, verdicts, verdicts_aside
from doc_io.progress import Progress
from doc_io.storage.base import Folder, Storage
from doc_io.storage.local import LocalStorage
from doc_io.store import DocumentStore

_BATCH_SIZE = 500


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
    """The result of a reindex.

    Attributes:
        documents: Rows in the index now.
        added: Rows that it got from the files in this run.
        rejected: Folders that got no row.
    """

    documents: int
    added: int
    rejected: tuple[Rejected, ...]


def reindex(
    store: DocumentStore,
    *,
    incremental: bool = False,
    full: bool = False,
    empty: bool = False,
    progress: Progress | None = None,
) -> Reindexed:
    """Rebuild the index from the commit records; afterwards it belongs to this docs root, whatever it was before.

    The new table replaces the old one at one instant and only when it is whole; an interruption leaves the old one.
    Writers may go on meanwhile.

    Args:
        store: Which store; its index may be missing or damaged.
        incremental: Only add rows for documents that have none. Default: rebuild all.
        full: Read and hash every file. Default: only where the storage may have files with other bytes than were
            written, as a disk has after a power cut; else compare lengths, and the record's own checksum.
        empty: Make an index without any row, for a store that is meant to be new. Default: from the documents.
        progress: Progress callback, called with `(done, total)`; the total may be unknown. Default: none.

    Raises:
        MaintenanceBusyError: Another maintenance command is running.
        StoreMismatchError: The index has rows and the docs root no document: it is probably not mounted. Or, with
            ``incremental``, docs root and index do not belong together.
        StorageError: The docs root cannot be listed; the index is as it was.
    """
    identity = store.unchecked
    storage, index = identity.storage, identity.index
    full = full or not storage.capabilities.whole_files
    if incremental:
        store.check()
    elif not empty:
        identity.check_mounted()
    with index.maintenance_lock():
        if incremental:
            return _add_missing(storage, index, full=full, progress=progress)
        found = iter(()) if empty else _verdicts(storage, full=full)
        if progress is not None:
            found = _with_progress(found, storage, _known(index), progress)
        sorted_out = _SortedOut()
        count = index.rebuild(sorted_out.rows(chain(found, _end_mounted(storage))))
        identity.adopt()
        return Reindexed(count, sorted_out.added, tuple(sorted(sorted_out.rejected)))


class _SortedOut:
    """Takes the rows of whole documents from verdicts, and keeps count of both kinds."""

    def __init__(self) -> None:
        self.added = 0
        self.rejected: list[Rejected] = []

    def rows(self, found: Iterable[Verdict]) -> Iterator[tuple[Mapping[str, Any], Sequence[Parent]]]:
        for verdict in found:
            if verdict.row is None:
                self.rejected.append(Rejected(verdict.path, verdict.reasons))
            else:
                self.added += 1
                yield {**verdict.row, "doc_dir": verdict.path}, verdict.parents


def _add_missing(storage: Storage, index: Index, *, full: bool, progress: Progress | None) -> Reindexed:
    """Add the rows of documents that have none."""
    inserted = checked = 0
    known = _known(index)
    sorted_out = _SortedOut()
    documents = filter(is_document_or_error, storage.folders())
    while batch := list(islice(documents, _BATCH_SIZE)):
        new = verdicts(storage, _without_row(index, batch), full=full)
        inserted += index.insert_placed(list(sorted_out.rows(new)))
        checked += len(batch)
        if progress is not None:
            progress(checked, max(checked, known))
    count = sum(each.documents for each in index.stage_counts())
    return Reindexed(count, inserted, tuple(sorted_out.rejected))


def _verdicts(storage: Storage, *, full: bool) -> Iterator[Verdict]:
    """Of a local store the first keys in this process, and the rest in others, whose start costs as much as hundreds of keys."""
    if not isinstance(storage, LocalStorage):
        yield from verdicts(storage, filter(is_document_or_error, storage.folders()), full=full)
        return
    keys = storage.logical_keys()
    yield from verdicts(storage, documents_of(storage, islice(keys, _BATCH_SIZE)), full=full)
    for key in keys:  # only where there are more
        yield from verdicts_aside(storage, chain([key], keys), full=full)


def _end_mounted(storage: Storage) -> Iterator[Verdict]:
    """No verdict, and an error where the docs root was unmounted meanwhile: then documents were not seen."""
    if not storage.is_same_root():
        reason = "it was unmounted meanwhile; the index is as it was"
        raise StorageError(docs_root=storage.root, action="list", path="all documents", reason=reason)
    yield from ()


def _known(index: Index) -> int:
    """How many documents the old index has; 0 if it cannot be read."""
    try:
        return sum(each.documents for each in index.stage_counts())
    except IndexAccessError:
        return 0


def _with_progress(found: Iterable[Verdict], storage: Storage, known: int, progress: Progress) -> Iterator[Verdict]:
    """The same verdicts, with calls of the progress callback.

    The total is what the old index knew. Without one it is estimated, on a local disk, from the share of keys that are
    done: counting keys is cheap.
    """
    keys = sum(1 for _ in storage.logical_keys()) if isinstance(storage, LocalStorage) and not known else 0
    seen, last = 0, ""
    for done, verdict in enumerate(found, start=1):
        key = verdict.path.rpartition("/")[0]
        if key != last:
            seen, last = seen + 1, key
        if done % _BATCH_SIZE == 0:
            total = known or round(done * keys / seen)
            progress(done, max(done, total) if total else None)
        yield verdict


def _without_row(index: Index, folders: list[Folder]) -> list[Folder]:
    named = {folder.path.rpartition("/")[2]: folder for folder in folders}
    for row in index.get_many(list(named)):
        named.pop(row.doc_id)
    return list(named.values())
