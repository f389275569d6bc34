"""A fair file lock: waiters are served in the order in which they asked, where SQLite alone may serve the last one first.

SQLite's own waiting sleeps ever longer and asks again: of 32 processes the unlucky one waited for 2 to 8 s for a
transaction of a millisecond, and with a time-out of 5 s, 1 to 3 of 16,000 writes failed. A lock of the kernel (flock(2))
wakes its waiters in order, and the longest wait is a tenth of that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock; its writers wait as SQLite lets them
    fcntl = None  # type: ignore[assignment]

TIMEOUT = 60.0
"""Seconds to wait for a lock, where the caller does not say."""

_held: set[int] = set()  # descriptors of locks that this process waits for or holds


class FileLockTimeoutError(TimeoutError):
    """A lock was not released in time.

    Attributes:
        holder: Who holds it, for people: ``process 123``, or ``another process`` where that is not known.
    """

    def __init__(self, path: str, timeout: float, holder: str) -> None:
        super().__init__(f"{path} stayed locked for {timeout:g} s by {holder}")
        self.holder = holder


@contextmanager
def file_lock(path: str, timeout: float = TIMEOUT) -> Iterator[None]:
    """Hold a lock for the block, after those who asked for it before.

    Where there can be no lock (a folder that cannot be written, a file system without locks) the block runs at once.

    Args:
        path: A file that all agree on, made where it is missing. It stays empty and is never removed.
        timeout: Seconds to wait.

    Raises:
        FileLockTimeoutError: Another process or thread still holds it.
    """
    descriptor = _opened(path)
    if descriptor is None:
        yield
        return
    _held.add(descriptor)
    if not _locked(descriptor, timeout):  # the thread that waits closes it
        raise FileLockTimeoutError(path, timeout, holder_of(path))
    try:
        yield
    finally:
        _close(descriptor)


def holder_of(path: str) -> str:
    """Which process holds the lock on a file, for people."""
    with suppress(OSError, ValueError, IndexError):
        inode = str(os.stat(path).st_ino)  # noqa: PTH116 - as the rest of this module
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            kind, _, _, pid, file, *_ = line.split()[1:]
            if kind == "FLOCK" and file.rpartition(":")[2] == inode and int(pid) > 0:
                return f"process {pid}"
    return "another process"


def _locked(descriptor: int, timeout: float) -> bool:
    """Wait for the lock; False where it did not come in time."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    except OSError:  # a file system without locks
        return True
    else:
        return True
    # The kernel keeps the order of those that wait in flock(2), which has no time-out: hence a thread for it.
    decision, answered = threading.Lock(), threading.Event()
    abandoned = False

    def wait() -> None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with decision:
            answered.set()
            if abandoned:
                _close(descriptor)

    threading.Thread(target=wait, name="doc_io file_lock", daemon=True).start()
    try:
        answered.wait(timeout)
    except BaseException:  # an interrupt: the lock would be acquired later and never released
        with decision:
            abandoned = True
            if answered.is_set():
                _close(descriptor)
        raise
    with decision:  # a lock that came at the last moment counts
        abandoned = not answered.is_set()
        return not abandoned


def _opened(path: str) -> int | None:
    if fcntl is None:
        return None
    with suppress(OSError):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    return None


def _close(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)


def _close_inherited() -> None:
    """In a forked child: a copy of a descriptor would keep the lock after its holder has ended."""
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
