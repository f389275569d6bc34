"""Copies of answers on this machine, until their step has ended or their write was acknowledged: `kill -9` loses none of them.

Each process has a folder in the spool, with a lock that ends with the process. The next one that finds such a folder
unlocked files what is in it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from doc_io.errors import ConfigurationError
from doc_io.maintenance.recover import Recovered, recover
from doc_io.writing.spool import spool, spool_path, unspool

if TYPE_CHECKING:
    from doc_io.store import DocumentStore
    from doc_io.writing.draft import Draft

try:
    import fcntl
except ImportError:  # Windows: whether a process has ended cannot be seen from its lock, so there are no copies
    fcntl = None  # type: ignore[assignment]

_FOLDER = ".answers"

_lock = threading.Lock()
_own: dict[tuple[int, str, str], _ProcessFolder] = {}  # by process, as a fork has locks of its own, spool and docs root


@dataclass
class _ProcessFolder:
    path: Path
    descriptor: int
    copies: int = 0


@dataclass(frozen=True)
class AnswerCopy:
    """Answers that wait for their step to end, or for the store.

    Attributes:
        key: Whose folder it is in.
        where: The spool.
        drafts: The documents.
    """

    key: tuple[int, str, str]
    where: str
    drafts: Sequence[Draft]

    def release(self) -> None:
        """Remove the copy: the answers are stored, or nobody wants them."""
        unspool(self.where, self.drafts)
        _count_out(self.key)


def copy_answer(folder: str, store: DocumentStore, drafts: Sequence[Draft]) -> AnswerCopy | None:
    """Keep a copy of answers, durable when this returns.

    Args:
        folder: The spool.
        store: The store that it is meant for.
        drafts: What is to be filed should this process be killed.

    Returns:
        The copy; ``None`` where processes cannot lock files.

    Raises:
        OSError: This disk cannot hold it.
    """
    if fcntl is None:
        return None
    root = spool_path(folder)
    key = os.getpid(), str(root), store.docs_root
    with _lock:
        own = _own.get(key) or _made(root / _FOLDER)
        _own[key] = own
        own.copies += 1
    try:
        return AnswerCopy(key, spool(own.path, drafts, owner=store.owner), drafts)
    except BaseException:
        _count_out(key)
        raise


def file_orphans(folder: str, store: DocumentStore) -> Iterator[Recovered]:
    """File the answers of processes that have ended without storing or removing them.

    Args:
        folder: The spool.
        store: The store; what is meant for another one stays.

    Yields:
        What became of each.
    """
    if fcntl is None:
        return
    answers = spool_path(folder) / _FOLDER
    for lock in sorted(answers.glob("*.lock")):
        with _lock:  # a process that opened and closed its own lock would lose it
            descriptor = None if any(own.path == lock.with_suffix("") for own in _own.values()) else _locked(lock)
        if descriptor is None:
            continue
        orphaned = _ProcessFolder(lock.with_suffix(""), descriptor)
        try:
            if orphaned.path.is_dir():  # else it was killed before there was anything in it
                yield from recover(store, orphaned.path)
        except ConfigurationError:  # of another store
            os.close(descriptor)
        else:
            _remove(orphaned)


def _count_out(key: tuple[int, str, str]) -> None:
    with _lock:
        own = _own.get(key)
        if own is not None:  # of this process, not of the one that it was forked from
            own.copies -= 1
            if own.copies == 0:
                del _own[key]
                _remove(own)


def _made(answers: Path) -> _ProcessFolder:
    while True:
        answers.mkdir(parents=True, exist_ok=True)
        path = answers / secrets.token_hex(8)
        with suppress(FileNotFoundError):  # whoever removed its own folder removed the empty one above
            path.with_suffix(".lock").touch()
            descriptor = _locked(path.with_suffix(".lock"))
            if descriptor is not None:
                return _ProcessFolder(path, descriptor)


def _locked(lock: Path) -> int | None:
    """The descriptor of a lock that is held now; ``None`` where another process has it, or it was removed meanwhile."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), lock.stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove(own: _ProcessFolder) -> None:
    """Remove a folder in which nothing waits any more, and its lock."""
    if not any(own.path.glob("*/*/*/*")):
        shutil.rmtree(own.path, ignore_errors=True)
        own.path.with_suffix(".lock").unlink(missing_ok=True)
    os.close(own.descriptor)
    for empty in (own.path.parent, own.path.parent.parent):
        with suppress(OSError):
            empty.rmdir()
