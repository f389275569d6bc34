"""S3 behind a line that breaks: resets, 503, answers lost after success, bodies cut short."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from doc_io import DocIOError, Document, DocumentStore
from tests.faults.proxy import AnswerError, CutError, Fault, proxy
from tests.servers.s3 import S3

BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CLIENTS: dict[str, dict[str, Any]] = {"s3fs": {}, "obstore": {"client": "obstore"}}
"""Each client that writes to S3, and the options by which a store is told to use it."""
FAULTS = ("reset before", "lost after", "503", "cut short")


class Weather:
    """Breaks one request in so many, by chance.

    Args:
        seed: Of the chance.
        one_in: How rare a fault is.
    """

    def __init__(self, seed: int, one_in: int) -> None:
        self.faults = 0
        self._chance, self._one_in, self._lock = random.Random(seed), one_in, threading.Lock()  # noqa: S311 - repeatable

    def fault(self, number: int) -> Fault:  # noqa: ARG002 - all connections are alike
        """The fault of one connection."""
        coming: list[str] = []  # what happens to the next answer

        def up(data: bytes) -> bytes:
            if not data.startswith((b"PUT ", b"GET ", b"HEAD ")):
                return data
            with self._lock:
                if self._chance.randrange(self._one_in):
                    return data
                self.faults += 1
                fault = self._chance.choice(FAULTS)
            if fault == "reset before":
                raise CutError
            if fault == "503":
                raise AnswerError(BUSY)
            coming.append(fault)
            return data

        def down(data: bytes) -> bytes:
            if not coming:
                return data
            if coming.pop() == "lost after":
                raise CutError
            raise AnswerError(data[: len(data) * 3 // 4])

        return Fault(up, down)


def save_in_bad_weather(
    folder: Path, server: S3, client: dict[str, Any], *, faults: int, one_in: int, seed: int
) -> None:
    """Save until so many requests went wrong; retry what was not acknowledged; then read everything directly."""
    weather, root = Weather(seed, one_in), f"{server.root}/weather-{folder.name}"
    host, _, port = server.endpoint.removeprefix("http://").partition(":")
    acknowledged: dict[str, str] = {}
    with proxy((host, int(port)), weather.fault) as line:
        options = server.options_at(f"http://127.0.0.1:{line.port}") | client
        with DocumentStore(root, folder / "index.sqlite", storage_options=options) as store:

            def save(number: int) -> None:
                text = f"text {number}\n" * (number % 300 + 1)
                for _ in range(20):
                    try:
                        row = store.save(
                            Document(text, prompt="p"), stage="essay", task_id=str(number % 5), attempt=str(number)
                        )
                        assert store.read(row) == text
                    except DocIOError:
                        continue
                    acknowledged[row.doc_id] = text
                    return
                pytest.fail(f"twenty tries were not enough for {number}")

            with ThreadPoolExecutor(8) as threads:
                for first in itertools.count(0, 24):
                    list(threads.map(save, range(first, first + 24)))
                    if weather.faults >= faults:
                        break

    print(f"seed {seed}: {weather.faults} faulty requests, {len(acknowledged)} documents acknowledged")
    with DocumentStore(root, folder / "index.sqlite", storage_options=server.storage_options) as store:
        rows = {row.doc_id: row for row in store.index.scan()}
        assert rows.keys() == acknowledged.keys()
        assert store.read_many(rows.values()) == {doc_id: acknowledged[doc_id] for doc_id in rows}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_an_answer_that_is_cut_short_is_asked_for_again(tmp_path: Path, s3_server: S3, client: dict[str, Any]) -> None:
    """A reader sees the text, and nothing of the line that broke in the middle of it."""
    cut: list[int] = []

    def fault(_number: int) -> Fault:
        asked: list[bool] = []

        def up(data: bytes) -> bytes:
            asked[:] = [data.startswith(b"GET ")]
            return data

        def down(data: bytes) -> bytes:
            if cut or not any(asked) or len(data) < 1000:
                return data
            cut.append(len(data))
            raise AnswerError(data[:-500])

        return Fault(up, down)

    host, _, port = s3_server.endpoint.removeprefix("http://").partition(":")
    with proxy((host, int(port)), fault) as line:
        options = s3_server.options_at(f"http://127.0.0.1:{line.port}") | client
        root = f"{s3_server.root}/cut-{tmp_path.name}"
        with DocumentStore(root, tmp_path / "index.sqlite", storage_options=options) as store:
            row = store.save("text " * 1000, stage="essay", task_id="t")
            assert store.read(row) == "text " * 1000

    assert cut


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_requests_that_go_wrong_lose_no_document(tmp_path: Path, s3_server: S3, client: dict[str, Any]) -> None:
    """Some faults on every run."""
    save_in_bad_weather(tmp_path, s3_server, client, faults=12, one_in=8, seed=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_a_thousand_requests_that_go_wrong_lose_no_document(
    tmp_path: Path, s3_server: S3, client: dict[str, Any]
) -> None:
    """The same, more often."""
    save_in_bad_weather(tmp_path, s3_server, client, faults=1000, one_in=4, seed=4)
