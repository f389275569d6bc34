"""Many generations in one step: a limited number at a time, each stored as it is finished, none paid for twice."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

import tenacity

from doc_io.dagster.attempts import await_step, forget
from doc_io.dagster.events import say
from doc_io.dagster.reuse import Prompt, ReusedDocument, check_prompt
from doc_io.document import OK, Document, DocumentRow
from doc_io.errors import ConfigurationError, DamagedDocumentError

if TYPE_CHECKING:
    from logging import Logger

    from doc_io.dagster.attempts import Attempt, PendingAttempt

Make = Callable[[str, "Attempt"], "Document | str | Awaitable[Document | str]"]
"""Gives the answer for one partition: a plain function, which runs in a thread, or a coroutine function."""

Save = Callable[[Mapping[str, Document]], Mapping[str, DocumentRow]]

BATCH_SIZE = 64
"""Partitions that are looked up by one query, and documents that are stored by one call."""

PREVIEW_CHARS = 1000
"""Characters of each text that stay in memory, for the previews in Dagster's events."""

PROGRESS_SECONDS = 10.0


def prompt_lookup(
    prompts: Mapping[str, Prompt] | Callable[[str], Prompt] | None, partitions: Sequence[str]
) -> Callable[[str], Prompt]:
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
            say(self.log.info, str(self))

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


@dataclass(frozen=True)
class Started:
    """One partition, after its look-up.

    Attributes:
        partition: Which.
        pending: Its attempt.
        stored: The stored answer to its question, without the texts where nothing is to be written; ``None``: ask.
        error: Why it cannot be asked.
    """

    partition: str
    pending: PendingAttempt
    stored: Document | None = None
    error: Exception | None = None


@dataclass
class Generation:
    """How the partitions of a step are made.

    Looking up, asking and storing go on at the same time. As many answers as calls may wait to be stored: with
    ``concurrency`` n, a process that is killed has at most 2n answers that are not stored.

    Attributes:
        make: Gives the answer for one partition.
        prompt_of: Gives the prompt of a partition; runs in a thread.
        start: Looks up some partitions, by their prompts; runs in a thread.
        save: Stores finished documents, by partition; runs in a thread.
        log: Dagster's log.
        concurrency: How many calls of ``make`` run at a time.
        calls_per_minute: The most calls of ``make`` in a minute; ``None`` for no limit.
        retry_on: Errors of ``make`` that are worth another try.
        max_tries: How often one partition is tried.
    """

    make: Make
    prompt_of: Callable[[str], Prompt]
    start: Callable[[Mapping[str, Prompt]], Sequence[PendingAttempt]]
    save: Save
    log: Logger
    concurrency: int
    calls_per_minute: InitVar[float | None]
    retry_on: type[BaseException] | tuple[type[BaseException], ...]
    max_tries: int

    def __post_init__(self, calls_per_minute: float | None) -> None:
        self._limit = RateLimit(calls_per_minute)
        self._made: dict[str, ReusedDocument] = {}
        self._error: Exception | None = None  # of the store: nothing new is begun

    async def run(self, partitions: Sequence[str]) -> dict[str, ReusedDocument]:
        """Make every partition; one that raises does not stop the others.

        Args:
            partitions: Which.

        Returns:
            By partition, its stored document without the texts, whatever its status.

        Raises:
            DocIOError: The store failed; whatever was begun was finished and given to it.
        """
        self._progress = Progress(self.log, len(partitions))
        self._started: asyncio.Queue[Started | None] = asyncio.Queue(self.concurrency)
        self._finished: asyncio.Queue[tuple[Started, Document, bool] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(self.concurrency)  # for documents that are finished and not stored
        storing = asyncio.create_task(self._store_all())
        looking_up = asyncio.create_task(self._look_up_all(partitions))
        with ThreadPoolExecutor(self.concurrency, "doc_io-generate") as self._executor:
            asking = [asyncio.create_task(self._ask_all()) for _ in range(min(self.concurrency, len(partitions)))]
            try:
                await asyncio.gather(*asking)
            finally:  # also when cancelled: stop what is running, and store what there is
                for task in (looking_up, *asking):
                    task.cancel()
                await asyncio.gather(looking_up, *asking, return_exceptions=True)
                self._finished.put_nowait(None)
                await storing
        if self._error is not None:
            raise self._error
        say(self.log.info, str(self._progress))
        return {partition: self._made[partition] for partition in partitions}

    async def _look_up_all(self, partitions: Sequence[str]) -> None:
        # Not all of them at once: another run may answer some while this one is busy with the first.
        try:
            for first in range(0, len(partitions), BATCH_SIZE):
                batch = await asyncio.to_thread(self._look_up, partitions[first : first + BATCH_SIZE])
                while batch:  # taken out, as each will hold its answer
                    await self._started.put(batch.popleft())
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._error = error
        await self._started.put(None)

    def _look_up(self, partitions: Sequence[str]) -> deque[Started]:
        prompts: dict[str, Prompt] = {}
        errors: dict[str, Exception] = {}
        for partition in partitions:
            try:
                prompts[partition] = self.prompt_of(partition)
                check_prompt(prompts[partition])
            except Exception as error:  # noqa: BLE001 - whatever one partition raises, the others go on
                prompts[partition], errors[partition] = None, error
        attempts = self.start(prompts)
        return deque(map(_started, partitions, attempts, map(errors.get, partitions)))

    async def _ask_all(self) -> None:
        while (started := await self._started.get()) is not None and self._error is None:
            if started.error is not None:
                await self._finish(started, started.pending.attempt.failed(started.error))
            elif started.stored is None:
                await self._ask(started)
            elif isinstance(started.stored, ReusedDocument):
                self._made[started.partition] = started.stored
                self._progress.add(started.stored.row, reused=True)
            else:  # a whole answer whose step failed
                await self._finish(started, started.stored, reused=True)
        if started is None:
            self._started.put_nowait(None)  # for the next worker

    async def _ask(self, started: Started) -> None:
        attempt = started.pending.attempt
        await_step(started.pending)
        try:
            document = await self._answer(started.partition, attempt)
        except Exception as error:  # noqa: BLE001 - whatever one partition raises, the others go on
            document = attempt.failed(error)
        except BaseException as error:  # cancelled: what there is was paid for
            self._finished.put_nowait((started, attempt.failed(error), False))
            raise
        await self._finish(started, document)

    async def _finish(self, started: Started, document: Document, *, reused: bool = False) -> None:
        """Hand over a document to be stored; waits while many others are to be stored."""
        self._finished.put_nowait((started, document, reused))
        await self._room.acquire()

    async def _store_all(self) -> None:
        """Store documents together that were finished at about the same time, until there are no more."""
        more = True
        while more:
            batch = [await self._finished.get()]
            while len(batch) < BATCH_SIZE and not self._finished.empty():
                batch.append(self._finished.get_nowait())
            more = None not in batch
            finished = [each for each in batch if each is not None]
            try:
                await self._store(finished)
            except Exception as error:  # noqa: BLE001 - `run` raises it, when the others that are under way are stored too
                self._error = error
            for _ in finished:
                self._room.release()

    async def _store(self, finished: Sequence[tuple[Started, Document, bool]]) -> None:
        if not finished:
            return
        rows = await asyncio.to_thread(self.save, {each.partition: document for each, document, _ in finished})
        for each, document, reused in finished:
            row, preview = rows[each.partition], (document.raw or "")[:PREVIEW_CHARS]
            forget(each.pending)
            self._made[each.partition] = ReusedDocument.of_row(row, preview, made_by_this_step=True)
            self._progress.add(row, reused=reused)

    async def _answer(self, partition: str, attempt: Attempt) -> Document:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(self.retry_on),
            stop=tenacity.stop_after_attempt(self.max_tries),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=60),
            reraise=True,
        )
        async for one_try in retrying:
            with one_try:
                await self._limit.wait()
                attempt.start_over()
                try:
                    return attempt.finished(await self._call(partition, attempt))
                except self.retry_on as error:
                    if attempt.has_answer:  # or a part of one: it was paid for, and the next try starts over
                        await asyncio.to_thread(self.save, {partition: attempt.failed(error)})
                    raise
        raise AssertionError("tenacity raises the last error")

    async def _call(self, partition: str, attempt: Attempt) -> Any:
        if inspect.iscoroutinefunction(self.make):
            return await self.make(partition, attempt)
        call = asyncio.get_running_loop().run_in_executor(self._executor, self.make, partition, attempt)
        try:
            made = await asyncio.shield(call)
        except asyncio.CancelledError:
            with suppress(Exception):  # a thread runs to its end, and its answer is paid for
                attempt.finished(await call)
            raise
        return await made if inspect.isawaitable(made) else made


def _started(partition: str, pending: PendingAttempt, error: Exception | None) -> Started:
    if error is not None:
        return Started(partition, pending, error=error)
    try:
        stored = pending.attempt.stored
    except DamagedDocumentError as damaged:
        return Started(partition, pending, error=damaged)
    if isinstance(stored, ReusedDocument):
        stored = ReusedDocument.of_row(stored.row, (stored.raw or "")[:PREVIEW_CHARS], made_by_this_step=False)
    return Started(partition, pending, stored)
