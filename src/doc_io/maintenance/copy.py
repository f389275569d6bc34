"""Copies a store: every document that the target lacks, each file checked against its hash; nothing is deleted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from doc_io.batches import batches
from doc_io.document import DocumentRow
from doc_io.errors import ConfigurationError, DamagedDocumentError, IndexAccessError, StorageError
from doc_io.integrity import contents
from doc_io.maintenance.pins import pinned
from doc_io.maintenance.reindex import Rejected
from doc_io.maintenance.rename import file_under
from doc_io.progress import Progress
from doc_io.renames import Renames, read_renames
from doc_io.storage.base import Storage
from doc_io.store import DocumentStore
from doc_io.writing.draft import Draft, draft_from_files

_BATCH_SIZE = 100  # documents; each batch is committed, so an interrupted copy goes on where it was


@dataclass(frozen=True)
class Copied:
    """The result of a copy.

    Attributes:
        copied: Documents that the target got.
        existing: Documents that it had already.
        rejected: Documents that were not copied: not whole in the source, or the target has another one in their place.
    """

    copied: int
    existing: int
    rejected: tuple[Rejected, ...]


def copy(
    source: DocumentStore,
    target: DocumentStore,
    *,
    progress: Progress | None = None,
) -> Copied:
    """Copy a store's documents, rows, pins and renames to another root and index.

    A document goes the way of a write: its files, durable; then its row. Each file is compared with its hash in the
    manifest before it is written. Running it again copies what is new.

    Args:
        source: The store to read.
        target: The store to write.
        progress: Progress callback, called with `(done, total)`. Default: none.

    Raises:
        ConfigurationError: One docs root lies in the other, or both stores have the same index; nothing was made.
        StoreMismatchError: The target's index is that of another root.
        MaintenanceBusyError: Another maintenance command is running on the target.
        StorageError: The target could not be written.
    """
    _check_apart(source, target)
    _check_writable(target)
    target.unchecked.check()  # before its index is made
    storage, index = source.storage, source.index
    total = sum(each.documents for each in index.stage_counts())
    copied = existing = 0
    rejected: list[Rejected] = []
    renames = read_renames(storage)
    with target.index.maintenance_lock():
        if renames.names:
            file_under(target, renames.names)
        for batch in batches(index.scan(), _BATCH_SIZE):
            known = {row.doc_id for row in target.index.get_many([row.doc_id for row in batch])}
            new = [row for row in batch if row.doc_id not in known]
            existing += len(known)
            copied += _copy_batch(storage, target, new, renames, rejected)
            if progress is not None:
                progress(copied + existing + len(rejected), total)
        for path in pinned(storage).values():
            target.storage.put(path, storage.read(path))
    return Copied(copied, existing, tuple(rejected))


def _check_apart(source: DocumentStore, target: DocumentStore) -> None:
    roots = [_place(each.docs_root) for each in (source, target)]
    if roots[0].startswith(roots[1]) or roots[1].startswith(roots[0]):
        raise ConfigurationError(
            setting=f"The docs root {target.docs_root} of the copy",
            reason=f"it is, lies in or lies around that of the source, {source.docs_root}",
            hint="Give a place of its own; to give the same documents another index, run `reindex` with that --db.",
        )
    names = [each.unchecked.index.name for each in (source, target)]
    if _place(names[0]) == _place(names[1]):
        raise ConfigurationError(
            setting=f"The index {names[1]} of the copy",
            reason="it is the index of the source",
            hint="Give another file or database.",
        )


def _place(name: str) -> str:
    return (name if "://" in name else os.path.realpath(name)).rstrip("/") + "/"


def _check_writable(target: DocumentStore) -> None:
    """Refuse a target on this machine that cannot be written, before half of it is made."""
    root, index = target.docs_root, target.unchecked.index.name
    if "://" not in index:
        reason = "it is a folder" if Path(index).is_dir() else _trouble(Path(index).parent)
        if reason is not None:
            raise IndexAccessError(index=index, reason=reason)
    if "://" not in root:
        reason = _trouble(Path(root))
        if reason is not None:
            raise StorageError(docs_root=root, action="write", path="documents", reason=reason)


def _trouble(folder: Path) -> str | None:
    """What keeps a folder from being written, or made."""
    existing = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not existing.is_dir():
        return f"{existing} is no folder"
    return None if os.access(existing, os.W_OK | os.X_OK) else f"no permission to write {existing}"


def _copy_batch(
    storage: Storage, target: DocumentStore, rows: list[DocumentRow], renames: Renames, rejected: list[Rejected]
) -> int:
    copied = 0
    forged = [row for row in rows if row.doc_dir != renames.doc_dir_of(row)]
    rejected += [
        Rejected(row.doc_dir, (f"the row of {row.doc_id} names it, and its folder is another",)) for row in forged
    ]
    for documents in contents(storage, [row.doc_dir for row in rows if row not in forged]):
        rejected += [Rejected(each.path, each.reasons) for each in documents if each.record is None]
        copied += _commit(
            target, [draft_from_files(each.path, each.files) for each in documents if each.record], rejected
        )
    return copied


def _commit(target: DocumentStore, drafts: list[Draft], rejected: list[Rejected]) -> int:
    """Commit them together; one by one if the target has another, forged document in the place of one."""
    try:
        return len(target.commit(drafts))
    except DamagedDocumentError as error:
        if len(drafts) == 1:
            rejected.append(Rejected(drafts[0].doc_dir, (f"in the target, {error.facts['reason']}",)))
            return 0
        return sum(_commit(target, [draft], rejected) for draft in drafts)
