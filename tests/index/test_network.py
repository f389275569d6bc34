"""A SQLite file on a disk of another machine is refused before it is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from doc_io import DocumentStore
from doc_io.errors import IndexOnNetworkError
from doc_io.index import network
from doc_io.index.network import unsafe_disk

MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:40 / /home/shared rw - nfs4 server:/export rw
31 22 0:41 / /mnt/my\\040share rw shared:7 master:1 - cifs //server/share rw
32 22 0:42 / /mnt/bucket rw - fuse.sshfs me@host:/ rw
33 22 8:17 / /mnt/usb rw - fuseblk /dev/sdb1 rw
34 30 8:33 / /home/shared/scratch rw - xfs /dev/sdc1 rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """The list of a machine with several disks."""
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(
    ("path", "disk"),
    [
        ("/var/lib/db.sqlite", None),
        ("/home/shared/db.sqlite", "nfs4"),
        ("/home/shared/deep/er/db.sqlite", "nfs4"),
        ("/home/shared-not/db.sqlite", None),
        ("/home/shared/scratch/db.sqlite", None),
        ("/mnt/my share/db.sqlite", "cifs"),
        ("/mnt/bucket/db.sqlite", "fuse.sshfs"),
        ("/mnt/usb/db.sqlite", None),
    ],
)
def test_the_disk_of_a_path_is_that_of_the_nearest_mount(mounts: Path, path: str, disk: str | None) -> None:
    """NFS, SMB and FUSE are told from local disks, also below each other."""
    assert unsafe_disk(path, mounts) == disk


def test_where_nothing_tells_what_is_mounted_nothing_is_refused(tmp_path: Path) -> None:
    """As on systems without /proc."""
    assert unsafe_disk("/anywhere", tmp_path / "none") is None


def test_an_index_on_a_network_disk_is_refused_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the disk and the ways out; nothing was made."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 1 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(network.unsafe_disk, "__defaults__", (mounts,))
    db_path = tmp_path / "db" / "documents.sqlite"

    with (
        DocumentStore(tmp_path / "docs", db_path) as store,
        pytest.raises(IndexOnNetworkError, match=r"nfs4.*PostgreSQL.*db_on_network"),
    ):
        store.get("0" * 16)
    assert not db_path.parent.exists()

    with DocumentStore(tmp_path / "docs", db_path, db_on_network=True) as store:
        assert store.get("0" * 16) is None
