"""The spool: texts that were paid for, kept on this machine while the store is away, and filed once it is back.

It is a docs root of its own on the local disk, with the same folders, so that nothing in it needs a special reader.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from doc_io.commit_record import (
    RECORD_NAME,
    CommitRecord,
    CommitRecordError,
    decode,
    decode_text,
    encode,
    encode_text,
    file_entry,
)
from doc_io.file_lock import file_lock
from doc_io.storage.base import DocumentExistsError
from doc_io.storage.local import LocalStorage
from doc_io.writing.draft import Draft, next_created_at
from doc_io.writing.partial_writes import complete_partial_write
from doc_io.writing.writer import refuse_other

_TURNS = ".turns"
OWNER_NAME = ".store"

DEFAULT_SPOOL = "data/spool"
"""Where texts wait unless the IO manager says otherwise."""


def spool(folder: str | os.PathLike[str], drafts: Sequence[Draft], *, owner: str) -> str:
    """Keep documents on this machine, durable when this returns.

    Args:
        folder: The spool, made where it is missing.
        drafts: The documents; one that is there already, whole, stays as it is.
        owner: The docs root they are meant for. A spool holds those of one.

    Returns:
        Where they are: the spool, or, where that one is of another docs root, a folder beside it.

    Raises:
        DocumentConflictError: Another document is there under the same doc_id.
        StorageError: This disk cannot hold them either.
    """
    storage = _claimed(LocalStorage(Path(folder).expanduser()), owner)
    now = next_created_at(None)
    files = {draft.doc_dir: {**draft.contents, RECORD_NAME: encode(draft.record(now, None))} for draft in drafts}
    there = storage.create_many(files)
    for draft in drafts:
        if draft.doc_dir in there:
            with file_lock(f"{storage.root}/{_TURNS}"):
                refuse_other(draft, complete_partial_write(storage, draft.doc_dir, files[draft.doc_dir]))
    return storage.root


def spooled(folder: str | os.PathLike[str]) -> int:
    """How many documents wait in a spool; 0 where there is no such folder."""
    return sum(1 for _ in spooled_folders(folder))


def _claimed(storage: LocalStorage, owner: str) -> LocalStorage:
    """The spool where it is this docs root's or nobody's yet; else the one beside it that is."""
    name = docs_root_seen_from(storage, owner)
    try:
        storage.add(OWNER_NAME, encode_text(name))
    except DocumentExistsError:
        if owner_of(storage) != name:
            return _claimed(LocalStorage(f"{storage.root}-{hashlib.sha256(encode_text(owner)).hexdigest()[:8]}"), owner)
    return storage


def docs_root_seen_from(spool: LocalStorage, docs_root: str) -> str:
    """How a spool names a docs root: no absolute path, so that both can be moved together."""
    return docs_root if "://" in docs_root else os.path.relpath(docs_root, spool.root)


def owner_of(storage: LocalStorage) -> str | None:
    """The docs root that a spool's documents are meant for, as `docs_root_seen_from` names it; ``None`` where it has none."""
    try:
        return decode_text(storage.read(OWNER_NAME))
    except FileNotFoundError:
        return None


def spooled_folders(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """The documents: stage, key, doc_id; what is being written has a name that starts with a dot."""
    for path in sorted(Path(folder).expanduser().absolute().glob("*/*/*")):
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield path


def spooled_draft(folder: Path) -> Draft:
    """The draft of a spooled document.

    Raises:
        CommitRecordError: It is not what was spooled.
    """
    record: CommitRecord = decode((folder / RECORD_NAME).read_bytes())
    contents = {path: (folder / path).read_bytes() for path in record.files}
    for path, data in contents.items():
        if file_entry(data) != record.files[path]:
            raise CommitRecordError(f"{path} is not what was spooled")
    row = {name: value for name, value in record.row.items() if name not in ("created_at", "lineage_prev_doc_id")}
    return Draft(row, record.doc_dir, contents, record.files, record.parents, record.extras, record.metadata)
