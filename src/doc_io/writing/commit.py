"""The only way in: files durable first, then the rows. A committed document is never written again.

A document's id follows from its content, so an existing directory of that id holds the same document, whole or in part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from doc_io.commit_record import END_OF_TIME, RECORD_NAME
from doc_io.document import DocumentRow
from doc_io.errors import IndexAccessError
from doc_io.index.base import ConcurrentWriteError, HistoryHead, NewRow, TaskKey
from doc_io.index.sql_index import Index
from doc_io.renames import NO_RENAMES, read_renames
from doc_io.storage.base import Storage
from doc_io.writing.draft import Draft, next_created_at
from doc_io.writing.partial_writes import complete_partial_write

_MAX_TRIES = 1000  # each follows a concurrent writer of the same task; a try takes milliseconds


def commit(storage: Storage, index: Index, drafts: Sequence[Draft]) -> list[DocumentRow]:
    """Write documents; all are durable, indexed and visible when this returns.

    Where it raises, call it again with the same drafts: documents that exist are not written again.

    Args:
        storage: Where the files go.
        index: Where the rows go.
        drafts: The documents. One without a place in history comes after all that its task has; one with a place keeps it.

    Returns:
        The rows, in the order given.

    Raises:
        StorageError: The storage failed; some of the documents may be there.
        IndexAccessError: The index failed; the files stay.
        DamagedDocumentError: Another, forged document is in the place of one.
    """
    rows = _Commit(storage, index, drafts).run()
    return [rows[draft.doc_id] for draft in drafts]


class _Commit:
    def __init__(self, storage: Storage, index: Index, drafts: Sequence[Draft]) -> None:
        self._storage = storage
        self._index = index
        self._settled = {draft.doc_id for draft in drafts if draft.is_placed}  # whose place is not ours to change
        self._drafts = {draft.doc_id: draft for draft in drafts}
        self._place(self._drafts.values(), None)

    def run(self) -> dict[str, DocumentRow]:
        """The rows by doc_id."""
        existing = self._indexed()
        new = {draft.doc_dir: draft.files for draft in self._drafts.values() if draft.doc_id not in existing}
        found = self._storage.create_many(new) if new else set()
        existing |= {doc_id for doc_id, draft in self._drafts.items() if draft.doc_dir in found}
        if not existing:
            try:
                rows = self._insert()
            except ConcurrentWriteError:
                pass
            else:
                if not self._displaced(rows.values()):
                    return rows
        # Under the lock no other process completes these folders, rewrites these records or prunes them.
        with self._index.repair_lock():
            rows = self._rows()
            for doc_id in existing:
                self._complete(doc_id, rows.get(doc_id))
            return self._insert_after_others(rows)

    def _indexed(self) -> set[str]:
        """The documents that must not be created again: some stores overwrite although they were asked only to create."""
        return set() if self._storage.capabilities.atomic_document else set(self._rows())

    def _rows(self) -> dict[str, DocumentRow]:
        return {row.doc_id: row for row in self._index.get_many(list(self._drafts))}

    def _complete(self, doc_id: str, row: DocumentRow | None) -> None:
        """Complete a document in an existing directory; its place in history is that of its row, else of its record."""
        if row is not None:
            self._drafts[doc_id] = self._drafts[doc_id].at(row.created_at, row.lineage_prev_doc_id)
        draft = self._drafts[doc_id]
        found = complete_partial_write(self._storage, draft)
        if found is not draft.record:
            self._drafts[doc_id] = Draft(found, draft.contents)
            self._settled.add(doc_id)

    def _insert_after_others(self, rows: Mapping[str, DocumentRow]) -> dict[str, DocumentRow]:
        """Insert under the lock: a record is written again only where the index has no row of it."""
        for _ in range(_MAX_TRIES):
            for displaced in self._displaced(rows.values()):  # a row outlived its folder, which was written anew
                self._write_again(displaced)
            try:
                inserted = self._insert()
            except ConcurrentWriteError as error:
                rows = self._rows()
                moved = [
                    draft
                    for doc_id, draft in self._drafts.items()
                    if doc_id not in rows and doc_id not in self._settled and draft.task in error.heads
                ]
                for draft in self._place(moved, error.heads):
                    self._write_again(draft)
                continue
            if not self._displaced(inserted.values()):
                return inserted
            rows = inserted
        raise IndexAccessError(
            index=self._index.name, reason=f"other writers of the same task came first in each of {_MAX_TRIES} tries"
        )

    def _displaced(self, rows: Iterable[DocumentRow]) -> list[Draft]:
        """The documents whose record has another place than their row, each at the place of its row."""
        return [
            draft.at(row.created_at, row.lineage_prev_doc_id)
            for row, draft in ((row, self._drafts[row.doc_id]) for row in rows)
            if (row.created_at, row.lineage_prev_doc_id) != _place_of(draft)
        ]

    def _write_again(self, draft: Draft) -> None:
        self._storage.replace(f"{draft.doc_dir}/{RECORD_NAME}", draft.files[RECORD_NAME])
        self._drafts[draft.doc_id] = draft

    def _place(self, drafts: Iterable[Draft], heads: Mapping[TaskKey, HistoryHead] | None) -> list[Draft]:
        """Place each after the newest document of its task, or after the one before it; returns those that moved."""
        free = [draft for draft in drafts if draft.doc_id not in self._settled]
        if heads is None:
            tasks = list(dict.fromkeys(draft.task for draft in free))
            heads = self._index.heads(tasks) if tasks else {}
        newest = dict(heads)
        placed = []
        for draft in free:
            head = newest[draft.task]
            if head.created_at is not None and head.created_at >= END_OF_TIME:
                raise IndexAccessError(
                    index=self._index.name, reason=f"document {head.doc_id} has the time {head.created_at} in it"
                )
            placed_draft = draft.at(next_created_at(head.created_at), head.doc_id)
            newest[draft.task] = HistoryHead(draft.doc_id, placed_draft.record.row["created_at"])
            self._drafts[draft.doc_id] = placed_draft
            placed.append(placed_draft)
        return placed

    def _insert(self) -> dict[str, DocumentRow]:
        settled, new = list[NewRow](), list[NewRow]()
        renames = read_renames(self._storage) if self._settled else NO_RENAMES  # what is new has one name alone
        for doc_id, draft in self._drafts.items():
            (settled if doc_id in self._settled else new).append(
                ({**renames.row(draft.record.row), "doc_dir": draft.doc_dir}, draft.record.parents)
            )
        rows = {row.doc_id: row for row in self._index.insert(new)} if new else {}
        if settled:
            self._index.insert_placed(settled)
            rows |= {row.doc_id: row for row in self._index.get_many(list(self._settled))}
        return rows


def _place_of(draft: Draft) -> tuple[str, str | None]:
    return draft.record.row["created_at"], draft.record.row["lineage_prev_doc_id"]
