"""Any other path that fsspec can write: each file is one object, written once, to its last name, all of a document at once.

A document costs one PUT for each file and nothing else, a text one GET: no listing, no ``exists``, no folder is made where
the store has none. Listings are cached nowhere, as they would hide what other processes wrote.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from doc_io.commit_record import RECORD_NAME
from doc_io.errors import ConfigurationError, StorageError
from doc_io.storage import remote_walk
from doc_io.storage.base import (
    QUARANTINE_PREFIX,
    TEMPORARY_PREFIX,
    DocumentExistsError,
    Extent,
    Folder,
    Storage,
    check_sizes,
    contained,
)
from doc_io.storage.client import DEFAULT_CALL_TIMEOUT, MAX_REQUESTS, Client
from doc_io.storage.protocols import FSSPEC, protocol_of

if TYPE_CHECKING:
    from upath import UPath

_T = TypeVar("_T")
_MAX_THREADS = 16  # each with requests of its own under way
GRACE_PERIOD = 5.0
"""Seconds for which requests under way may go on after an interrupt or a failure."""


@dataclass
class _Upload:
    """A document that is being written.

    Attributes:
        doc_dir: Its folder.
        files: What has to be begun yet: path inside the folder and content.
        deadline: When it has taken too long, however many files it has.
        under_way: The requests that were begun.
        existing: Whether a file of it exists already.
    """

    doc_dir: str
    files: deque[tuple[str, bytes]]
    deadline: float
    under_way: list[Future[Any]] = field(default_factory=list)
    existing: bool = False


class RemoteStorage(Storage):
    """Documents under a URL.

    Args:
        root: The docs root, without credentials.
        storage_options: What the file system is made with. Default: nothing, so that it finds the usual credentials in
            the environment. Two of them are doc_io's own: ``client`` chooses the client, `doc_io.storage.protocols.OBSTORE`
            or the default one. ``call_timeout`` bounds each call in seconds, all retries of the client included, whatever
            the number of files: the writing of a document (and a second more for each of its megabytes), a read, a page
            of a listing. Default: 60.

    Raises:
        ConfigurationError: The root holds credentials or a query, its client is not installed, or the time-out is not a
            positive number.
    """

    def __init__(self, root: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(storage_options or {})
        self.option_names = tuple(sorted(self._options))
        named = isinstance(self._options.get("client"), str)  # the file system of WebDAV has a client that is an object
        self._protocol = protocol_of(root, self._options.pop("client") if named else FSSPEC)
        self.call_timeout = _positive(self._options.pop("call_timeout", DEFAULT_CALL_TIMEOUT), root)
        self.capabilities = self._protocol.capabilities
        self.root = root.rstrip("/")
        self._lock = threading.Lock()
        self._opened: Client | None = None

    def __repr__(self) -> str:
        return f"RemoteStorage({self.root!r})"

    def create_many(self, documents: Mapping[str, Mapping[str, bytes]], *, written: set[str] | None = None) -> set[str]:
        for doc_dir, files in documents.items():
            check_sizes(self.root, doc_dir, files)
        written = set() if written is None else written
        existing = set() if self.capabilities.atomic_create else self._having_records(documents)
        uploads: deque[_Upload] = deque()
        under_way = 0
        client = self._client()
        try:
            for doc_dir, files in documents.items():
                if doc_dir in existing:
                    continue
                size = sum(map(len, files.values()))
                uploads.append(_Upload(doc_dir, deque(files.items()), client.deadline(size)))
                while uploads[-1].files:
                    under_way += self._begin_file(client, uploads[-1])
                    while under_way >= client.width:
                        under_way -= self._end_file(client, uploads, existing, written)
            while uploads:
                self._end_file(client, uploads, existing, written)
        except BaseException as error:
            if not isinstance(error, Exception):  # an interrupt: the server is well, and takes the rest of these
                self._begin_rest(client, uploads)
            self._end_all(uploads, written)
            raise
        return existing

    def _begin_file(self, client: Client, upload: _Upload) -> int:
        name, data = upload.files[0]
        path = contained(client.base, f"{upload.doc_dir}/{name}")
        upload.under_way.append(client.start("pipe_file", path, data, **self._protocol.create))
        upload.files.popleft()  # last: what an interrupt hits before is begun again
        return 1

    def _end_file(self, client: Client, uploads: deque[_Upload], existing: set[str], written: set[str]) -> int:
        """Wait for the first request under way; how many have ended (0: a document without further requests has)."""
        upload = uploads[0]
        if not upload.under_way:
            (existing if upload.existing else written).add(upload.doc_dir)
            uploads.popleft()
            return 0
        with self._translate_errors("write", upload.doc_dir):
            try:
                client.wait(upload.under_way[0], upload.deadline)
            except Exception as error:
                if not _says_that_it_exists(error):
                    raise
                upload.existing = True
        upload.under_way.pop(0)
        return 1

    def _begin_rest(self, client: Client, uploads: deque[_Upload]) -> None:
        """Begin what is missing of the documents that were begun, so that none is left half written."""
        for upload in uploads:
            while 0 < len(upload.files) <= MAX_REQUESTS:
                self._begin_file(client, upload)

    def _end_all(self, uploads: deque[_Upload], written: set[str]) -> None:
        """Let requests under way end, within the grace period; name the documents that are whole then.

        What is left half written is not removed: another writer of the same attempt may be about to complete it.
        """
        requests = [request for upload in uploads for request in upload.under_way]
        seconds = min((upload.deadline - time.monotonic() for upload in uploads), default=0.0)
        wait(requests, min(GRACE_PERIOD, max(0.0, seconds)))
        for upload in uploads:
            if not upload.existing and not upload.files and all(map(_has_succeeded, upload.under_way)):
                written.add(upload.doc_dir)
        for request in requests:
            request.cancel()

    def replace(self, path: str, data: bytes) -> None:
        with self._translate_errors("replace", path):
            client = self._client()
            if not self._protocol.folders:  # a PUT is atomic
                self._put(client, path, data)
                return
            folder = path.rpartition("/")[0]
            temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(4).hex()}"
            self._put(client, temporary, data)
            client.call("mv", f"{client.base}/{temporary}", contained(client.base, path))

    def quarantine(self, doc_dir: str) -> None:
        key_folder, _, name = doc_dir.rpartition("/")
        aside = f"{key_folder}/{QUARANTINE_PREFIX}{name}-{os.urandom(4).hex()}"
        with self._translate_errors("quarantine", doc_dir):
            client = self._client()
            top = contained(client.base, doc_dir)
            if self._protocol.folders:
                if client.call("exists", top):
                    client.call("mv", top, f"{client.base}/{aside}", recursive=True)
                return
            # One object after the other, each copied before it is removed: what a second writer adds meanwhile stays.
            for each in remote_walk.files(client, self._protocol.pages, doc_dir):
                with suppress(FileNotFoundError):  # another process quarantined it meanwhile
                    client.call("cp_file", each.name, f"{client.base}/{aside}{each.name[len(top) :]}")
                    client.call("rm_file", each.name)

    def sync(self, doc_dir: str, files: Iterable[str]) -> None:
        """Nothing to do: an object that can be seen is stored (the stores' own promise; SFTP makes none)."""

    def read(self, path: str) -> bytes:
        (data,) = self.read_many([path])
        if isinstance(data, OSError):
            raise data
        return data

    def read_many(self, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        client = self._client()
        under_way: deque[tuple[str, Future[Any], float]] = deque()
        remaining = iter(paths)
        waited = 0.0  # seconds since the server last answered, without those that the reader took
        hanging = False
        try:
            while True:
                while not hanging and len(under_way) < client.width and (path := next(remaining, None)) is not None:
                    under_way.append((path, self._get(client, path), client.deadline()))
                if not under_way:
                    break
                started = time.monotonic()
                data = self._whole(client, *under_way[0])
                waited = waited + time.monotonic() - started if isinstance(data, StorageError) else 0.0
                under_way.popleft()
                yield data
                # A server that answers none of these would answer no other either, and each would take its time.
                answered = any(_has_succeeded(request) for _, request, _ in under_way)
                hanging = hanging or (waited >= self.call_timeout / 2 and not answered)
            for path in remaining:
                yield StorageError(docs_root=self.root, action="read", path=path, reason="the server does not answer")
        finally:
            for _, request, _ in under_way:  # the reader stopped early
                request.cancel()

    def stages(self) -> tuple[list[str], Folder]:
        with self._translate_errors("list", ""):
            return remote_walk.stages(self._client())

    def folders(self, stage: str = "", first: str = "", last: str = "") -> Iterator[Folder]:
        with self._translate_errors("list", stage):
            yield from remote_walk.folders(self._client(), self._protocol.pages, stage, first, last)

    def folder(self, path: str) -> Folder:
        with self._translate_errors("list", path):
            return remote_walk.folder(self._client(), self._protocol.pages, path)

    def put(self, path: str, data: bytes) -> None:
        with self._translate_errors("write", path):
            self._put(self._client(), path, data)

    def delete(self, path: str) -> None:
        with self._translate_errors("delete", path):
            client = self._client()
            self._delete(client, [contained(client.base, path)])

    def remove_many(self, folders: Sequence[str]) -> None:
        self._for_each(self._remove, folders)

    def extents(self, folders: Sequence[str]) -> list[Extent]:
        return self._for_each(lambda path: self.folder(path).extent, folders)

    def _for_each(self, function: Callable[[str], _T], folders: Sequence[str]) -> list[_T]:
        """Call a function for each folder, side by side where the client can."""
        threads = min(self._client().width, _MAX_THREADS, len(folders))
        if threads <= 1:
            return list(map(function, folders))
        with ThreadPoolExecutor(threads) as executor:
            return list(executor.map(function, folders))

    def _remove(self, folder: str) -> None:
        with self._translate_errors("remove", folder):
            client = self._client()
            top = contained(client.base, folder)
            found = [each.name for each in remote_walk.files(client, self._protocol.pages, folder)]
            self._delete(client, [name for name in found if name == f"{top}/{RECORD_NAME}"])
            self._delete(client, [name for name in found if name != f"{top}/{RECORD_NAME}"])
            if self._protocol.folders and client.call("exists", top):
                client.call("rm", top, recursive=True)

    def names(self, folder: str) -> list[str]:
        with self._translate_errors("list", folder):
            return remote_walk.names(self._client(), folder)

    def add(self, path: str, data: bytes) -> None:
        folder, _, name = path.rpartition("/")
        # Asked first: a store that ignores If-None-Match says nothing of what it overwrites.
        if self._having_records({folder: {name: data}}):
            raise DocumentExistsError(errno.EEXIST, "a file exists already", path)
        super().add(path, data)

    def upath(self, path: str) -> UPath:
        from upath import UPath  # noqa: PLC0415 - as slow to import as the file system itself

        opened: UPath = UPath(f"{self.root}/{path}", **self._protocol.for_upath(self._options))
        return opened

    def shown(self, path: str) -> str:
        return self.url(path)

    def url(self, path: str) -> str:
        return f"{self.root}/{path}"

    def close(self) -> None:
        with self._lock:
            self._opened = None  # its finalizer closes the connections

    def _client(self) -> Client:
        """The client of this process."""
        opened = self._opened
        if opened is None or opened.pid != os.getpid():
            with self._lock:
                opened = self._opened
                if opened is None or opened.pid != os.getpid():
                    with self._translate_errors("open", "it"):
                        opened = self._protocol.open(self.root, self._options, self.call_timeout)
                    self._opened = opened
        return opened

    def _having_records(self, documents: Mapping[str, Mapping[str, bytes]]) -> set[str]:
        """The folders where a document exists: what a store that overwrites must be asked before each write."""
        records = [f"{doc_dir}/{[*files][-1]}" for doc_dir, files in documents.items()]
        existing = set()
        for doc_dir, data in zip(documents, self.read_many(records), strict=True):
            if isinstance(data, bytes):
                existing.add(doc_dir)
            elif not isinstance(data, FileNotFoundError):
                raise data
        return existing

    def _put(self, client: Client, path: str, data: bytes) -> None:
        deadline = client.deadline(len(data))
        client.wait(client.start("pipe_file", contained(client.base, path), data), deadline)

    def _get(self, client: Client, path: str) -> Future[Any]:
        return client.start("cat_file", contained(client.base, path), **self._protocol.read)

    def _delete(self, client: Client, paths: list[str]) -> None:
        """Remove files, many at once; no error where one is missing."""
        for start in range(0, len(paths), client.width):
            deadline = client.deadline()
            requests = [client.start("rm_file", path) for path in paths[start : start + client.width]]
            for request in requests:
                with suppress(FileNotFoundError):
                    client.wait(request, deadline)

    def _whole(self, client: Client, path: str, request: Future[Any], deadline: float) -> bytes | OSError:
        """What a read gives; asked once more where its body ended early, which no client but obstore's does itself."""
        try:
            with self._translate_errors("read", path):
                try:
                    data: bytes = client.wait(request, deadline)
                except Exception as error:
                    if (
                        type(error).__name__ != "ClientPayloadError"
                    ):  # aiohttp's, by name: not every store's client has it
                        raise
                    data = client.wait(self._get(client, path), deadline)
        except OSError as error:
            return error
        return data

    @contextmanager
    def _translate_errors(self, action: str, path: str) -> Iterator[None]:
        """Turn whatever a client raises into one error that says what was done and holds no secret."""
        try:
            yield
        except (ConfigurationError, DocumentExistsError, StorageError):
            raise
        except Exception as error:  # noqa: BLE001 - each client has errors of its own, and all of them may hold secrets
            if (
                action == "read"
                and isinstance(error, FileNotFoundError)
                and not _says_that_the_bucket_is_missing(error)
            ):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.url(path)) from None
            # ``from None``: the client's own message and its frames may hold the options, and Dagster shows causes.
            raise StorageError(
                docs_root=self.root, action=action, path=path, reason=self._protocol.reason(error, self._options)
            ) from None


def _positive(seconds: object, root: str) -> float:
    if isinstance(seconds, (int, float)) and 0 < seconds < float("inf"):
        return float(seconds)
    raise ConfigurationError(
        setting=f"The option call_timeout of {root}", reason="it is not a positive number", hint="Give seconds."
    )


def _has_succeeded(request: Future[Any]) -> bool:
    return request.done() and not request.cancelled() and request.exception() is None


def _says_that_it_exists(error: BaseException) -> bool:
    """Whether a conditional write was refused because something exists there."""
    if isinstance(error, FileExistsError):
        return True
    return _code(error) in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


def _says_that_the_bucket_is_missing(error: BaseException) -> bool:
    return _code(error) == "NoSuchBucket"


def _code(error: BaseException) -> str:
    """The code in a botocore error that s3fs translated."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
