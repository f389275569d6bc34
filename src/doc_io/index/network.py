"""Disks that a SQLite file must not be on: those whose locks and shared memory may not work."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Locks over NFS and SMB are unreliable (sqlite.org/howtocorrupt.html, section 2.1), and a write-ahead log needs shared
# memory of one machine (sqlite.org/wal.html). Behind FUSE may be anything; fuseblk is a local disk.
_UNSAFE = re.compile(r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|beegfs|gpfs|fuse(\..*)?")
_OCTAL = re.compile(r"\\([0-7]{3})")

MOUNTS = Path("/proc/self/mountinfo")
"""What is mounted where (proc_pid_mountinfo(5)); on systems without it no disk is known to be unsafe."""


def unsafe_disk(path: str, mounts: Path = MOUNTS) -> str | None:
    """The kind of disk a file is on, if SQLite is not safe on it; else ``None``.

    Args:
        path: The file, there or not.
        mounts: Where to read what is mounted. Default: the system's own list.

    Returns:
        The file system's name, such as ``nfs4`` or ``fuse.sshfs``; ``None`` for a local disk.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = os.path.realpath(path) + "/"
    found, longest = "", 0
    for line in lines:
        before, _, after = line.partition(" - ")
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4]).rstrip("/") + "/"
        if real.startswith(point) and len(point) >= longest:  # of two on one place the later hides the earlier
            found, longest = after.split(" ")[0], len(point)
    return found if _UNSAFE.fullmatch(found) else None
