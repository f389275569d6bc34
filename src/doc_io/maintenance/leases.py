"""Leases: versions that a run has read although they were not the latest, and that pruning leaves alone for a while.

What was the latest ok within the grace period is kept anyway. A pinned version, one of an earlier time or one of the run
that is re-executed is not; until what the run makes of it is saved, nothing else says that it is in use. A lease is a small
file that names what one input was given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from doc_io import clock
from doc_io.document import DocumentRow
from doc_io.storage.base import STORE_FOLDER, Storage
from doc_io.store import DocumentStore
from doc_io.writing.draft import next_created_at, time_text

LEASE = timedelta(days=1)
"""How long a lease protects at least; where the grace period of a pruning is longer, that counts. Also with no grace period
at all, a run that is under way must not lose what it has read."""

_FOLDER = f"{STORE_FOLDER}/leases"


class _Lease(NamedTuple):
    path: str
    leased_at: str
    doc_ids: frozenset[str]


def lease(store: DocumentStore, rows: Iterable[DocumentRow], run_id: str) -> None:
    """Protect versions from pruning for as long as `LEASE`, or the grace period where that is longer.

    Args:
        store: Which store.
        rows: What was read; nothing is written where there is none.
        run_id: The run that read them.
    """
    doc_ids = sorted({row.doc_id for row in rows})
    if not doc_ids:
        return
    content = {"run_id": run_id, "leased_at": next_created_at(None), "doc_ids": doc_ids}
    name = hashlib.sha256(json.dumps([run_id, doc_ids]).encode("ascii")).hexdigest()[:16]
    store.storage.put(f"{_FOLDER}/{name}", f"{json.dumps(content, indent=2)}\n".encode("ascii"))


def leased(storage: Storage, before: str) -> set[str]:
    """The documents that a lease protects.

    Args:
        storage: Their files.
        before: The beginning of the grace period, in the form of ``created_at``.
    """
    since = _since(before)
    return {doc_id for each in _leases(storage) if each.leased_at >= since for doc_id in each.doc_ids}


def end_expired(storage: Storage, before: str) -> None:
    """Remove the leases that protect nothing any more, and files that are none. Arguments as for `leased`."""
    since = _since(before)
    for each in _leases(storage):
        if each.leased_at < since:
            storage.delete(each.path)


def _since(before: str) -> str:
    return min(before, time_text(clock.utc_now() - LEASE))


def _leases(storage: Storage) -> list[_Lease]:
    paths = [f"{_FOLDER}/{name}" for name in storage.names(_FOLDER)]
    return [_decoded(path, content) for path, content in zip(paths, storage.read_many(paths), strict=True)]


def _decoded(path: str, content: bytes | OSError) -> _Lease:
    """A lease; one that cannot be read names nothing, and stays until it can: it is written at one instant, so never torn."""
    if not isinstance(content, bytes):
        return _Lease(path, next_created_at(None), frozenset())
    try:
        found = json.loads(content)
        return _Lease(path, str(found["leased_at"]), frozenset(map(str, found["doc_ids"])))
    except (ValueError, TypeError, KeyError, RecursionError):
        return _Lease(path, "", frozenset())
