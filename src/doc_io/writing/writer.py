"""The one way in: files durable first, then the row; whatever was there already is judged and never overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from doc_io.commit_record import RECORD_NAME, CommitRecord, encode
from doc_io.document import DocumentRow
from doc_io.errors import DocumentConflictError
from doc_io.index.base import ConcurrentWriteError, HistoryHead
from doc_io.index.sql_index import Index
from doc_io.storage.base import Storage
from doc_io.writing.draft import Draft, next_created_at
from doc_io.writing.partial_writes import complete_partial_write

Written = tuple[Draft, CommitRecord]
"""A document and the commit record it was, or is to be, written with."""


@dataclass(frozen=True)
class Writer:
    """Writes drafts into a storage and commits them in an index.

    Args:
        storage: Where the files go.
        index: Where the rows go.
    """

    storage: Storage
    index: Index

    def save(self, drafts: Sequence[Draft]) -> list[DocumentRow]:
        """Write documents; all are acknowledged when this returns. Errors as for `DocumentStore.save_many`."""
        placed = self._placed(drafts)
        files = {doc_dir: _files(draft, record) for doc_dir, (draft, record) in placed.items()}
        there = self._committed(placed)
        there |= self.storage.create_many({doc_dir: each for doc_dir, each in files.items() if doc_dir not in there})
        rows = self._commit_found(placed, there) if there else self._commit(list(placed.values()))
        by_folder = dict(zip(placed, rows, strict=True))
        return [by_folder[draft.doc_dir] for draft in drafts]

    def _placed(self, drafts: Sequence[Draft]) -> dict[str, Written]:
        """By its folder each document, and its record at the place where it comes: after those before it."""
        placed: dict[str, Written] = {}
        heads = self.index.heads([(draft.row["stage"], draft.row["task_id"]) for draft in drafts])
        for draft in drafts:
            if draft.doc_dir in placed:  # the same attempt twice is one document
                refuse_other(draft, placed[draft.doc_dir][1])
                continue
            task = draft.row["stage"], draft.row["task_id"]
            record = _placed(draft, heads[task])
            heads[task] = HistoryHead(draft.row["doc_id"], record.row["created_at"])
            placed[draft.doc_dir] = draft, record
        return placed

    def _committed(self, placed: Mapping[str, Written]) -> set[str]:
        """The documents that may not even be tried to be created: a store may say that it only creates, and overwrite."""
        if self.storage.capabilities.atomic_document:
            return set()
        return {row.doc_dir for row in self.index.get_many([draft.row["doc_id"] for draft, _ in placed.values()])}

    def _commit_found(self, placed: dict[str, Written], there: set[str]) -> list[DocumentRow]:
        """The rows, where something lay already in the place of some documents.

        In a turn, up to the commit: nobody else may complete_partial_write the same folder, and no pruning take it away, in between.
        """
        with self.index.repair_lock():
            for doc_dir in there:
                draft, record = placed[doc_dir]
                placed[doc_dir] = draft, self._found(draft, record)
            return self._commit(list(placed.values()))

    def _found(self, draft: Draft, record: CommitRecord) -> CommitRecord:
        """The record of a document where something lies already: its own where it is this very document."""
        committed = self.index.get(draft.row["doc_id"])
        if committed is not None:
            refuse_other(draft, record, committed)
        there = complete_partial_write(self.storage, draft.doc_dir, _files(draft, record))
        refuse_other(draft, there)
        return there

    def _commit(self, written: Sequence[Written]) -> list[DocumentRow]:
        """The rows, durable: together, or each alone where another writer came between."""
        if len(written) > 1:
            try:
                rows = self.index.insert(
                    [({**record.row, "doc_dir": draft.doc_dir}, record.parents) for draft, record in written]
                )
            except ConcurrentWriteError:
                return [self._commit_one(draft, record) for draft, record in written]
            for row, (draft, record) in zip(rows, written, strict=True):
                self._refuse_or_restore(row, draft, record)
            return rows
        return [self._commit_one(draft, record) for draft, record in written]

    def _commit_one(self, draft: Draft, record: CommitRecord) -> DocumentRow:
        """The row, durable. Another writer may come first: then the record is written again with its new place."""
        while True:
            try:
                [row] = self.index.insert([({**record.row, "doc_dir": draft.doc_dir}, record.parents)])
            except ConcurrentWriteError as concurrent:
                record = _placed(draft, concurrent.heads[draft.row["stage"], draft.row["task_id"]])
                self.storage.replace(f"{draft.doc_dir}/{RECORD_NAME}", encode(record))
                continue
            self._refuse_or_restore(row, draft, record)
            return row

    def _refuse_or_restore(self, row: DocumentRow, draft: Draft, record: CommitRecord) -> None:
        """Where the row was there already it may be of other content, or have outlived its folder, written anew just now."""
        refuse_other(draft, record, row)
        committed = draft.record(row.created_at, row.lineage_prev_doc_id)
        if committed != record:
            self.storage.replace(f"{draft.doc_dir}/{RECORD_NAME}", encode(committed))


def _files(draft: Draft, record: CommitRecord) -> dict[str, bytes]:
    return {**draft.contents, RECORD_NAME: encode(record)}


def _placed(draft: Draft, place: HistoryHead) -> CommitRecord:
    return draft.record(next_created_at(place.created_at), place.doc_id)


def refuse_other(draft: Draft, there: CommitRecord, committed: DocumentRow | None = None) -> None:
    """Raise where what is there under the doc_id is another document."""
    difference = draft.difference(there)
    if difference is None and committed is not None:
        difference = next(
            (f"another {column}" for column, value in draft.row.items() if getattr(committed, column) != value), None
        )
    if difference is not None:
        row = draft.row
        raise DocumentConflictError(
            doc_id=row["doc_id"], stage=row["stage"], task=row["task_id"], difference=difference
        )
