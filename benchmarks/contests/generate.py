"""Thousands of model calls in one step: `generate` against the bare client with one durable write for each answer."""

import asyncio
import multiprocessing
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.contests.steps import QUIET
from benchmarks.floors import textbook_write
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed
from doc_io import DocDirIOManager, DocumentsByPartition, DocumentsIndex

FLOOR = "the bare client, one durable write each"
DELAY = 0.05
"""Seconds after which the server answers."""

CONCURRENCY = 32


def contests(setting: Setting) -> Iterator[Contest]:
    """Seconds a partition, and how often the server was asked."""
    folder = setting.folder / "generate"
    folder.mkdir()
    partitions = [f"t{number}" for number in range(64 if setting.short else 5000)]
    whole_runs: list[float] = []
    with _server() as (port, asked):
        yield Contest(
            f"{len(partitions)} answers of a server that takes {1000 * DELAY:.0f} ms, {CONCURRENCY} at a time, per answer",
            [
                Lane(FLOOR, _bare(folder / "bare", port, partitions)),
                Lane("generate", _generate(folder, port, partitions, whole_runs), FLOOR, goal=1.2),
            ],
            1,
            lambda: {
                "calls at the server per partition and round (goal 1)": asked() / len(partitions) / 2 / len(whole_runs),
                "the whole run with Dagster's events, ms per answer": round(
                    1000 * min(whole_runs) / len(partitions), 2
                ),
            },
        )


def _bare(folder: Path, port: int, partitions: list[str]) -> Timed:
    """So many tasks, each of which asks and then writes, in a thread, what it was answered."""
    rounds = iter(range(1000))
    folder.mkdir()

    def run() -> float:
        place = folder / str(next(rounds))
        place.mkdir()

        async def write(partition: str) -> None:
            answer = await _ask(port, partition)
            files = {"raw.txt": answer.encode(), "metadata.json": b"{}"}
            await asyncio.to_thread(textbook_write, place / partition, files)

        start = time.perf_counter()
        asyncio.run(_so_many_at_a_time(partitions, write))
        return (time.perf_counter() - start) / len(partitions)

    return run


def _generate(folder: Path, port: int, partitions: list[str], whole_runs: list[float]) -> Timed:
    """The body of an asset, from its first question to its last answer that is stored."""
    topics = dg.StaticPartitionsDefinition(partitions)
    rounds = iter(range(1000))
    seconds: list[float] = []

    @dg.asset(partitions_def=topics, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(_: str, attempt: Any) -> str:
            return await _ask(port, attempt.prompt)

        start = time.perf_counter()
        made = await documents.generate(context, make, prompts=lambda topic: topic, concurrency=CONCURRENCY)
        seconds.append(time.perf_counter() - start)
        return made

    def run() -> float:
        place = folder / f"docs-{next(rounds)}"
        where: dict[str, Any] = {"docs_root": str(place), "db_path": f"{place}.sqlite", "spool": f"{place}-spool"}
        tags = {
            "dagster/asset_partition_range_start": partitions[0],
            "dagster/asset_partition_range_end": partitions[-1],
        }
        resources = {"io_manager": DocDirIOManager(**where), "documents": DocumentsIndex(**where)}
        start = time.perf_counter()
        with dg.DagsterInstance.ephemeral() as instance:
            dg.materialize([draft], resources=resources, tags=tags, instance=instance, run_config=QUIET)
        whole_runs.append(time.perf_counter() - start)
        return seconds[-1] / len(partitions)

    return run


async def _so_many_at_a_time(partitions: list[str], do: Callable[[str], Awaitable[None]]) -> None:
    waiting = deque(partitions)

    async def worker() -> None:
        while waiting:
            await do(waiting.popleft())

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))


async def _ask(port: int, prompt: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{prompt}\n".encode())
    answer = (await reader.readline()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


@contextmanager
def _server() -> Iterator[tuple[int, Callable[[], int]]]:
    """A model in a process of its own: its port, and what says how often it was asked."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(its,), daemon=True)
    process.start()
    port = ours.recv()

    def asked() -> int:
        ours.send(None)
        count: int = ours.recv()
        return count

    try:
        yield port, asked
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection) -> None:
    asyncio.run(_answer_all(pipe))


async def _answer_all(pipe: Connection) -> None:
    count = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        prompt = await reader.readline()
        await asyncio.sleep(DELAY)
        writer.write(b"An answer to " + prompt)
        await writer.drain()
        writer.close()

    def count_asked() -> None:
        pipe.recv()
        pipe.send(count)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    asyncio.get_running_loop().add_reader(pipe.fileno(), count_asked)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()
