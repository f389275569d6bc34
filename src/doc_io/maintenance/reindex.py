"""Rebuilds the index from the commit records: a whole document gets a row; anything else is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import NamedTuple

from doc_io.batches import batches
from doc_io.errors import IndexAccessError, StorageError
from doc_io.ids import path_segment
from doc_io.index.base import NewRow
from doc_io.index.sql_index import Index
from doc_io.integrity import contents, is_document_or_error, judge
from doc_io.maintenance.shards import WHOLE, Shard, documents_by_stage, folders_of, in_threads, rows_of, shards_of
from doc_io.progress import Progress
from doc_io.renames import read_renames
from doc_io.storage.base import Folder, Storage
from doc_io.store import DocumentStore

_BATCH_SIZE = 256


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
        set_aside: Where the old file of the index was kept, if it could not be replaced in place: it was damaged, of an
            older schema, or no database.
    """

    documents: int
    added: int
    rejected: tuple[Rejected, ...]
    set_aside: str | None = None


def reindex(
    store: DocumentStore,
    *,
    incremental: bool = False,
    full: bool = False,
    empty: bool = False,
    jobs: int = 1,
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
        jobs: How many shards of the store to read at a time, each in a thread; for a storage that answers slowly.
            Default: 1, the whole store in one pass.
        progress: Progress callback, called with `(done, total)`; the total may be unknown. Default: none.

    Raises:
        MaintenanceBusyError: Another maintenance command is running.
        StoreMismatchError: The index has rows and the docs root no document: it is probably not mounted. Or, with
            ``incremental``, docs root and index do not belong together.
        StorageError: The docs root cannot be listed; the index is as it was.
    """
    identity = store.unchecked
    storage, index = identity.storage, identity.index
    if incremental:
        store.check()
    elif not empty:
        identity.check_mounted()
    with index.maintenance_lock():
        known = documents_by_stage(index)
        shards = [] if empty else [WHOLE] if jobs == 1 else shards_of(storage, known)
        having = index if incremental else None
        batches = in_threads([partial(gather, storage, each, full=full, having=having) for each in shards], jobs)
        result = _Result(progress, sum(known.values()))
        if incremental:
            added = sum(index.insert_placed(rows) for rows in result.counted(batches))
            count = sum(documents_by_stage(index).values())
        else:
            count = index.rebuild(chain.from_iterable(result.counted(batches)))
            identity.adopt()
            added = result.folders - len(result.rejected)
    set_aside = None if incremental else index.set_aside
    return Reindexed(count, added, tuple(sorted(set(result.rejected))), set_aside)


@dataclass
class _Result:
    """What a reindex has come to so far."""

    progress: Progress | None
    total: int
    folders: int = 0
    rejected: list[Rejected] = field(default_factory=list)

    def counted(self, batches: Iterable[Gathered]) -> Iterator[list[NewRow]]:
        """The rows of each batch, while all else of it is counted."""
        for batch in batches:
            self.folders += batch.folders
            self.rejected += batch.rejected
            if self.progress is not None:
                self.progress(self.folders, max(self.folders, self.total) if self.total else None)
            yield batch.rows


class Gathered(NamedTuple):
    """Some folders of a shard.

    Attributes:
        folders: How many they are.
        rows: The rows of the whole documents among them.
        rejected: Those that get no row.
    """

    folders: int
    rows: list[NewRow]
    rejected: list[Rejected]


def gather(storage: Storage, shard: Shard, *, full: bool, having: Index | None = None) -> Iterator[Gathered]:
    """The rows of a shard, made from its documents, a batch at a time.

    Args:
        storage: The docs root.
        shard: Which part of it.
        full: As for `reindex`.
        having: Leave out documents that have a row here. Default: none are left out.
    """
    full = full or not storage.capabilities.whole_files
    renames = read_renames(storage)
    documents = filter(is_document_or_error, folders_of(storage, shard))
    for batch in batches(documents, _BATCH_SIZE):
        verdicts = list(judge(storage, batch if having is None else _without_row(having, batch), full=full))
        yield Gathered(
            len(batch),
            [
                ({**renames.row(each.record.row), "doc_dir": each.folder.path}, each.record.parents)
                for each in verdicts
                if each.record
            ],
            [Rejected(each.folder.path, each.reasons) for each in verdicts if each.record is None],
        )
    if not storage.is_same_root():
        reason = "it was unmounted meanwhile, and documents were not seen; the index is as it was"
        raise StorageError(docs_root=storage.root, action="list", path="all documents", reason=reason)


def rebuild_gathered(
    store: DocumentStore, gathered: Iterable[tuple[Shard, Iterable[NewRow]]], *, may_be_removed: bool
) -> int:
    """Rebuild the index from rows that were gathered a while ago, shard by shard, while writers went on.

    Where an existing index and the gathered rows differ, the documents themselves are read once more.

    Args:
        store: Which store. The caller holds the maintenance lock.
        gathered: Each shard with the rows of its documents; memory for the ids of one shard is needed.
        may_be_removed: Whether documents may have been removed since.

    Returns:
        The number of rows now.
    """
    storage, index = store.unchecked.storage, store.unchecked.index

    def rows() -> Iterator[NewRow]:
        stages = {path_segment(stage): stage for stage in documents_by_stage(index)}
        done: set[str] = set()
        for shard, found in gathered:
            known = shard._replace(stage=stages.get(shard.folder))
            yield from _up_to_date(storage, index, known, found, may_be_removed=may_be_removed)
            done.add(shard.folder)
        for folder in set(stages) - done:
            yield from _up_to_date(storage, index, Shard(folder, stages[folder]), (), may_be_removed=False)

    renames = read_renames(storage)  # a document may have been renamed since it was gathered
    count = index.rebuild((renames.row(row), parents) for row, parents in rows())
    store.unchecked.adopt()
    return count


def _up_to_date(
    storage: Storage, index: Index, shard: Shard, gathered: Iterable[NewRow], *, may_be_removed: bool
) -> Iterator[NewRow]:
    seen: set[str] = set()
    for batch in batches(gathered, _BATCH_SIZE):
        seen.update(row["doc_id"] for row, _ in batch)
        if not may_be_removed:
            yield from batch
            continue
        existing = {row.doc_id for row in index.get_many([row["doc_id"] for row, _ in batch])}
        yield from (each for each in batch if each[0]["doc_id"] in existing)
        yield from _read_again(storage, [row["doc_dir"] for row, _ in batch if row["doc_id"] not in existing])
    late = (row for row in rows_of(index, shard) if row.doc_id not in seen)
    with suppress(IndexAccessError):  # damaged: nobody has written to it
        for rows in batches(late, _BATCH_SIZE):
            yield from _read_again(storage, [row.doc_dir for row in rows])


def _read_again(storage: Storage, paths: Sequence[str]) -> Iterator[NewRow]:
    for group in contents(storage, paths) if paths else ():
        for each in group:
            if each.record is not None:
                yield {**each.record.row, "doc_dir": each.path}, each.record.parents


def _without_row(index: Index, folders: list[Folder]) -> list[Folder]:
    named = {folder.path.rpartition("/")[2]: folder for folder in folders}
    for row in index.get_many(list(named)):
        named.pop(row.doc_id)
    return list(named.values())
