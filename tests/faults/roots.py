"""A docs root that is taken away and made read-only while others use it, in a mount namespace of this process alone.

As root a real mount; else a folder that is renamed, and a mode. Whatever happens to this process, its mounts end with it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_NEW_NAMESPACE = 0x20000  # CLONE_NEWNS
_BIND, _REMOUNT, _READ_ONLY, _RECURSIVE, _PRIVATE = 4096, 32, 1, 16384, 1 << 18  # sys/mount.h
_DETACH = 2


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _mount(source: str | None, target: Path, flags: int) -> None:
    given = None if source is None else source.encode()
    _call("mount", given, os.fsencode(target), None, ctypes.c_ulong(flags), None)


class TroubledRoot:
    """A docs root that can be taken away.

    Args:
        root: The docs root; it is made.

    Attributes:
        is_mounted: Whether it is a mount; else a folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._disk = root.with_name(f"{root.name}-disk")
        self._count = itertools.count()
        root.mkdir(parents=True)
        try:
            _call("unshare", _NEW_NAMESPACE)
            _mount(None, Path("/"), _RECURSIVE | _PRIVATE)
            self._disk.mkdir()
            _mount(str(self._disk), root, _BIND)
            self.is_mounted = True
        except OSError:
            self.is_mounted = False

    def close(self) -> None:
        """Unmount it, so that its folder can be removed."""
        if self.is_mounted:
            _call("umount2", os.fsencode(self._root), _DETACH)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The docs root is an empty folder of the disk below."""
        if self.is_mounted:
            _call("umount2", os.fsencode(self._root), _DETACH)
        else:
            self._root.rename(self._disk)
            self._root.mkdir()
        try:
            yield
        finally:
            if self.is_mounted:
                _mount(str(self._disk), self._root, _BIND)
            else:
                self._put_back()

    def _put_back(self) -> None:
        while self._disk.exists():  # a writer may make it anew between the two
            with suppress(OSError):
                self._root.rename(self._root.with_name(f"{self._root.name}-below-{next(self._count)}"))
            with suppress(OSError):
                self._disk.rename(self._root)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written into the docs root; where a writer has a file open, it stays as it is."""
        if not self.is_mounted:
            mode = self._root.stat().st_mode
            folders = [self._root, *(each for each in self._root.iterdir() if each.is_dir())]
            for each in folders:
                each.chmod(0o555)
            try:
                yield
            finally:
                for each in folders:
                    each.chmod(mode)
            return
        for _ in range(100):
            with suppress(OSError):  # EBUSY: a file is open for writing
                _mount(None, self._root, _REMOUNT | _BIND | _READ_ONLY)
                break
            time.sleep(0.002)
        try:
            yield
        finally:
            _mount(None, self._root, _REMOUNT | _BIND)
