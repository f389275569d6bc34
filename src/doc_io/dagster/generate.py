"""Many generations in one step: a limited number at a time, each stored as it is finished, none paid for twice."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

import tenacity

from doc_io.dagster.attempts import forget
from doc_io.dagster.reuse import ReusedDocument
from doc_io.document import OK, Document, DocumentRow
from doc_io.errors import ConfigurationError

if TYPE_CHECKING:
    from logging import Logger

    from doc_io.dagster.attempts import Attempt, PendingAttempt

Make = Callable[[str, "Attempt"], "Document | str | Awaitable[Document | str]"]
"""Gives the answer for one partition: a plain function, which runs in a thread, or a coroutine function."""

Save = Callable[[Mapping[str, Document]], Mapping[str, DocumentRow]]

SAVE_BATCH = 64
"""Documents that are stored by one call: those that were finished while the call before was under way."""

PREVIEW_CHARS = 1000
"""Characters of each text that stay in memory, for the previews in Dagster's events."""

PROGRESS_SECONDS = 10.0


def prompt_lookup(
    prompts: Mapping[str, str] | Callable[[str], str] | None, partitions: Sequence[str]
) -> Callable[[str], str | None]:
    """The prompt of each partition, from what the caller of ``generate`` gave.

    Raises:
        ConfigurationError: A partition has none in a mapping of prompts.
    """
    if prompts is None:
        return lambda partition: None  # noqa: ARG005 - no partition has one
    if callable(prompts):
        return prompts
    missing = [key for key in partitions if key not in prompts]
    if missing:
        raise ConfigurationError(
            setting="prompts", reason=f"{len(missing)} partitions have none, the first is {missing[0]!r}", hint=""
        )
    return prompts.__getitem__


@dataclass
class Progress:
    """What a generation has done so far, for the log.

    Attributes:
        log: Dagster's log.
        total: How many partitions there are.
    """

    log: Logger
    total: int
    asked: int = 0
    reused: int = 0
    failed: int = 0
    tokens: int = 0
    _started: float = field(default_factory=time.monotonic)
    _logged: float = field(default_factory=time.monotonic)

    def add(self, row: DocumentRow, *, reused: bool) -> None:
        """Count one partition, and say how far it is from time to time."""
        if reused:
            self.reused += 1
        else:
            self.asked += 1
            self.failed += row.status not in OK
            self.tokens += (row.usage_prompt_tokens or 0) + (row.usage_completion_tokens or 0)
        now = time.monotonic()
        if now - self._logged >= PROGRESS_SECONDS:
            self._logged = now
            self.log.info(str(self))

    def __str__(self) -> str:
        done = self.asked + self.reused
        seconds = time.monotonic() - self._started
        left = (
            f", about {seconds / self.asked * (self.total - done):.0f} s left"
            if self.asked and done < self.total
            else ""
        )
        return (
            f"{done} of {self.total} partitions: {self.asked} asked, {self.reused} stored before, {self.failed} not ok;"
            f" {self.tokens} tokens{left}"
        )


class RateLimit:
    """Lets so many calls a minute through, evenly.

    Args:
        calls_per_minute: ``None`` for no limit.
    """

    def __init__(self, calls_per_minute: float | None) -> None:
        self._interval = 0.0 if calls_per_minute is None else 60.0 / calls_per_minute
        self._next = 0.0

    async def wait(self) -> None:
        """Wait until the next call may be made."""
        now = time.monotonic()
        self._next = max(self._next, now)
        delay, self._next = self._next - now, self._next + self._interval
        if delay > 0:
            await asyncio.sleep(delay)


class BatchedSaves:
    """Stores documents by as few calls as possible; each caller waits until its own is durable.

    Args:
        save: Stores some documents, by partition; runs in a thread.
    """

    def __init__(self, save: Save) -> None:
        self._save = save
        self._waiting: deque[tuple[str, Document, asyncio.Future[DocumentRow]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def save(self, partition: str, document: Document) -> DocumentRow:
        """Store a document; its row, once it is durable. What the store raises is raised here."""
        stored: asyncio.Future[DocumentRow] = asyncio.get_running_loop().create_future()
        self._waiting.append((partition, document, stored))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await asyncio.shield(stored)

    async def finish(self) -> None:
        """Wait until everything that was handed over is stored, also where its caller was cancelled."""
        if self._worker is not None:
            await self._worker

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(SAVE_BATCH, len(self._waiting)))]
            documents = {partition: document for partition, document, _ in batch}
            try:
                rows = await asyncio.to_thread(self._save, documents)
            except Exception as error:  # noqa: BLE001 - each caller gets it
                for _, _, stored in batch:
                    stored.set_exception(error)
                    stored.exception()  # a caller that was cancelled does not ask for it
            else:
                for partition, _, stored in batch:
                    stored.set_result(rows[partition])


@dataclass
class Generation:
    """How the partitions of a step are made.

    Attributes:
        make: Gives the answer for one partition.
        start: Starts the attempt at a partition.
        save: Stores finished documents.
        log: Dagster's log.
        concurrency: How many calls of ``make`` run at a time.
        calls_per_minute: The most calls of ``make`` in a minute; ``None`` for no limit.
        retry_on: Errors of ``make`` that are worth another try.
        max_tries: How often one partition is tried.
    """

    make: Make
    start: Callable[[str], PendingAttempt]
    save: InitVar[Save]
    log: Logger
    concurrency: int
    calls_per_minute: InitVar[float | None]
    retry_on: type[BaseException] | tuple[type[BaseException], ...]
    max_tries: int

    def __post_init__(self, save: Save, calls_per_minute: float | None) -> None:
        self._saves = BatchedSaves(save)
        self._limit = RateLimit(calls_per_minute)

    async def run(self, partitions: list[str]) -> dict[str, ReusedDocument]:
        """Make every partition; one that raises does not stop the others.

        Args:
            partitions: Which.

        Returns:
            By partition, its stored document without the texts, whatever its status.
        """
        made: dict[str, ReusedDocument] = {}
        waiting = deque(partitions)
        self._progress = Progress(self.log, len(partitions))

        async def worker() -> None:
            while waiting:
                partition = waiting.popleft()
                made[partition] = await self._one(partition)

        with ThreadPoolExecutor(self.concurrency, "doc_io-generate") as self._executor:
            workers = [asyncio.create_task(worker()) for _ in range(min(self.concurrency, len(partitions)))]
            try:
                await asyncio.gather(*workers)
            finally:  # cancelled, or the store failed: stop what is running, and store what is finished
                for task in workers:
                    task.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                await self._saves.finish()
        self.log.info(str(self._progress))
        return {partition: made[partition] for partition in partitions}

    async def _one(self, partition: str) -> ReusedDocument:
        pending = await asyncio.to_thread(self.start, partition)
        attempt = pending.attempt
        stored = await asyncio.to_thread(lambda: attempt.stored)
        if isinstance(stored, ReusedDocument):
            forget(pending)
            self._progress.add(stored.row, reused=True)
            return ReusedDocument.of_row(stored.row, (stored.raw or "")[:PREVIEW_CHARS], made_by_this_step=False)
        if stored is not None:  # a whole answer whose step failed
            return await self._saved(partition, pending, stored, reused=True)
        try:
            document = await self._asked(partition, attempt)
        except Exception as error:  # noqa: BLE001 - whatever one partition raises, the others go on
            document = attempt.failed(error)
        except BaseException as error:  # cancelled: what there is was paid for
            await self._saved(partition, pending, attempt.failed(error))
            raise
        return await self._saved(partition, pending, document)

    async def _saved(
        self, partition: str, pending: PendingAttempt, document: Document, *, reused: bool = False
    ) -> ReusedDocument:
        row = await self._saves.save(partition, document)
        forget(pending)
        self._progress.add(row, reused=reused)
        return ReusedDocument.of_row(row, (document.raw or "")[:PREVIEW_CHARS], made_by_this_step=True)

    async def _asked(self, partition: str, attempt: Attempt) -> Document:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(self.retry_on),
            stop=tenacity.stop_after_attempt(self.max_tries),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=60),
            reraise=True,
        )
        async for one_try in retrying:
            with one_try:
                await self._limit.wait()
                attempt.raw = ""
                return attempt.finished(await self._called(partition, attempt))
        raise AssertionError("tenacity raises the last error")

    async def _called(self, partition: str, attempt: Attempt) -> Any:
        if inspect.iscoroutinefunction(self.make):
            return await self.make(partition, attempt)
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(self._executor, self.make, partition, attempt)
        return await made if inspect.isawaitable(made) else made
