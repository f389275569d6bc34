"""Where a run was measured: the file system under it, the machine, the versions; so that a figure can be judged later."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

IN_MEMORY = frozenset({"tmpfs", "ramfs"})
"""File systems on which fsync costs nothing, so that every durable write looks free."""


@dataclass(frozen=True)
class Setting:
    """What a contest needs to know: where to write, how much, how often.

    Args:
        folder: An empty folder on the disk to be measured.
        rounds: Counted rounds of each contest.
        batch: Operations a lane does in one round.
        sizes: Versions in the index for the contests that look at growth.
        short: Few rounds of everything: to see that it runs, not how fast.
        peers: Interpreters of peers that live in environments of their own, by name.
    """

    folder: Path
    rounds: int
    batch: int
    sizes: tuple[int, ...]
    short: bool = False
    peers: dict[str, str] = field(default_factory=dict)


def file_system(folder: Path) -> str:
    """The type of the file system a folder lies on, from the longest matching mount point (proc_pid_mountinfo(5))."""
    best, kind = "", "unknown"
    target = str(folder.resolve())
    mounts = Path("/proc/self/mounts")
    for line in mounts.read_text(encoding="utf-8").splitlines() if mounts.exists() else ():
        _, mount, type_, *_ = line.split()
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, type_
    return kind


@contextmanager
def measured_folder(parent: Path) -> Iterator[Path]:
    """A new folder for one run, removed afterwards.

    Args:
        parent: Where to make it; has to lie on a disk.

    Yields:
        The empty folder.

    Raises:
        SystemExit: The file system keeps its files in memory, where no durable write can be measured.
    """
    parent.mkdir(parents=True, exist_ok=True)
    kind = file_system(parent)
    if kind in IN_MEMORY:
        message = f"{parent} is {kind}: nothing durable can be measured there. Name a folder on a disk with --folder."
        raise SystemExit(message)
    with tempfile.TemporaryDirectory(prefix="doc-io-bench-", dir=parent) as folder:
        yield Path(folder).resolve()


def machine(folder: Path) -> dict[str, str | int | list[float]]:
    """What to print above the figures: disk, processors, load and versions."""
    return {
        "file_system": file_system(folder),
        "processors": os.cpu_count() or 0,
        "load": list(os.getloadavg()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
