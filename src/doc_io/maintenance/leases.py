"""Leases: versions that a run has read although they were not the latest, and that pruning leaves alone for a while.

What was the latest ok within the grace period is kept anyway. A pinned version, one of an earlier time or one of the run
that is re-executed is not; until what the run makes of it is saved, nothing else says that it is in use. A lease is a small
file of its own, and it expires with the grace period.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from doc_io.document import DocumentRow
from doc_io.storage.base import STORE_FOLDER, Storage
from doc_io.store import DocumentStore
from doc_io.writing.draft import next_created_at

_FOLDER = f"{STORE_FOLDER}/leases"


def lease(store: DocumentStore, rows: Iterable[DocumentRow], run_id: str) -> None:
    """Protect versions from pruning for as long as the grace period.

    Args:
        store: Which store.
        rows: What was read.
        run_id: The run that read them, for people.
    """
    now = next_created_at(None)
    for row in rows:
        content = json.dumps({"doc_id": row.doc_id, "leased_at": now, "run_id": run_id}, indent=2) + "\n"
        store.storage.put(f"{_FOLDER}/{row.doc_id}", content.encode("ascii"))


def leased(storage: Storage, since: str) -> set[str]:
    """The documents with a lease that is not older than a time (in the form of ``created_at``)."""
    leases = _leases(storage)
    return {doc_id for doc_id, leased_at in leases.items() if leased_at is None or leased_at >= since}


def end_expired(storage: Storage, before: str) -> None:
    """Remove the leases that are older than a time."""
    for doc_id, leased_at in _leases(storage).items():
        if leased_at is not None and leased_at < before:
            storage.delete(f"{_FOLDER}/{doc_id}")


def _leases(storage: Storage) -> dict[str, str | None]:
    """doc_id to the time of its lease; ``None`` where a damaged one does not say, which protects all the same."""
    names = storage.names(_FOLDER)
    contents = storage.read_many([f"{_FOLDER}/{name}" for name in names])
    return {name: _time(content) for name, content in zip(names, contents, strict=True)}


def _time(content: bytes | OSError) -> str | None:
    try:
        return str(json.loads(content)["leased_at"]) if isinstance(content, bytes) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
