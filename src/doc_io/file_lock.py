"""Turns of writers: first come, first served, where SQLite alone lets the last one to ask go first.

SQLite's own waiting sleeps ever longer and asks again: of 32 processes the unlucky one waited for 2 to 8 s for a
transaction of a millisecond, and with a time-out of 5 s, 1 to 3 of 16,000 writes failed. A lock of the kernel (flock(2))
wakes its waiters in order, and the longest wait is a tenth of that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

try:
    import fcntl
except ImportError:  # Windows has no flock; its writers wait as SQLite lets them
    fcntl = None  # type: ignore[assignment]

_taken: set[int] = set()  # descriptors of turns that are waited for or held in this process


@contextmanager
def file_lock(path: str) -> Iterator[None]:
    """Wait for those who asked before, and keep others waiting as long as the block lasts.

    It only orders writers; what keeps them apart is still the database's own lock. Where no turns can be taken (a
    folder that cannot be written, a file system without such locks) the block runs at once.

    Args:
        path: A file that all writers agree on, made where it is missing. It stays empty and is never removed.
    """
    descriptor = _opened(path)
    if descriptor is None:
        yield
        return
    _taken.add(descriptor)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        _taken.discard(descriptor)
        os.close(descriptor)


def _opened(path: str) -> int | None:
    if fcntl is None:
        return None
    with suppress(OSError):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    return None


def _forget() -> None:
    """In a forked child: a copy of a descriptor would keep the turn after its holder has ended."""
    while _taken:
        with suppress(OSError):
            os.close(_taken.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
