"""Calls to a remote file system: many at once where its client can, and none that waits without an end."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError  # another class than TimeoutError before Python 3.11
from typing import Any

MAX_REQUESTS = 32
"""Requests that one call has under way at the same time; more only makes the one Python thread wait."""

MAX_CONNECTIONS = 8 * MAX_REQUESTS
"""Connections of a client: those of eight threads that have as many requests under way as they may."""

DEFAULT_CALL_TIMEOUT = 60.0
"""Seconds; see `doc_io.storage.remote.RemoteStorage`."""

_SECONDS_PER_BYTE = 1 / 2**20  # a second for each megabyte that is sent, on top


class Client:
    """A file system of fsspec, or one with its methods, as one process uses it.

    Args:
        filesystem: The file system.
        base: The docs root as the file system calls it.
        timeout: Seconds that one call may take, with all retries of the file system's own.

    Attributes:
        width: How many requests may be under way at the same time.
        pid: The process that made it. A file system from before a fork fails or hangs.
    """

    def __init__(self, filesystem: Any, base: str, timeout: float) -> None:
        self.filesystem, self.base, self.timeout = filesystem, base, timeout
        self.pid = os.getpid()
        # A file system without asyncio may not be thread-safe, unless it has threads of its own.
        self._pool: ThreadPoolExecutor | None = None if filesystem.async_impl else getattr(filesystem, "pool", None)
        self.width = MAX_REQUESTS if filesystem.async_impl or self._pool else 1

    def deadline(self, size: int = 0) -> float:
        """When a call that begins now has taken too long, by `time.monotonic`.

        Args:
            size: Bytes to be sent.
        """
        return time.monotonic() + self.timeout + size * _SECONDS_PER_BYTE

    def start(self, name: str, *arguments: Any, **options: Any) -> Future[Any]:
        """Begin a call of the file system; where it cannot be made in the background it has ended when this returns."""
        # The coroutine of an asynchronous file system has an underscore (filesystem_spec, "Async": "_cat_file").
        coroutine = getattr(self.filesystem, f"_{name}", None) if self.filesystem.async_impl else None
        if coroutine is not None:
            return self.start_coroutine(coroutine, *arguments, **options)
        return self.start_function(getattr(self.filesystem, name), *arguments, **options)

    def start_coroutine(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Begin a coroutine of a client that uses asyncio."""
        return asyncio.run_coroutine_threadsafe(function(*arguments, **options), self.filesystem.loop)

    def start_function(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Begin a function that waits for its answer."""
        if self._pool is not None:
            return self._pool.submit(function, *arguments, **options)
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments, **options))
        except Exception as error:  # noqa: BLE001 - for whoever waits for it
            done.set_exception(error)
        return done

    def wait(self, future: Future[Any], deadline: float) -> Any:
        """The result of a call.

        Raises:
            TimeoutError: The deadline has passed; the call was given up.
        """
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError as error:
            if future.done():  # the client's own time-out
                raise
            future.cancel()
            raise TimeoutError(errno.ETIMEDOUT, f"no answer within {self.timeout:g} s") from error

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Make one call of the file system and wait for it."""
        deadline = self.deadline()
        return self.wait(self.start(name, *arguments, **options), deadline)
