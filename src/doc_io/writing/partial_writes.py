"""Completes a partially written document directory; one that another writer completed stays as it is.

A process that died, or a power cut, leaves parts of a document. Saving the same document again completes them.
Several may do so at the same time, so it is judged and changed under a lock.
"""

from __future__ import annotations

from doc_io.commit_record import RECORD_NAME, CommitRecord
from doc_io.errors import DamagedDocumentError, StorageError
from doc_io.integrity import missing_files, read_whole_record
from doc_io.storage.base import DocumentExistsError, Storage
from doc_io.writing.draft import Draft

_MAX_TRIES = 20  # each but the first follows a writer that created the directory without a lock


def complete_partial_write(storage: Storage, draft: Draft) -> CommitRecord:
    """Complete the document in a directory that `Storage.create` found existing, and make it durable.

    To be called by one at a time for each document: under the ``repair_lock`` of its index, or the lock of its spool.

    Args:
        storage: Where its directory is.
        draft: The document, placed.

    Returns:
        The record in the directory now: that of a document that was found whole, else that of the draft.

    Raises:
        StorageError: It could not be written.
        DamagedDocumentError: The directory holds another whole document. It is forged, since an id follows from the content.
    """
    for _ in range(_MAX_TRIES):
        found = read_whole_record(storage, draft.doc_dir)
        if found is not None:
            if dict(found.files) != dict(draft.record.files):
                raise DamagedDocumentError(
                    doc_id=draft.doc_id, doc_dir=draft.doc_dir, reason="its folder holds another document, whole"
                )
            storage.sync(draft.doc_dir, [*found.files, RECORD_NAME])
            return found
        files = draft.files
        # Objects appear one by one: their writer may be at work this very moment, and what it wrote stays where it is.
        missing = None if storage.capabilities.atomic_document else missing_files(storage, draft.doc_dir, files)
        if missing is None:
            # No document: its writer died or its disk failed before it was acknowledged.
            storage.quarantine(draft.doc_dir)
            missing = files
        try:
            storage.create(draft.doc_dir, missing)
        except DocumentExistsError:
            continue
        if RECORD_NAME in missing:
            return draft.record
    raise StorageError(
        docs_root=storage.root,
        action="write",
        path=draft.doc_dir,
        reason=f"other writers of this document were at work in each of {_MAX_TRIES} tries",
    )
