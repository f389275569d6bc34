"""Pins: documents that no pruning removes. A pin is a small file of its own, so that it outlives the index."""

from __future__ import annotations

import json
from collections.abc import Iterable

from doc_io.errors import UnknownDocumentError
from doc_io.ids import is_id
from doc_io.storage.base import STORE_FOLDER, Storage
from doc_io.store import DocumentStore
from doc_io.writing.draft import next_created_at

_FOLDER = f"{STORE_FOLDER}/pins"


def pin(store: DocumentStore, doc_id: str, note: str = "") -> None:
    """Keep a document for good; pinning it again changes the note.

    Args:
        store: Which store.
        doc_id: Which document.
        note: Why, for people. Default: nothing.

    Raises:
        UnknownDocumentError: There is no such document.
    """
    if store.get(doc_id) is None:
        raise UnknownDocumentError(doc_id=doc_id, docs_root=store.docs_root)
    content = json.dumps({"doc_id": doc_id, "pinned_at": next_created_at(None), "note": note}, indent=2) + "\n"
    store.storage.put(f"{_FOLDER}/{doc_id}", content.encode("ascii"))


def unpin(store: DocumentStore, doc_id: str) -> None:
    """Let a document be pruned again; no error where it was not pinned."""
    if is_id(doc_id):
        store.storage.delete(f"{_FOLDER}/{doc_id}")


def pinned(storage: Storage) -> dict[str, str]:
    """Every pin.

    Returns:
        doc_id to the path of its pin, relative to the docs root.
    """
    return {name: f"{_FOLDER}/{name}" for name in storage.names(_FOLDER)}


def pins(store: DocumentStore) -> dict[str, str]:
    """Every pinned document with the reason that was given; empty where there is none or it cannot be read."""
    paths = pinned(store.storage)
    contents = store.storage.read_many(list(paths.values()))
    return {doc_id: _note(content) for doc_id, content in zip(paths, contents, strict=True)}


def pin_of(store: DocumentStore, doc_id: str) -> str | None:
    """The reason why a document is pinned, maybe empty; ``None`` where it is not. One look-up, however many pins there are."""
    [content] = store.storage.read_many([f"{_FOLDER}/{doc_id}"])
    return None if isinstance(content, FileNotFoundError) else _note(content)


def pinned_among(storage: Storage, doc_ids: Iterable[str]) -> set[str]:
    """Those of some documents that are pinned; one whose pin cannot be read is."""
    ids = list(doc_ids)
    contents = storage.read_many([f"{_FOLDER}/{doc_id}" for doc_id in ids])
    return {doc_id for doc_id, content in zip(ids, contents, strict=True) if not isinstance(content, FileNotFoundError)}


def _note(content: bytes | OSError) -> str:
    try:
        return str(json.loads(content)["note"]) if isinstance(content, bytes) else ""
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""  # a damaged pin still pins
