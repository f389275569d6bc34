"""What an interrupt or an error leaves of a batch: every document that was durable, and none that is half written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from doc_io.storage.base import Storage
from doc_io.storage.local import LocalStorage
from doc_io.storage.open import open_storage
from tests.servers.s3 import S3
from tests.servers.sftp import SFTP
from tests.storage.contract import RECORD

Documents = dict[str, dict[str, bytes]]
CALLS = ("open", "write", "mkdir", "rename", "fsync", "close")
"""What a local write asks of the operating system."""


class Interrupt(BaseException):
    """As `DagsterExecutionInterruptedError` is one: no subclass of Exception."""


class NthCall:
    """Lets calls of ``os`` pass, and raises in the place of the n-th or, with ``after``, right behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException, n: int, *, after: bool = False) -> None:
        self.count, self._error, self._n, self._after = 0, error, n, after
        self._lock = threading.Lock()
        for name in CALLS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                self.count += 1
                hit = self.count == self._n
            if hit and not self._after:
                raise self._error
            result = call(*arguments, **options)
            if hit:
                raise self._error
            return result

        return counted


class TakesEverythingAway(LocalStorage):
    """The control: as it was before, an interrupt takes away every document of the call."""

    def create_many(self, documents: Mapping[str, Mapping[str, bytes]], *, written: set[str] | None = None) -> set[str]:
        try:
            return super().create_many(documents, written=written)
        except BaseException:
            for doc_dir in documents:
                shutil.rmtree(f"{self.root}/{doc_dir}", ignore_errors=True)
            raise


def batch(count: int, files: int = 2) -> Documents:
    """Documents, each with some texts and a record."""
    names = [f"{n}.txt" for n in range(files - 1)]
    return {f"draft/key{n % 3}/doc{n}": {**dict.fromkeys(names, b"text %d" % n), RECORD: b"{}"} for n in range(count)}


def broken(storage: Storage, documents: Documents, written: set[str]) -> list[str]:
    """What does not hold: a document that was said to be written and is not, or a folder that is half written."""
    found = {folder.path: set(folder.files) for folder in storage.folders()}
    lost = [f"lost: {doc_dir}" for doc_dir in written if found.get(doc_dir) != set(documents[doc_dir])]
    half = [f"half: {path}" for path, names in found.items() if names != set(documents.get(path, ()))]
    return lost + half


def test_an_interrupt_at_any_call_leaves_what_is_durable(tmp_path: Path) -> None:
    """Two batches of two documents: at one call after the other, before it and behind it."""
    documents = batch(4, files=34)
    kept = []
    for n in [*range(1, 60, 11), *range(60, 640, 53)]:
        for after in (False, True):
            storage = LocalStorage(tmp_path / f"{n}{after}")
            written: set[str] = set()
            with pytest.MonkeyPatch.context() as patched:
                NthCall(patched, Interrupt(), n, after=after)
                with suppress(Interrupt):
                    storage.create_many(documents, written=written)
            assert broken(storage, documents, written) == [], (n, after)
            assert (
                not storage.create_many(
                    {doc_dir: documents[doc_dir] for doc_dir in documents if doc_dir not in written}
                )
                & written
            )
            kept.append(len(written))

    assert {0, 2} <= set(kept)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_at_every_call_leaves_what_is_durable(tmp_path: Path, *, after: bool) -> None:
    """The long form."""
    documents = batch(4, files=34)
    for n in range(1, 2000):
        storage = LocalStorage(tmp_path / f"{n}")
        written: set[str] = set()
        with pytest.MonkeyPatch.context() as patched:
            calls = NthCall(patched, Interrupt(), n, after=after)
            with suppress(Interrupt):
                storage.create_many(documents, written=written)
        assert broken(storage, documents, written) == [], n
        shutil.rmtree(storage.root, ignore_errors=True)
        if calls.count < n:
            return
    pytest.fail("there were more calls")


@pytest.mark.parametrize("n", [150, 400, 700])
def test_an_error_leaves_what_is_durable_and_no_folder_that_a_sync_failed_on(tmp_path: Path, n: int) -> None:
    """A disk that fails: earlier batches stay; of this one nothing is left that a later attempt could take for whole."""
    documents = batch(9, files=34)
    storage = LocalStorage(tmp_path / "docs")
    written: set[str] = set()
    with pytest.MonkeyPatch.context() as patched:
        NthCall(patched, OSError(errno.EIO, os.strerror(errno.EIO)), n)
        with suppress(OSError):
            storage.create_many(documents, written=written)

    assert broken(storage, documents, written) == []
    assert {folder.path for folder in storage.folders()} == written


def test_the_control_loses_what_was_durable(tmp_path: Path) -> None:
    """The check can fail."""
    documents = batch(9, files=34)
    storage = TakesEverythingAway(tmp_path)
    written: set[str] = set()
    with pytest.MonkeyPatch.context() as patched:
        NthCall(patched, Interrupt(), 600)
        with pytest.raises(Interrupt):
            storage.create_many(documents, written=written)

    assert written
    assert len(broken(storage, documents, written)) == len(written)


@pytest.fixture(params=["s3fs", "obstore", "sftp"])
def remote(request: pytest.FixtureRequest, s3_server: S3, sftp_server: SFTP) -> Iterator[Storage]:
    """A store on a server."""
    server: S3 | SFTP = sftp_server if request.param == "sftp" else s3_server
    client = {"client": "obstore"} if request.param == "obstore" else {}
    storage = open_storage(f"{server.root}/{secrets.token_hex(4)}", server.storage_options | client)
    yield storage
    storage.close()


# The short form are the tests above: a signal that comes late would end the run of whoever sent it.
@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.02, 0.3])
def test_a_signal_leaves_no_half_of_a_document_on_a_server(remote: Storage, seconds: float) -> None:
    """SIGINT while three hundred documents are sent: those that were begun are ended, no other is begun."""
    documents = batch(1500)
    remote.create("draft/before/doc", {RECORD: b"{}"})
    documents["draft/before/doc"] = {RECORD: b"{}"}
    written: set[str] = set()
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    timer.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            remote.create_many({name: documents[name] for name in documents if "before" not in name}, written=written)
    finally:
        with suppress(KeyboardInterrupt):
            timer.join()
        signal.signal(signal.SIGINT, before)

    assert time.monotonic() - started < seconds + 6
    assert broken(remote, documents, written) == []
    assert len(written) < 1500
    assert len(list(remote.folders())) < 1500
