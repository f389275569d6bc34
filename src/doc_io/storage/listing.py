"""Pages of objects, in the order of their names, from each kind of store: the listing calls that fsspec only offers whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from doc_io.storage.client import Client

PAGE_SIZE = 1000
"""Objects that are asked for at once; no store gives more."""

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
"""What the clients call the time of an object: S3, Azure and obstore, GCS, SFTP and local, memory."""


class Entry(NamedTuple):
    """A file of a store.

    Attributes:
        name: Its path, as the client calls it.
        size: Its length in bytes.
        modified: When it was written, by the server's clock, in seconds since 1970.
    """

    name: str
    size: int
    modified: float


Pages = Callable[[Client, str, str], Iterator[list[Entry]]]
"""All objects whose names begin with a prefix, in pages; folders that some tools mark by an empty object are left out.

The third argument is a name after which the listing may begin, for a store that can; an empty one is before all.
"""


def s3_pages(client: Client, prefix: str, after: str) -> Iterator[list[Entry]]:
    """``ListObjectsV2``, by s3fs."""
    bucket, _, key = prefix.partition("/")
    token = {"StartAfter": after.partition("/")[2]} if after else {}
    while True:
        page = client.call("call_s3", "list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=PAGE_SIZE, **token)
        yield [entry(f"{bucket}/{each['Key']}", each["Size"], each) for each in page.get("Contents", ())]
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def gcs_pages(client: Client, prefix: str, after: str) -> Iterator[list[Entry]]:
    """``Objects: list``, by gcsfs."""
    bucket, _, key = prefix.partition("/")
    token = {"startOffset": after.partition("/")[2]} if after else {}
    while True:
        page = client.call("call", "GET", "b/{}/o", bucket, prefix=key, maxResults=PAGE_SIZE, json_out=True, **token)
        yield [entry(f"{bucket}/{each['name']}", int(each["size"]), each) for each in page.get("items", ())]
        if "nextPageToken" not in page:
            return
        token["pageToken"] = page["nextPageToken"]


def azure_pages(client: Client, prefix: str, _after: str) -> Iterator[list[Entry]]:
    """``List Blobs``, by the client that adlfs holds; Azure cannot begin after a name."""
    container, _, key = prefix.partition("/")
    blobs = client.filesystem.service_client.get_container_client(container)
    # In an account with folders, these are blobs of their own; their metadata says so.
    pager = blobs.list_blobs(name_starts_with=key, include=["metadata"], results_per_page=PAGE_SIZE).by_page()

    async def next_page() -> list[Any] | None:
        try:
            return [blob async for blob in await pager.__anext__()]
        except StopAsyncIteration:
            return None

    while (page := client.wait(client.start_coroutine(next_page), client.deadline())) is not None:
        yield [
            entry(f"{container}/{blob['name']}", blob["size"], blob)
            for blob in page
            if (blob["metadata"] or {}).get("hdi_isfolder") != "true"
        ]


def obstore_pages(client: Client, prefix: str, after: str) -> Iterator[list[Entry]]:
    """``list`` of obstore."""
    bucket, pages = prefix.partition("/")[0], client.filesystem.pages(prefix, after, PAGE_SIZE)
    while (page := client.wait(client.start_function(next, pages, None), client.deadline())) is not None:
        yield [entry(f"{bucket}/{each['path']}", each["size"], each) for each in page]


def entry(name: str, size: int, found: Mapping[str, Any]) -> Entry:
    """What a client says of a file."""
    return Entry(name, size, _modified(found))


def _modified(found: Mapping[str, Any]) -> float:
    for name in _TIMES:
        value = found.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                continue
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return time.time()  # not known: as young as can be, so that nothing seems left over by mistake
