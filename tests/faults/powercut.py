"""A file system whose power can be cut: ext4 in an image of its own, on a loop device, shut down by its own ioctl.

``EXT4_IOC_SHUTDOWN`` with ``NOLOGFLUSH`` stops the file system at once: what is only in memory is lost, the journal stays as it is on the disk,
and the next mount recovers from it as after a cut (fs/ext4/ioctl.c; xfstests' ``generic/388`` is built on the same call). Needs root.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import skips
from tests.faults.promises import broken_promises

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2
SIZE = 48 * 2**20  # bytes
REPOSITORY = Path(__file__).parent.parent.parent


class Disk:
    """An ext4 file system that can be cut off.

    Args:
        folder: Where its image and its mount point go.
    """

    def __init__(self, folder: Path) -> None:
        self._image, self.top = folder / "image", folder / "mounted"
        self.top.mkdir()
        with self._image.open("wb") as image:
            image.truncate(SIZE)
        # Nothing may be written later by itself: commit=300 keeps the journal's timer out of it, so only fsync makes durable.
        subprocess.run(
            ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self._image)], check=True
        )

    def mount(self) -> None:
        """Make it usable; after a cut the journal is replayed."""
        subprocess.run(["mount", "-o", "loop,commit=300", str(self._image), str(self.top)], check=True)

    def unmount(self) -> None:
        """Take it away; waits for the last file to be closed."""
        for _ in range(200):
            if subprocess.run(["umount", str(self.top)], check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.01)
        subprocess.run(["umount", str(self.top)], check=True)

    def cut(self) -> None:
        """Lose all that is not on the disk."""
        folder = os.open(self.top, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A mounted `Disk`; the test is skipped where there can be none."""
    if sys.platform != "linux":
        pytest.skip(skips.NOT_LINUX)
    if os.geteuid() != 0:
        pytest.skip(skips.NO_ROOT)
    made = Disk(folder)
    try:
        made.mount()
    except subprocess.CalledProcessError:
        pytest.skip(skips.NO_LOOP)
    try:
        yield made
    finally:
        made.unmount()


def cut_while_writing(disk: Disk, chance: random.Random, mutant: str = "") -> tuple[int, list[str]]:
    """Start a writer that never ends, cut the power in the middle, mount again and look.

    Returns:
        How many documents had been acknowledged in this run, and what is broken.
    """
    root = disk.top / f"root-{chance.randrange(10**9)}"
    root.mkdir()
    os.sync()  # the folder that is given is there; everything below it is the writer's
    command = [sys.executable, "-m", "tests.faults.endless", str(root), mutant]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    # What it says of the disk that was taken from it is of no interest.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=REPOSITORY, env=environment
    ) as writer:
        assert writer.stdout
        lines = [writer.stdout.readline()]
        if chance.random() < 0.8:  # else the cut falls into the making of the index
            lines.append(writer.stdout.readline())
        time.sleep(chance.uniform(0, 0.15))
        # What is said later was said by a machine that has no power any more.
        os.set_blocking(writer.stdout.fileno(), False)
        lines += writer.stdout.readlines()
        disk.cut()
        writer.kill()
    disk.unmount()
    disk.mount()
    said = dict(line.decode().split() for line in lines if line.endswith(b"\n") and line != b"begins\n")
    broken = broken_promises(root, said)
    shutil.rmtree(root, ignore_errors=bool(broken))
    return len(said), broken
