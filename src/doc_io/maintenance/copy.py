"""Copying a store: every document that the target lacks, file by file and hash by hash; nothing is deleted anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from doc_io.commit_record import RECORD_NAME, encode
from doc_io.document import DocumentRow
from doc_io.errors import ConfigurationError
from doc_io.ids import doc_dir
from doc_io.index.sql_index import Index
from doc_io.integrity import contents
from doc_io.maintenance.pins import pinned
from doc_io.maintenance.reindex import Rejected
from doc_io.progress import Progress
from doc_io.storage.base import Storage
from doc_io.store import DocumentStore
from doc_io.writing.partial_writes import complete_partial_write

_AT_ONCE = 100  # documents; each batch is committed, so an interrupted copy goes on where it was


@dataclass(frozen=True)
class Copied:
    """What came of a copy.

    Attributes:
        copied: Documents that the target got.
        there: Documents that it had.
        rejected: Documents that were not copied: not whole in the source, or another one lies in their place.
    """

    copied: int
    there: int
    rejected: tuple[Rejected, ...]


def copy(
    source: DocumentStore,
    target: DocumentStore,
    *,
    progress: Progress | None = None,
) -> Copied:
    """Bring a store's documents, rows and pins to another root and index.

    A document goes the way of a write: its files, durable; then its row. Each file is held against its hash in the
    manifest before it is written. Running it again copies what is new.

    Args:
        source: The store to read.
        target: The store to write.
        progress: Progress callback, called with `(done, total)`. Default: none.

    Raises:
        ConfigurationError: The target's index is that of another root.
        MaintenanceBusyError: Another maintenance command is running on the target.
        StorageError: The target could not be written.
    """
    storage, index = source.storage, source.index
    total = sum(each.documents for each in index.stage_counts())
    copied = there = 0
    rejected: list[Rejected] = []
    with target.index.maintenance_lock():
        rows = index.scan()
        while batch := list(islice(rows, _AT_ONCE)):
            indexed = target.index.get_many([row.doc_id for row in batch])
            _belongs(target.storage, target.index, indexed[:1])
            known = {row.doc_id for row in indexed}
            new = [row for row in batch if row.doc_id not in known]
            there += len(known)
            copied += _copy_batch(storage, target, new, rejected)
            if progress is not None:
                progress(copied + there + len(rejected), total)
        for path in pinned(storage).values():
            target.storage.put(path, storage.read(path))
    return Copied(copied, there, tuple(rejected))


def _belongs(storage: Storage, index: Index, rows: Sequence[DocumentRow]) -> None:
    """Raise where a row has no document: of another root's index every document would seem to be there already."""
    for row in rows:
        try:
            storage.read(f"{row.doc_dir}/{RECORD_NAME}")
        except FileNotFoundError:
            raise ConfigurationError(
                setting=f"The index {index.name}",
                reason=f"it has document {row.doc_id}, which is not in {storage.root}",
                hint="Give each root an index of its own; where this is its own, look at both with `doc-io verify`.",
            ) from None


def _copy_batch(storage: Storage, target: DocumentStore, rows: list[DocumentRow], rejected: list[Rejected]) -> int:
    copied = 0
    forged = [row for row in rows if row.doc_dir != doc_dir(row.stage, row.logical_key_id, row.doc_id)]
    rejected += [
        Rejected(row.doc_dir, (f"the row of {row.doc_id} names it, and its folder is another",)) for row in forged
    ]
    for documents in contents(storage, [row.doc_dir for row in rows if row not in forged]):
        rejected += [Rejected(each.path, each.reasons) for each in documents if each.record is None]
        whole = {each.path: (each.record, each.files) for each in documents if each.record is not None}
        others = _create(target.storage, target.index, {path: files for path, (_, files) in whole.items()})
        rejected += [
            Rejected(path, ("the target has another document in its place, without a row",)) for path in others
        ]
        arrived = [
            ({**record.row, "doc_dir": path}, record.parents)
            for path, (record, _) in whole.items()
            if path not in others
        ]
        target.index.insert_placed(arrived)
        copied += len(arrived)
    return copied


def _create(storage: Storage, index: Index, documents: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    """Write documents at once; those in whose place another one lies, which stays."""
    others = []
    for path in storage.create_many(documents):  # an earlier copy ended between the files and the row, or in the files
        with index.repair_lock():
            if encode(complete_partial_write(storage, path, documents[path])) != documents[path][RECORD_NAME]:
                others.append(path)
    return others
