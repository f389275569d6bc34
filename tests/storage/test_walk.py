"""A walk over a bucket: in pages, the first folder at once, in flat memory."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fsspec
import pytest

from doc_io.storage.base import Storage
from doc_io.storage.open import open_storage

FILES = ("metadata.json", "raw.txt")
MAX_MEMORY = 8 * 2**20  # bytes
CLIENTS = {"s3fs": {}, "obstore": {"client": "obstore"}}

_ENTRY = "<Contents><Key>{}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified><Size>7</Size><ETag>e</ETag></Contents>"
_PAGE = "<ListBucketResult><Name>bucket</Name><KeyCount>{}</KeyCount><IsTruncated>{}</IsTruncated>{}</ListBucketResult>"


class Bucket:
    """An S3 that holds as many objects as one likes, made up when they are listed.

    Attributes:
        count: How many.
        pages: How many were listed.
        options: How a client reaches it.
    """

    def __init__(self, count: int) -> None:
        self.count, self.pages = count, 0
        self.options: dict[str, Any] = {}

    def answer(self, query: dict[str, str]) -> str:
        """A page of a list."""
        if "delimiter" in query:
            return _PAGE.format(1, "false", "<CommonPrefixes><Prefix>docs/draft/</Prefix></CommonPrefixes>")
        self.pages += 1
        first = int(query.get("continuation-token", 0))
        last = min(first + 1000, self.count)
        token = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < self.count else ""
        entries = "".join(_ENTRY.format(self.key(n)) for n in range(first, last))
        return _PAGE.format(last - first, "true" if token else "false", token + entries)

    @staticmethod
    def key(n: int) -> str:
        """The name of the n-th object."""
        return f"docs/draft/key{n // 20:08}/doc{n // 2:08}/{FILES[n % 2]}"


@contextmanager
def serving(count: int) -> Iterator[Bucket]:
    """A bucket of so many objects."""
    bucket = Bucket(count)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            body = bucket.answer(query).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        bucket.options = {
            "key": "k",
            "secret": "s",
            "endpoint_url": url,
            "client_kwargs": {"region_name": "us-east-1"},
        }
        try:
            yield bucket
        finally:
            server.shutdown()
            thread.join()


def memory_of(items: Iterable[object]) -> tuple[int, int]:
    """How many items there are, and the most memory that Python took for them, in bytes."""
    count = 0
    tracemalloc.start()
    try:
        for _ in items:
            count += 1
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def walk_in_flat_memory(client: str, count: int) -> None:
    """Every document once, one request for a thousand objects, and no more memory than a few pages take."""
    with serving(count) as bucket:
        storage = warm(bucket, client)
        started = time.monotonic()
        first = next(iter(storage.folders()))
        seconds, pages = time.monotonic() - started, bucket.pages
        bucket.pages = 0

        found, memory = memory_of(storage.folders())

        assert first.path == "draft/key00000000/doc00000000"
        assert dict(first.files) == dict.fromkeys(FILES, 7)
        assert seconds < 1
        assert pages < 4
        assert found == count // 2
        assert bucket.pages <= count // 1000 + 1
        assert memory < MAX_MEMORY


def warm(bucket: Bucket, client: str) -> Storage:
    """A storage whose client is imported and connected."""
    storage = open_storage("s3://bucket/docs", bucket.options | CLIENTS[client])
    assert storage.names("") == []
    return storage


@pytest.mark.parametrize("client", CLIENTS)
def test_a_walk_over_ten_thousand_objects_takes_no_memory(client: str) -> None:
    """The short form."""
    walk_in_flat_memory(client, 10_000)


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_a_walk_over_a_hundred_thousand_objects_takes_no_memory(client: str) -> None:
    """The long form: the same bound."""
    walk_in_flat_memory(client, 100_000)


def test_the_control_holds_all_of_them() -> None:
    """What fsspec offers for it lists everything before the first; of ten thousand objects already more than the bound."""
    with serving(10_000) as bucket:
        warm(bucket, "s3fs")
        filesystem = fsspec.filesystem("s3", **bucket.options, use_listings_cache=False, skip_instance_cache=True)

        _, memory = memory_of(filesystem.find("bucket/docs/draft", detail=True) for _ in range(1))

        assert memory > MAX_MEMORY
