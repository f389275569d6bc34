"""Copying a store: every document that the target lacks, file by file and hash by hash; nothing is deleted anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from doc_io.document import DocumentRow
from doc_io.index.base import Index
from doc_io.mending import mend
from doc_io.metadata import RECORD_NAME, encode, file_entry
from doc_io.storage.base import DocumentThereError, Storage
from doc_io.upkeep.pins import pinned
from doc_io.upkeep.reindex import Rejected
from doc_io.upkeep.whole import judge

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
    source: tuple[Storage, Index],
    target: tuple[Storage, Index],
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> Copied:
    """Bring a store's documents, rows and pins to another root and index.

    A document goes the way of a write: its files, durable; then its row. Each file is held against its hash in the
    manifest before it is written. Running it again copies what is new.

    Args:
        source: Storage and index to read.
        target: Storage and index to write.
        progress: Told how many of how many documents are done. Default: nobody.

    Raises:
        UpkeepBusyError: Another upkeep is at work on the target.
        StorageError: The target could not be written.
    """
    storage, index = source
    total = sum(each.documents for each in index.tally())
    copied = there = 0
    rejected: list[Rejected] = []
    with target[1].alone():
        rows = index.scan()
        while batch := list(islice(rows, _AT_ONCE)):
            known = {row.doc_id for row in target[1].get_many([row.doc_id for row in batch])}
            new = [row for row in batch if row.doc_id not in known]
            there += len(known)
            copied += _copy_batch(storage, target, new, rejected)
            if progress is not None:
                progress(copied + there + len(rejected), total)
        for path in pinned(storage).values():
            target[0].put(path, storage.read(path))
    return Copied(copied, there, tuple(rejected))


def _copy_batch(
    storage: Storage, target: tuple[Storage, Index], rows: list[DocumentRow], rejected: list[Rejected]
) -> int:
    arrived = []
    for verdict in judge(storage, [storage.folder(row.doc_dir) for row in rows]):
        path, record = verdict.folder.path, verdict.record
        if record is None:
            rejected.append(Rejected(path, verdict.reasons))
            continue
        names = [*record.files, RECORD_NAME]  # the record is the last one
        read = dict(zip(names, storage.read_many([f"{path}/{name}" for name in names]), strict=True))
        files = {name: data for name, data in read.items() if isinstance(data, bytes)}
        altered = [
            name for name, entry in record.files.items() if name not in files or file_entry(files[name]) != entry
        ]
        if altered or files.get(RECORD_NAME) != encode(record):
            rejected.append(Rejected(path, tuple(f"{name} was altered" for name in altered or [RECORD_NAME])))
            continue
        if not _created(*target, path, files):
            rejected.append(Rejected(path, ("the target has another document in its place, without a row",)))
            continue
        arrived.append(({**record.row, "doc_dir": path}, record.parents))
    target[1].insert_many(arrived)
    return len(arrived)


def _created(storage: Storage, index: Index, path: str, files: dict[str, bytes]) -> bool:
    """Write a document; whether it is there now, and no other one in its place."""
    try:
        storage.create(path, files)
    except DocumentThereError:  # an earlier copy ended between the files and the row, or in the files
        with index.turn():
            return encode(mend(storage, path, files)) == files[RECORD_NAME]
    return True
