"""Many answers in one step, against a local server that counts its calls."""

import asyncio
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import Document, DocumentsByPartition, DocumentsIndex, DocumentStore
from doc_io.dagster.attempts import Attempt
from tests.dagster.conftest import House, materializations, reason

COUNT = 40
TOPICS = dg.StaticPartitionsDefinition([f"t{number}" for number in range(COUNT)])
ALL_TOPICS = {"dagster/asset_partition_range_start": "t0", "dagster/asset_partition_range_end": f"t{COUNT - 1}"}


class Server:
    """Answers a line with a line, after a while, and counts what it was asked."""

    def __init__(self, delay: float) -> None:
        self.calls: Counter[str] = Counter()
        self.busy = 0
        self.busiest = 0
        self.delay = delay
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        prompt = (await reader.readline()).decode().strip()
        self.calls[prompt] += 1
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await asyncio.sleep(self.delay)
        self.busy -= 1
        writer.write(f"answer to {prompt}\n".encode())
        await writer.drain()
        writer.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(0.02)
    yield made
    made.stop()


async def ask(port: int, prompt: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{prompt}\n".encode())
    answer = (await reader.readline()).decode().strip()
    writer.close()
    await writer.wait_closed()
    return answer


def draft_of(server: Server, bad: frozenset[str] = frozenset()) -> dg.AssetsDefinition:
    @dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run(), metadata={"doc_io/model_id": "m"})
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(topic, attempt) -> Document:  # type: ignore[no-untyped-def] # noqa: ANN001 - as an author writes it
            attempt.raw = await ask(server.port, attempt.prompt)
            if topic in bad:
                raise ValueError(f"{topic} is bad")
            return attempt.document()  # type: ignore[no-any-return]

        return await documents.generate(context, make, prompts=lambda topic: f"on {topic}", concurrency=8)

    return draft


def test_each_partition_is_asked_once_and_so_many_at_a_time(house: House, server: Server) -> None:
    result = house.run([draft_of(server)], tags=ALL_TOPICS)
    made = materializations(result)

    assert result.success
    assert set(server.calls.values()) == {1}
    assert 2 <= server.busiest <= 8
    rows = house.store.latest_many("draft", TOPICS.get_partition_keys())
    assert len(rows) == COUNT
    assert house.store.read(rows["t7"]) == "answer to on t7"
    assert (rows["t7"].model_id, house.store.read(rows["t7"], "prompt")) == ("m", "on t7")
    assert "answer to on t7" in made["draft|t7"]["preview"]
    assert "reused" not in made["draft|t7"]


def test_a_second_run_asks_for_nothing_and_writes_nothing(house: House, server: Server) -> None:
    house.run([draft_of(server)], tags=ALL_TOPICS)
    made = materializations(house.run([draft_of(server)], tags=ALL_TOPICS))

    assert sum(server.calls.values()) == COUNT
    assert made["draft|t3"]["reused"] is True
    assert len(house.store.history("draft", "t3")) == 1


def test_one_that_fails_does_not_stop_the_others_and_is_named_at_the_end(house: House, server: Server) -> None:
    """What it had is kept, and the next run asks for it alone."""
    result = house.run([draft_of(server, frozenset({"t5", "t6"}))], tags=ALL_TOPICS)

    said = reason(result, "draft")
    assert "2 documents are not ok" in said
    assert "t5: gen_error" in said
    assert len(house.store.latest_many("draft", TOPICS.get_partition_keys())) == COUNT - 2
    assert house.store.read(house.store.history("draft", "t5")[0]) == "answer to on t5"

    assert house.run([draft_of(server)], tags=ALL_TOPICS).success
    assert {key for key, count in server.calls.items() if count > 1} == {"on t5", "on t6"}


def test_a_plain_function_runs_in_threads(house: House) -> None:
    threads = set()

    @dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        def make(topic, attempt) -> str:  # type: ignore[no-untyped-def] # noqa: ANN001 - as an author writes it
            threads.add(threading.current_thread().name)
            time.sleep(0.01)
            return f"on {topic}"

        return await documents.generate(context, make, concurrency=4)

    assert house.run([draft], tags=ALL_TOPICS).success
    assert 2 <= len(threads) <= 4


def test_an_error_that_may_pass_is_tried_again(house: House) -> None:
    tries: Counter[str] = Counter()

    @dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(topic, attempt) -> str:  # type: ignore[no-untyped-def] # noqa: ANN001 - as an author writes it
            tries[topic] += 1
            if topic == "t1" and tries[topic] == 1:
                raise ConnectionError("busy")
            return f"on {topic}"

        return await documents.generate(context, make, retry_on=ConnectionError)

    assert house.run([draft], tags=ALL_TOPICS).success
    assert (tries["t1"], tries["t2"]) == (2, 1)


def test_what_came_before_an_error_that_passed_is_kept_too(house: House) -> None:
    tries: Counter[str] = Counter()

    @dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(topic: str, attempt: Attempt) -> str:
            tries[topic] += 1
            if topic == "t1" and tries[topic] == 1:
                attempt.raw += "half an ans"
                raise ConnectionError("reset")
            return "whole"

        return await documents.generate(context, make, retry_on=ConnectionError)

    assert house.run([draft], tags=ALL_TOPICS).success

    assert [(row.status, house.store.read(row)) for row in house.store.history("draft", "t1")] == [
        ("ok", "whole"),
        ("gen_error", "half an ans"),
    ]
    assert len(house.store.select(limit=100)) == COUNT + 1


def test_calls_are_spread_over_the_minute(house: House) -> None:
    """1,200 a minute: one each 50 ms."""
    topics = dg.StaticPartitionsDefinition(list("abcdef"))
    at: list[float] = []

    @dg.asset(partitions_def=topics, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(topic, attempt) -> str:  # type: ignore[no-untyped-def] # noqa: ANN001 - as an author writes it
            at.append(time.monotonic())
            return "text"

        return await documents.generate(context, make, calls_per_minute=1200)

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "f"}
    assert house.run([draft], tags=tags).success
    assert max(at) - min(at) >= 0.24


def test_a_document_that_cannot_be_stored_costs_the_others_nothing(house: House) -> None:
    """Its text is kept."""

    @dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(topic, attempt) -> Document:  # type: ignore[no-untyped-def] # noqa: ANN001 - as an author writes it
            return Document(f"on {topic}", metadata={"odd": object()} if topic == "t9" else None)

        return await documents.generate(context, make)

    assert "t9: gen_error" in reason(house.run([draft], tags=ALL_TOPICS), "draft")
    assert house.store.read(house.store.history("draft", "t9")[0]) == "on t9"
    assert len(house.store.latest_many("draft", TOPICS.get_partition_keys())) == COUNT - 1


def test_a_prompt_that_cannot_be_made_fails_its_partition_alone(house: House) -> None:
    """Raised by the function, or no prompt at all; and a response that is returned as it is counts."""
    response = {"object": "chat.completion", "model": "m", "choices": [{"message": {"content": "understood"}}]}

    def prompt_of(topic: str) -> Any:
        if topic == "t3":
            raise LookupError("no such topic")
        return 7 if topic == "t4" else topic

    @dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(topic, attempt) -> Any:  # type: ignore[no-untyped-def] # noqa: ANN001 - as an author writes it
            return response

        return await documents.generate(context, make, prompts=prompt_of)

    said = reason(house.run([draft], tags=ALL_TOPICS), "draft")
    rows = house.store.latest_many("draft", TOPICS.get_partition_keys())

    assert "LookupError: no such topic" in said
    assert set(TOPICS.get_partition_keys()) - set(rows) == {"t3", "t4"}
    assert house.store.read(rows["t5"]) == "understood"


def test_texts_that_are_stored_do_not_add_up_in_memory(house: House) -> None:
    """Forty of a megabyte, two at a time: what is under way is in memory, and the previews."""

    @dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run())
    async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        async def make(topic, attempt) -> Document:  # type: ignore[no-untyped-def] # noqa: ANN001 - as an author writes it
            attempt.raw = topic * (1_000_000 // len(topic))
            return attempt.document()  # type: ignore[no-any-return]

        return await documents.generate(context, make, concurrency=2)

    tracemalloc.start()
    try:
        assert house.run([draft], tags=ALL_TOPICS).success
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000, peak


PIPELINE = """
import asyncio, sys
import dagster as dg
from doc_io import DocDirIOManager, DocumentsIndex, DocumentsByPartition
from tests.dagster.test_generate import ALL_TOPICS, TOPICS, ask

root, port = sys.argv[1], int(sys.argv[2])
where = {"docs_root": f"{root}/docs", "db_path": f"{root}/documents.sqlite"}

@dg.asset(partitions_def=TOPICS, backfill_policy=dg.BackfillPolicy.single_run())
async def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
    async def make(topic, attempt):
        return await ask(port, attempt.prompt)
    return await documents.generate(context, make, prompts=lambda topic: f"on {topic}", concurrency=2)

dg.materialize(
    [draft], tags=ALL_TOPICS, resources={"io_manager": DocDirIOManager(**where), "documents": DocumentsIndex(**where)}
)
"""


def stored_by(root: Path) -> set[str]:
    with DocumentStore(root / "docs", root / "documents.sqlite") as store:
        return set(store.latest_many("draft", TOPICS.get_partition_keys()))


def started(root: Path, server: Server) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PIPELINE, str(root), str(server.port)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("sent", "kills"),
    [
        (signal.SIGKILL, 1),
        pytest.param(signal.SIGTERM, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, 12, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_a_run_that_is_killed_and_run_again_pays_at_most_for_what_was_under_way(
    tmp_path: Path, sent: signal.Signals, kills: int
) -> None:
    """Counted at the server. At most two calls, and two answers that were being written, may have been cut each time."""
    server = Server(0.1)
    chance = random.Random(kills)  # noqa: S311 - no secret
    try:
        for _ in range(kills):
            before, stored = server.calls.copy(), stored_by(tmp_path)
            process = started(tmp_path, server)
            more = chance.randint(1, 12) if kills > 1 else 9
            while sum(server.calls.values()) < sum(before.values()) + more and process.poll() is None:
                time.sleep(0.02)
            time.sleep(chance.random() * 0.1)
            process.send_signal(sent)
            process.wait(60)
            again = server.calls - before
            assert not stored & {prompt.removeprefix("on ") for prompt in again}
            assert set(again.values()) <= {1}
        assert sum(server.calls.values()) >= 9
        process = started(tmp_path, server)
        assert process.wait(100) == 0
    finally:
        process.kill()
        server.stop()

    assert sum(server.calls.values()) <= COUNT + 4 * kills
    assert stored_by(tmp_path) == set(TOPICS.get_partition_keys())
