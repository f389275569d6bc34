"""Any other path that fsspec can write: each file is one object, written once, to its last name, all of a document at once.

A document costs one PUT for each file and nothing else, a text one GET: no listing, no ``exists``, no folder is made where
the store has none. Listings are cached nowhere, as they would hide what other processes wrote.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from doc_io.errors import ConfigurationError, StorageError
from doc_io.storage import remote_walk
from doc_io.storage.base import DocumentThereError, Folder, Storage, contained
from doc_io.storage.local import QUARANTINE_PREFIX, TEMPORARY_PREFIX
from doc_io.storage.protocols import FSSPEC, protocol_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from upath import UPath

_T = TypeVar("_T")

_AT_ONCE = 32
"""Requests under way at the same time while many files are read; more only makes the one Python thread wait."""

_PATIENCE = 120.0
"""Seconds one call may take, all retries of the client included, and a second more for each of its megabytes. The clients'
own limits multiply (s3fs: 5 tries of botocore's 5 tries of 15 s)."""


class RemoteStorage(Storage):
    """Documents under a URL.

    Args:
        root: The docs root, without credentials.
        storage_options: What the file system is made with. Default: nothing, so that it finds the usual credentials in
            the environment. ``client`` chooses the client, `doc_io.storage.protocols.OBSTORE` or the default one.

    Raises:
        ConfigurationError: The root holds credentials or a query, or its client is not installed.
    """

    def __init__(self, root: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(storage_options or {})
        named = isinstance(self._options.get("client"), str)  # the file system of WebDAV has a client that is an object
        self._protocol = protocol_of(root, self._options.pop("client") if named else FSSPEC)
        self.capabilities = self._protocol.capabilities
        self.root = root.rstrip("/")
        self._lock = threading.Lock()
        self._made: tuple[int, AbstractFileSystem, str] | None = None

    def __repr__(self) -> str:
        return f"RemoteStorage({self.root!r})"

    def create(self, doc_dir: str, files: Mapping[str, bytes]) -> None:
        if self.create_many({doc_dir: files}):
            raise DocumentThereError(errno.EEXIST, "a document lies there already", doc_dir)

    def create_many(self, documents: Mapping[str, Mapping[str, bytes]]) -> set[str]:
        there = set() if self.capabilities.atomic_create else self._with_a_record(documents)
        new = {doc_dir: files for doc_dir, files in documents.items() if doc_dir not in there}
        calls = [
            (self._put, f"{doc_dir}/{name}", data, self._protocol.create)
            for doc_dir, files in new.items()
            for name, data in files.items()
        ]
        owners = [doc_dir for doc_dir, files in new.items() for _ in files]
        most = max([_AT_ONCE, *(len(files) for files in new.values())])  # a document is as slow as its slowest file
        for doc_dir, outcome in zip(
            owners, self._each(calls, most), strict=False
        ):  # the last may be missing behind a failure
            with self._translate_errors("write", doc_dir):
                if isinstance(outcome, BaseException):
                    if not _says_that_it_is_there(outcome):
                        raise outcome
                    there.add(doc_dir)
        return there

    def replace(self, path: str, data: bytes) -> None:
        with self._translate_errors("replace", path):
            if not self._protocol.folders:  # a PUT is atomic
                self._raised(self._each([(self._put, path, data, {})]))
                return
            folder = path.rpartition("/")[0]
            temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(4).hex()}"
            self._raised(self._each([(self._put, temporary, data, {})]))
            filesystem, base = self._filesystem()
            filesystem.mv(f"{base}/{temporary}", f"{base}/{path}")

    def quarantine(self, doc_dir: str) -> None:
        key_folder, _, name = doc_dir.rpartition("/")
        aside = f"{key_folder}/{QUARANTINE_PREFIX}{name}-{os.urandom(4).hex()}"
        with self._translate_errors("set aside", doc_dir):
            filesystem, base = self._filesystem()
            if self._protocol.folders:
                if filesystem.exists(f"{base}/{doc_dir}"):
                    filesystem.mv(f"{base}/{doc_dir}", f"{base}/{aside}", recursive=True)
                return
            # One object after the other, each copied before it goes: what a second writer adds meanwhile stays.
            for path in filesystem.find(f"{base}/{doc_dir}"):
                with suppress(FileNotFoundError):  # whoever took it away meanwhile wanted the same
                    filesystem.cp_file(path, f"{base}/{aside}{path.rpartition(doc_dir)[2]}")
                    filesystem.rm_file(path)

    def sync(self, doc_dir: str, files: Iterable[str]) -> None:
        """Nothing to do: an object that can be seen is stored (the stores' own promise; SFTP makes none)."""

    def read(self, path: str) -> bytes:
        (data,) = self.read_many([path])
        if isinstance(data, OSError):
            raise data
        return data

    def read_many(self, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        for path, outcome in self._in_order((self._get, path) for path in paths):
            try:
                with self._translate_errors("read", path):
                    data = self._whole(path, outcome)
            except OSError as error:
                yield error
            else:
                yield data

    def folders(self) -> Iterator[Folder]:
        with self._translate_errors("list", "it"):
            yield from remote_walk.folders(*self._filesystem())

    def folder(self, path: str) -> Folder:
        with self._translate_errors("list", path):
            return remote_walk.folder(*self._filesystem(), path)

    def put(self, path: str, data: bytes) -> None:
        with self._translate_errors("write", path):
            self._raised(self._each([(self._put, path, data, {})]))

    def delete(self, path: str) -> None:
        with self._translate_errors("delete", path):
            filesystem, base = self._filesystem()
            remote_walk.delete(filesystem, f"{base}/{path}")

    def remove(self, folder: str) -> None:
        with self._translate_errors("remove", folder):
            filesystem, base = self._filesystem()
            remote_walk.remove(filesystem, base, folder)
            if self._protocol.folders:
                remote_walk.remove_folder(filesystem, f"{base}/{folder}")

    def names(self, folder: str) -> list[str]:
        with self._translate_errors("list", folder):
            return remote_walk.names(*self._filesystem(), folder)

    def add(self, path: str, data: bytes) -> None:
        folder, _, name = path.rpartition("/")
        # Asked first: a store that ignores If-None-Match says nothing of what it overwrites.
        if self._with_a_record({folder: {name: data}}):
            raise DocumentThereError(errno.EEXIST, "a file lies there already", path)
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
            self._made = None  # its finalizer closes the connections

    def _filesystem(self) -> tuple[AbstractFileSystem, str]:
        """The file system of this process, and the root as it calls it; one from before a fork fails or hangs."""
        made = self._made
        if made is None or made[0] != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made[0] != os.getpid():
                    with self._translate_errors("open", "it"):
                        made = (os.getpid(), *self._protocol.open(self.root, self._options, _AT_ONCE))
                    self._made = made
        return made[1], made[2]

    def _with_a_record(self, documents: Mapping[str, Mapping[str, bytes]]) -> set[str]:
        """The folders where a document lies: what a store that overwrites must be asked before each write."""
        records = [f"{doc_dir}/{[*files][-1]}" for doc_dir, files in documents.items()]
        found = zip(documents, self.read_many(records), strict=True)
        there = set()
        for doc_dir, data in found:
            if isinstance(data, bytes):
                there.add(doc_dir)
            elif not isinstance(data, FileNotFoundError):
                raise data
        return there

    def _put(self, filesystem: Any, path: str, data: bytes, how: Mapping[str, Any]) -> Any:
        return _method(filesystem, "pipe_file")(path, data, **how)

    def _get(self, filesystem: Any, path: str) -> Any:
        return _method(filesystem, "cat_file")(path, **self._protocol.read)

    def _whole(self, path: str, outcome: Callable[[], bytes]) -> bytes:
        """What a request gives; asked once more where its body ended early, which no client but obstore's does itself."""
        try:
            return outcome()
        except Exception as error:
            if type(error).__name__ != "ClientPayloadError":  # aiohttp's, by name: not every store's client has it
                raise
        ((_, again),) = self._in_order([(self._get, path)])
        data: bytes = again()
        return data

    def _each(self, calls: list[tuple[Any, ...]], at_once: int = _AT_ONCE) -> list[object]:
        """Make all calls, many at once where the file system can, and wait for every one.

        After one that failed no more are begun: of a server that does not answer, each would only take its time.
        """
        outcomes: list[object] = []
        failed = False

        def wanted() -> Iterator[tuple[Any, ...]]:
            for call in calls:
                if failed:
                    return
                yield call

        for _, outcome in self._in_order(wanted(), at_once):
            try:
                outcomes.append(outcome())
            except Exception as error:  # noqa: BLE001 - the caller judges them all together
                outcomes.append(error)
                failed = failed or not _says_that_it_is_there(error)
        return outcomes

    def _in_order(
        self, calls: Iterable[tuple[Any, ...]], at_once: int = _AT_ONCE
    ) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Each call's path and a function that waits for its result, in the order asked for."""
        filesystem, base = self._filesystem()
        begin = _beginning(filesystem)
        if begin is None:
            for call, path, *rest in calls:
                yield path, _later(call, filesystem, contained(base, path), *rest)
            return
        under_way: deque[tuple[str, Future[Any], float]] = deque()
        try:
            for call, path, *rest in calls:
                size = sum(len(each) for each in rest if isinstance(each, bytes))
                future = begin(call, filesystem, contained(base, path), *rest)
                under_way.append((path, future, _PATIENCE + size / 2**20))
                if len(under_way) >= at_once:
                    yield _waiting(under_way.popleft())
            while under_way:
                yield _waiting(under_way.popleft())
        finally:
            for _, future, _ in under_way:  # the reader stopped early
                future.cancel()

    @staticmethod
    def _raised(outcomes: list[object]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    @contextmanager
    def _translate_errors(self, action: str, path: str) -> Iterator[None]:
        """Turn whatever a client raises into one error that says what was done and holds no secret."""
        try:
            yield
        except (ConfigurationError, DocumentThereError, StorageError):
            raise
        except Exception as error:  # noqa: BLE001 - each client has errors of its own, and all of them may hold secrets
            if action == "read" and isinstance(error, FileNotFoundError) and not _says_that_the_bucket_is_not(error):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.url(path)) from None
            # ``from None``: the client's own message and its frames may hold the options, and Dagster shows causes.
            raise StorageError(
                docs_root=self.root, action=action, path=path, reason=self._protocol.reason(error, self._options)
            ) from None


def _method(filesystem: Any, name: str) -> Callable[..., Any]:
    # The coroutine of an asynchronous file system has an underscore (filesystem_spec, "Async": "_cat_file").
    method: Callable[..., Any] = getattr(filesystem, f"_{name}" if filesystem.async_impl else name)
    return method


def _beginning(filesystem: Any) -> Callable[..., Future[Any]] | None:
    """How a call is made while others are under way; ``None`` where they must go one after the other."""
    if filesystem.async_impl:
        return lambda call, *arguments: asyncio.run_coroutine_threadsafe(call(*arguments), filesystem.loop)
    # Of a file system without asyncio nobody promises that threads may share it, but where it brings its own.
    pool: ThreadPoolExecutor | None = getattr(filesystem, "pool", None)
    return None if pool is None else pool.submit


def _later(call: Callable[..., _T], *arguments: Any) -> Callable[[], _T]:
    return lambda: call(*arguments)


def _waiting(pending: tuple[str, Future[_T], float]) -> tuple[str, Callable[[], _T]]:
    path, future, seconds = pending

    def wait() -> _T:
        try:
            return future.result(seconds)
        except TimeoutError as error:
            if future.done():  # the client's own time-out
                raise
            future.cancel()
            raise TimeoutError(errno.ETIMEDOUT, f"no answer within {seconds:.0f} s") from error

    return path, wait


def _says_that_it_is_there(error: BaseException) -> bool:
    """Whether a conditional write was refused because of what is there."""
    if isinstance(error, FileExistsError):
        return True
    return _code(error) in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


def _says_that_the_bucket_is_not(error: BaseException) -> bool:
    return _code(error) == "NoSuchBucket"


def _code(error: BaseException) -> str:
    """The code in a botocore error that s3fs translated."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
