"""Removing documents: a tombstone first, then the row, then the files; whatever interrupts it, a second run ends it.

The order is the reverse of a write, so that no row ever points to a document that is not there. A tombstone is one small
file for a batch: it names the documents that are on their way out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from doc_io import clock
from doc_io.batches import batches
from doc_io.errors import StorageError
from doc_io.ids import is_id
from doc_io.index.sql_index import Index
from doc_io.maintenance.leases import leased
from doc_io.maintenance.pins import pinned_among
from doc_io.storage.base import STORE_FOLDER, Storage
from doc_io.writing.draft import time_text

_FOLDER = f"{STORE_FOLDER}/removals"
LAST_PRUNING = f"{STORE_FOLDER}/clock/now"
"""A file that each pruning writes before it removes anything; by its time the storage's clock is known."""

_LOCK_BATCH_SIZE = 500  # documents; some tenths of a second, on an object store seconds, which others may have to wait


class Cutoff(NamedTuple):
    """What is too young to be removed, by two clocks: a document must be old by both.

    Attributes:
        created_at: By the index: only documents made before this time, and not the latest ok since.
        modified: By the storage's own clock, in seconds since 1970: only folders written to before.
    """

    created_at: str
    modified: float


def cutoff(storage: Storage, grace: timedelta) -> Cutoff:
    """The cutoff of a grace period that ends now: by the clock of this machine or by the storage's, whichever is behind.

    A pruner whose clock is ahead would else remove what was made a moment ago; and so would any pruner, of writers whose
    clocks are behind.
    """
    here = clock.utc_now() - grace  # before the probe, which may take a while to be written
    storage.put(LAST_PRUNING, b"")
    now = storage.folder(LAST_PRUNING.rpartition("/")[0]).modified
    there = datetime.fromtimestamp(now, timezone.utc) - grace
    # A storage's clock may count in whole seconds; what is a second apart is the same time.
    return Cutoff(time_text(here if here - there < _SAME else there), now - grace.total_seconds())


_SAME = timedelta(seconds=1)


class Removed(NamedTuple):
    """What a removal took away.

    Attributes:
        doc_ids: The documents.
        bytes: How many bytes their files had.
    """

    doc_ids: list[str]
    bytes: int


def remove_documents(storage: Storage, index: Index, documents: Sequence[tuple[str, str]], before: Cutoff) -> Removed:
    """Take a batch of documents out of a store for good.

    Args:
        storage: Their files.
        index: Their rows.
        documents: ``(doc_id, doc_dir)`` in the order of removal, children before parents.
        before: Only those older than this; see `finish`.

    Returns:
        Those that were removed; what became protected in the meantime stays.
    """
    tombstone = f"{_FOLDER}/{os.urandom(8).hex()}"
    storage.put(tombstone, json.dumps(documents).encode("ascii"))
    return _carry_out(storage, index, tombstone, documents, before)


def finish(storage: Storage, index: Index, before: Cutoff) -> Removed:
    """End the removals that were interrupted.

    What has lost its row loses its files. What still has its row goes only where it could be chosen for removal today:
    older than ``before``, not the latest ok of its task, not pinned, not read by a run, and nothing that is kept was made
    from it.

    Returns:
        The documents that were removed.
    """
    return _joined(
        _carry_out(storage, index, tombstone, read_tombstone(storage, tombstone), before)
        for tombstone in under_way(storage)
    )


def _joined(parts: Iterable[Removed]) -> Removed:
    removed = list(parts)
    return Removed([doc_id for each in removed for doc_id in each.doc_ids], sum(each.bytes for each in removed))


def under_way(storage: Storage) -> list[str]:
    """The tombstones of removals that were begun and not ended: paths relative to the docs root."""
    return [f"{_FOLDER}/{name}" for name in storage.names(_FOLDER)]


def _carry_out(
    storage: Storage, index: Index, tombstone: str, documents: Sequence[tuple[str, str]], before: Cutoff
) -> Removed:
    removed = _joined(_remove(storage, index, dict(batch), before) for batch in batches(documents, _LOCK_BATCH_SIZE))
    storage.delete(tombstone)
    return removed


def _remove(storage: Storage, index: Index, folders: Mapping[str, str], before: Cutoff) -> Removed:
    with index.repair_lock():  # who sends one of these attempts again waits, and then finds no folder to give a row to
        successors = index.successors(list(folders))
        written = list({**dict.fromkeys(folders.values()), **dict.fromkeys(successors.values())})
        extents = dict(zip(written, storage.extents(written), strict=True))
        protected = _protected(storage, index, folders, before)
        # What replaced a document as the latest ok must be as old: until then a run may have read it. Also of those whose
        # row went in a removal that was interrupted: whoever sent the attempt again since may be about to commit its row.
        for doc_id, doc_dir in folders.items():
            successor = successors.get(doc_id)
            is_young = extents[doc_dir].modified > before.modified
            if is_young or (successor and not 0 < extents[successor].modified <= before.modified):
                protected.add(doc_id)
        if not storage.is_same_root():  # all this was looked for on the disk below
            raise StorageError(docs_root=storage.root, action="prune", path="", reason="it is not mounted any more")
        # The index itself refuses to part with a document that something still there was made from.
        removed = index.remove([doc_id for doc_id in folders if doc_id not in protected])
        # What was not to be seen may come back with its mount, and be young.
        doomed = [folders[doc_id] for doc_id in removed if extents[folders[doc_id]].modified]
        storage.remove_many(doomed)
        return Removed(removed, sum(extents[each].bytes for each in doomed))


def _protected(storage: Storage, index: Index, folders: Mapping[str, str], before: Cutoff) -> set[str]:
    kept = {*pinned_among(storage, folders), *leased(storage, before.created_at)}
    there = {row.doc_id for row in index.get_many(list(folders))}
    removable = {each.doc_id for each in index.removable(list(folders), before.created_at)}
    return {doc_id for doc_id in there if doc_id in kept or doc_id not in removable}


def read_tombstone(storage: Storage, tombstone: str) -> list[tuple[str, str]]:
    """The documents that a tombstone names, ``(doc_id, doc_dir)``; it may be torn or forged."""
    try:
        documents = json.loads(storage.read(tombstone))
        return list(_believed(documents))
    except (FileNotFoundError, ValueError, TypeError, RecursionError):
        return []  # torn or forged: nothing of it was carried out, as it is whole before anything is


def _believed(documents: object) -> Iterator[tuple[str, str]]:
    for doc_id, doc_dir in documents if isinstance(documents, list) else ():
        # A forged tombstone may name any folder; only that of the very document is removed.
        if isinstance(doc_dir, str) and is_id(doc_id) and doc_dir.count("/") == 2 and doc_dir.endswith(f"/{doc_id}"):  # noqa: PLR2004
            yield doc_id, doc_dir
