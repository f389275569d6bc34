"""The spool: texts kept on this machine while the store cannot be reached, and saved once it can.

It is a docs root of its own on the local disk, with the same folders, so that nothing in it needs a special reader.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from doc_io.commit_record import RECORD_NAME, CommitRecordError, encode_text
from doc_io.errors import ConfigurationError, StorageError
from doc_io.file_lock import file_lock
from doc_io.storage.base import DocumentExistsError
from doc_io.storage.local import LocalStorage
from doc_io.store_identity import IDENTITY_NAME
from doc_io.writing.draft import Draft, draft_from_files, next_created_at
from doc_io.writing.partial_writes import complete_partial_write

_LOCK = ".lock"

DEFAULT_SPOOL = "data/spool"
"""Where texts wait unless the IO manager says otherwise."""


class SpoolOwner(NamedTuple):
    """The store that a spool's documents are meant for. Both are compared where both sides know an id, else the docs root.

    Attributes:
        docs_root: Its docs root, as it may be shown.
        store_id: Its id; ``None`` where the store could not be asked for it, or had none yet.
    """

    docs_root: str
    store_id: str | None


def spool_path(folder: str | os.PathLike[str]) -> Path:
    """Where a spool is, whatever the working directory becomes."""
    return Path(folder).expanduser().absolute()


def refuse_docs_root(folder: str | os.PathLike[str], docs_root: str) -> None:
    """Make sure that a spool is no docs root: what leaves a spool is removed from it.

    Raises:
        ConfigurationError: It is one, this store's or another's.
    """
    path = spool_path(folder)
    if _is_docs_root(LocalStorage(path)) or os.path.realpath(path) == os.path.realpath(docs_root):
        raise ConfigurationError(
            setting=f"The spool {path}",
            reason="it is a docs root, and the documents in it are where they belong",
            hint="Name a folder of its own, as the IO manager's `spool` does (data/spool by default). Documents without a row"
            " get one with `doc-io reindex --incremental`.",
        )


def spool(folder: str | os.PathLike[str], drafts: Sequence[Draft], *, owner: SpoolOwner) -> str:
    """Keep documents on this machine, durable when this returns.

    Args:
        folder: The spool, made where it is missing.
        drafts: The documents; one that is there already, whole, stays as it is.
        owner: The store they are meant for. A spool holds those of one.

    Returns:
        Where they are: the spool, or, where that one is of another store, a folder beside it.

    Raises:
        StorageError: This disk cannot hold them either.
    """
    storage = _claimed(LocalStorage(spool_path(folder)), owner)
    now = next_created_at(None)
    placed = {draft.doc_dir: draft.at(now, None) for draft in drafts}
    for existing in storage.create_many({doc_dir: draft.files for doc_dir, draft in placed.items()}):
        with file_lock(f"{storage.root}/{_LOCK}"):
            complete_partial_write(storage, placed[existing])
    return storage.root


def unspool(folder: str, drafts: Iterable[Draft]) -> None:
    """Take documents out of a spool again: they are in their store. One that cannot be removed stays, without an error.

    Args:
        folder: The spool, as `spool` returned it.
        drafts: The documents.
    """
    storage = LocalStorage(folder)
    for draft in drafts:
        with suppress(StorageError):  # recovered once more it is the same document
            storage.remove(draft.doc_dir)


def spooled(folder: str | os.PathLike[str]) -> int:
    """How many documents are in a spool; 0 if there is no such folder."""
    return sum(1 for _ in spooled_folders(folder))


def _claimed(storage: LocalStorage, owner: SpoolOwner) -> LocalStorage:
    """The spool, if it is this store's or unclaimed; else the store's own one beside it."""
    name = {"store_id": owner.store_id, "docs_root": _seen_from(storage, owner.docs_root)}
    try:
        storage.add(IDENTITY_NAME, f"{json.dumps(name)}\n".encode("ascii"))
    except DocumentExistsError:
        if not is_owned_by(storage, owner):
            suffix = hashlib.sha256(encode_text(owner.store_id or owner.docs_root)).hexdigest()[:8]
            return _claimed(LocalStorage(f"{storage.root}-{suffix}"), owner)
    return storage


def is_owned_by(storage: LocalStorage, owner: SpoolOwner) -> bool:
    """Whether a spool is meant for a store, or says nothing of it.

    Raises:
        StorageError: It cannot be read.
    """
    if _is_docs_root(storage):
        return False
    found = owner_of(storage)
    if found is None:
        return True
    if found.store_id is not None and owner.store_id is not None:
        return found.store_id == owner.store_id
    return found.docs_root == _seen_from(storage, owner.docs_root)


def owner_of(storage: LocalStorage) -> SpoolOwner | None:
    """The store that a spool's documents are meant for, its docs root as seen from the spool; ``None`` where it says none."""
    try:
        name = json.loads(storage.read(IDENTITY_NAME))
        return SpoolOwner(str(name["docs_root"]), name["store_id"])
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _is_docs_root(storage: LocalStorage) -> bool:
    """Whether a folder has the id of a store, and is not for the documents of another folder."""
    try:
        identity = json.loads(storage.read(IDENTITY_NAME))
    except (OSError, ValueError, RecursionError):  # what cannot be read has no documents to lose
        return False
    return isinstance(identity, dict) and "docs_root" not in identity


def _seen_from(spool: LocalStorage, docs_root: str) -> str:
    """No absolute path, so that spool and docs root can be moved together."""
    return docs_root if "://" in docs_root else os.path.relpath(docs_root, spool.root)


def spooled_folders(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """The documents: stage, key, doc_id; a name that starts with a dot is that of something else, or is being written."""
    for path in sorted(spool_path(folder).glob("[!.]*/*/[!.]*")):
        if path.is_dir() and not path.is_symlink():
            yield path


def spooled_draft(folder: Path) -> Draft:
    """The draft of a spooled document; its place in history is still to be found.

    Raises:
        CommitRecordError: It is not what was spooled.
        OSError: A file cannot be read.
    """
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    if RECORD_NAME not in files:
        raise CommitRecordError(f"{RECORD_NAME} is missing")
    try:
        return draft_from_files("/".join(folder.parts[-3:]), files).at(None, None)
    except KeyError as error:
        raise CommitRecordError(f"{error} is missing") from None
