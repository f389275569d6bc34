"""A server that accepts connections and never answers: each call ends in time, however many files it has."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import fsspec
import pytest
from fsspec.asyn import FSTimeoutError, sync

from doc_io.errors import ConfigurationError, StorageError
from doc_io.storage.base import Storage
from doc_io.storage.open import open_storage
from doc_io.storage.remote import RemoteStorage
from tests.storage.contract import RECORD

TIMEOUT = 0.5
SLACK = 8  # seconds: fsspec looks once a second, clients are imported, and a machine may be busy
_AZURE_KEY = "a2V5"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where a server listens that takes whatever comes and says nothing."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    accepted.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for connection in accepted:
            connection.close()


def place(client: str, port: int) -> tuple[str, dict[str, Any]]:
    """A docs root on that server, and its options."""
    url = f"http://127.0.0.1:{port}"
    s3 = {"key": "k", "secret": "s", "endpoint_url": url, "client_kwargs": {"region_name": "us-east-1"}}
    azure = {
        "connection_string": f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={_AZURE_KEY};BlobEndpoint={url}/a;"
    }
    places: dict[str, tuple[str, dict[str, Any]]] = {
        "s3fs": ("s3://bucket/docs", s3),
        "obstore": ("s3://bucket/docs", s3 | {"client": "obstore"}),
        "gcsfs": ("gs://bucket/docs", {"endpoint_url": url, "token": "anon", "project": "p"}),
        "adlfs": ("az://bucket/docs", azure),
        "obstore azure": ("az://bucket/docs", azure | {"client": "obstore"}),
        "sshfs": (f"sftp://127.0.0.1:{port}/docs", {"username": "u", "password": "p", "known_hosts": None}),
    }
    return places[client]


DOCUMENT = {**{f"extras/{n}": b"text" for n in range(100)}, RECORD: b"{}"}
CALLS: dict[str, Callable[[Storage], Any]] = {
    "create a document of a hundred files": lambda storage: storage.create("a/b/c", DOCUMENT),
    "create a hundred documents": lambda storage: storage.create_many(
        {f"a/b/{n}": {RECORD: b"{}"} for n in range(100)}
    ),
    "replace": lambda storage: storage.replace("a/b/c", b"text"),
    "read": lambda storage: storage.read("a/b/c"),
    "list": lambda storage: list(storage.folders()),
    "list a shard": lambda storage: list(storage.folders("a", "b")),
    "look into a folder": lambda storage: storage.folder("a/b/c"),
    "names": lambda storage: storage.names("a"),
    "quarantine": lambda storage: storage.quarantine("a/b/c"),
    "remove": lambda storage: storage.remove("a/b/c"),
    "delete": lambda storage: storage.delete("a/b/c"),
}
CLIENTS = ("s3fs", "obstore", "gcsfs", "adlfs", "obstore azure", "sshfs")
SHORT = ("create a document of a hundred files", "create a hundred documents", "list a shard")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "call", [pytest.param(call, marks=() if call in SHORT else pytest.mark.slow) for call in CALLS]
)
def test_a_call_ends_in_time(client: str, call: str, port: int) -> None:
    """With an error that says so."""
    root, options = place(client, port)
    storage = open_storage(root, options | {"call_timeout": TIMEOUT})
    started = time.monotonic()

    with pytest.raises(StorageError, match=r"(?i)time|answer"):
        CALLS[call](storage)

    assert time.monotonic() - started < TIMEOUT + SLACK


@pytest.mark.parametrize("client", ["s3fs", "obstore", "gcsfs", "adlfs"])
def test_reading_many_files_ends_in_time(client: str, port: int) -> None:
    """Once none of those under way was answered, no other is asked for; each has its error."""
    root, options = place(client, port)
    storage = open_storage(root, options | {"call_timeout": TIMEOUT})
    started = time.monotonic()

    found = list(storage.read_many(f"a/b/{n}" for n in range(500)))

    assert time.monotonic() - started < TIMEOUT + SLACK
    assert [type(each) for each in found] == [StorageError] * 500


@pytest.mark.parametrize("client", ["s3fs", "gcsfs"])
def test_the_bare_client_still_waits(client: str, port: int) -> None:
    """The control: that server does hang, and nothing but the limit of a call ends it."""
    root, options = place(client, port)
    filesystem = fsspec.filesystem(root.partition(":")[0], **options, skip_instance_cache=True)

    with pytest.raises(FSTimeoutError):
        sync(filesystem.loop, filesystem._pipe_file, "bucket/docs/a", b"text", timeout=TIMEOUT * 4)  # noqa: SLF001


def test_by_default_a_call_takes_at_most_a_minute() -> None:
    """The stated time."""
    storage = open_storage("s3://bucket/docs")

    assert isinstance(storage, RemoteStorage)
    assert storage.call_timeout == 60


@pytest.mark.parametrize("value", [0, -1, "60", None, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(value: object) -> None:
    """By its name, before anything is opened."""
    with pytest.raises(ConfigurationError, match="call_timeout"):
        open_storage("s3://bucket/docs", {"call_timeout": value})
