"""A local docs root with what does not belong there, few open files, or nothing that may be written."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from doc_io import Document, DocumentStore, maintenance
from doc_io.commit_record import MAX_RECORD_BYTES
from doc_io.errors import StorageError
from doc_io.storage.base import MAX_FILE_BYTES
from doc_io.storage.local import LocalStorage
from tests.storage.contract import RECORD

FEW = 40  # descriptors on top of those that are open


@contextmanager
def few_open_files() -> Iterator[None]:
    """A process that may open little more than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(name) for name in os.listdir("/proc/self/fd")) + FEW  # noqa: PTH208 - only names
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_document_of_a_thousand_files_needs_few_open_ones(tmp_path: Path) -> None:
    """All of them are there, and durable when this returns."""
    storage = LocalStorage(tmp_path)
    files = {"raw.txt": b"text", **{f"extras/{n}": b"%d" % n for n in range(1050)}, RECORD: b"{}"}

    with few_open_files():
        storage.create("draft/key/doc", files)
        storage.create_many({f"draft/key/many{n}": {"raw.txt": b"text", RECORD: b"{}"} for n in range(100)})

    assert dict(storage.folder("draft/key/doc").files) == {name: len(data) for name, data in files.items()}


def test_the_control_runs_out_of_open_files(tmp_path: Path) -> None:
    """That limit is real: as many files, held open."""

    def open_all(opened: ExitStack) -> None:
        for n in range(1050):
            opened.enter_context((tmp_path / f"{n}").open("w"))

    with few_open_files(), ExitStack() as opened, pytest.raises(OSError, match="Too many open files"):
        open_all(opened)


def fifo(path: Path) -> None:
    """A pipe that nobody writes to: opening it would wait for ever."""
    os.mkfifo(path)


def written_to(path: Path) -> None:
    """A pipe that somebody has open to write, who writes nothing: reading it would wait for ever."""
    os.mkfifo(path)
    os.open(path, os.O_RDWR)  # left open until this process ends


def listening(path: Path) -> None:
    """A socket."""
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have 108 bytes
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    """A device that gives zeros without end."""
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:  # only root may make one; a link to it is refused in the same way
        path.symlink_to("/dev/zero")


def outside(path: Path) -> None:
    """A link to a file that is no part of the store."""
    path.symlink_to("/etc/hostname")


def folder(path: Path) -> None:
    """A folder in the place of a file."""
    path.mkdir()


def sparse(path: Path) -> None:
    """A terabyte that takes no room."""
    path.touch()
    os.truncate(path, 2**40)


ODD = (fifo, written_to, listening, device, outside, folder, sparse)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [RECORD, "raw.txt"])
@pytest.mark.parametrize("odd", ODD)
def test_only_a_regular_file_of_sane_size_is_read(store: DocumentStore, odd: Callable[[Path], None], name: str) -> None:
    """Whatever is in its place is an error at once; verify and reindex list it and go on to the next document."""
    bad = store.save("bad", stage="draft", task_id="bad")
    good = store.save("good", stage="draft", task_id="good")
    path = Path(store.docs_root) / bad.doc_dir / name
    path.unlink()
    odd(path)

    with pytest.raises(StorageError):
        store.storage.read(f"{bad.doc_dir}/{name}")
    assert store.read(good) == "good"
    damaged = [each.where for each in maintenance.verify(store, full=True, grace=0) if each.kind == "damaged"]
    assert damaged == [bad.doc_dir]
    rebuilt = maintenance.reindex(store)
    assert [each.path for each in rebuilt.rejected] == [bad.doc_dir]
    assert store.latest("draft", "good") is not None
    assert store.latest("draft", "bad") is None


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    """The limits are one number for both."""

    class Claims(bytes):
        def __len__(self) -> int:
            return MAX_FILE_BYTES + 1

    storage = LocalStorage(tmp_path)

    with pytest.raises(StorageError, match=str(MAX_FILE_BYTES)):
        storage.create("draft/key/doc", {"raw.txt": Claims(), RECORD: b"{}"})

    assert list(storage.folders()) == []
    assert MAX_RECORD_BYTES < MAX_FILE_BYTES


BAD_NAME = os.fsdecode(b"\xff\xfe")


@pytest.mark.parametrize("where", ["", "draft/", "draft/{key}/"])
def test_a_name_that_is_no_text_is_passed_over(store: DocumentStore, where: str) -> None:
    """Its place comes with the reason, and everything else as before."""
    row = store.save("text", stage="draft", task_id="t")
    place = where.format(key=row.logical_key_id)
    (Path(store.docs_root) / place / BAD_NAME).mkdir()

    found = list(store.storage.folders())

    errors = {folder.path: folder.error for folder in found if folder.error}
    assert errors == {f"{place}\\xff\\xfe": "its name is not UTF-8"}
    assert [folder.path for folder in found if not folder.error] == [row.doc_dir]
    assert [(each.kind, each.where) for each in maintenance.verify(store, grace=0)] == [("unreadable", *errors)]
    assert [each.path for each in maintenance.reindex(store).rejected] == [*errors]
    assert store.latest("draft", "t") == row


def test_a_file_whose_name_is_no_text_is_only_an_extra_one(store: DocumentStore) -> None:
    """The document is whole."""
    row = store.save("text", stage="draft", task_id="t")
    (Path(store.docs_root) / row.doc_dir / BAD_NAME).touch()

    (found,) = maintenance.verify(store, full=True, grace=0)

    assert (found.kind, found.where) == ("extra", row.doc_dir)
    assert "\\xff\\xfe" in found.details


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_folder_that_cannot_be_listed_does_not_end_the_walk(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch, depth: int, code: int
) -> None:
    """A stage, a key, a document, the extras of one: the others are seen, and this one is named."""
    document = Document("text", extras={"note": "extra"})
    bad = store.save(document, stage="a_bad", task_id="t")
    good = store.save(document, stage="good", task_id="t")
    segments = [*bad.doc_dir.split("/"), "extras"][:depth]
    unlisted = "/".join([store.docs_root, *segments])
    scandir = os.scandir

    def failing(path: str) -> object:
        if path == unlisted:
            raise OSError(code, os.strerror(code))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)

    found = {folder.path: folder for folder in store.storage.folders()}

    named = "/".join(segments[:3])
    assert os.strerror(code) in found[named].error
    assert not found[good.doc_dir].error
    assert ("unreadable", named) in [(each.kind, each.where) for each in maintenance.verify(store, grace=0)]
    assert [each.path for each in maintenance.reindex(store, incremental=True).rejected] in ([], [named])
    assert named in [each.path for each in maintenance.reindex(store).rejected]
    assert store.latest("good", "t") is not None


def test_a_root_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is not one place that fails, but the store."""

    def failing(path: str) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "scandir", failing)

    with pytest.raises(StorageError, match="Input/output error"):
        list(LocalStorage(tmp_path).folders())
    with pytest.raises(StorageError, match="Input/output error"):
        LocalStorage(tmp_path).stages()


def test_the_control_ends_at_the_folder_that_cannot_be_listed(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is real: a walk that does not expect it comes no further."""
    store.save("text", stage="a_bad", task_id="t")
    scandir = os.scandir

    def failing(path: str) -> object:
        if path.endswith("a_bad"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return scandir(path)

    def stop(error: OSError) -> None:
        raise error

    monkeypatch.setattr(os, "scandir", failing)

    with pytest.raises(OSError, match="Input/output error"):
        list(os.walk(store.docs_root, onerror=stop))
