"""A place where something lies already: it becomes a whole document, and what another writer made whole there stays.

A process that died, or a power cut, leaves parts of a document. Whoever sends the attempt again puts them right. Several
may do so at the same time, so it is judged and changed in turns: between the two nobody else may have mended it.
"""

from __future__ import annotations

from collections.abc import Mapping

from doc_io.commit_record import RECORD_NAME, CommitRecord, CommitRecordError, decode, file_entry
from doc_io.errors import StorageError
from doc_io.storage.base import DocumentExistsError, Storage

_MAX_TRIES = 20  # each but the first follows a writer who needed no turn, as nothing lay there when it came


def complete_partial_write(storage: Storage, doc_dir: str, files: Mapping[str, bytes]) -> CommitRecord:
    """Make sure that a whole document lies, and durably, where `Storage.create` found something.

    To be called by one at a time for each document: in the `turn` of its index, or of its spool.

    Args:
        storage: Where it lies.
        doc_dir: Its folder.
        files: What is to be there, the commit record last.

    Returns:
        The record that is there now. Of a whole document that was found it is that one's, be it the same or another.

    Raises:
        StorageError: It could not be written.
    """
    for _ in range(_MAX_TRIES):
        there = read_whole_record(storage, doc_dir)
        if there is not None:
            storage.sync(doc_dir, [*there.files, RECORD_NAME])
            return there
        missing = None if storage.capabilities.atomic_document else _missing(storage, doc_dir, files)
        if missing is None:
            # No document: its writer died or its disk failed before it was acknowledged.
            storage.quarantine(doc_dir)
            missing = files
        try:
            storage.create(doc_dir, missing)
        except DocumentExistsError:
            continue
        if RECORD_NAME in missing:
            return decode(files[RECORD_NAME])
    raise StorageError(
        docs_root=storage.root,
        action="write",
        path=doc_dir,
        reason="other writers of this document do not come to rest",
    )


def read_whole_record(storage: Storage, doc_dir: str) -> CommitRecord | None:
    """The record of what lies in a folder, where all of it is there; else ``None``."""
    try:
        record = decode(storage.read(f"{doc_dir}/{RECORD_NAME}"))
        paths = list(record.files)
        found = storage.read_many([f"{doc_dir}/{path}" for path in paths])
        for path, data in zip(paths, found, strict=True):
            if isinstance(data, FileNotFoundError) or (
                isinstance(data, bytes) and file_entry(data) != record.files[path]
            ):
                return None
            if isinstance(data, OSError):
                raise data
    except (FileNotFoundError, NotADirectoryError, CommitRecordError):
        return None
    return record


def _missing(storage: Storage, doc_dir: str, files: Mapping[str, bytes]) -> Mapping[str, bytes] | None:
    """The files to add where all that is there belongs to this document; ``None`` where something does not.

    Objects appear one by one: their writer may be at work this very moment, and what it wrote must stay where it is.
    """
    found = dict(zip(files, storage.read_many([f"{doc_dir}/{name}" for name in files]), strict=True))
    for name, data in found.items():
        if isinstance(data, FileNotFoundError):
            continue
        if isinstance(data, OSError):
            raise data
        if data != files[name] and (name != RECORD_NAME or not _of_the_same(data, files[name])):
            return None
    return {name: data for name, data in files.items() if not isinstance(found[name], bytes)}


def _of_the_same(data: bytes, ours: bytes) -> bool:
    """Whether two records are of one document: all but its place in history, which follows from when it was written."""
    try:
        there, here = decode(data), decode(ours)
    except CommitRecordError:
        return False
    same_row = all(there.row[column] == value for column, value in here.row.items() if column not in _PLACE)
    return same_row and (there.files, there.parents) == (here.files, here.parents)


_PLACE = ("created_at", "lineage_prev_doc_id")
