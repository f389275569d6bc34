"""PostgreSQL behind a line that breaks: above all between a COMMIT and its answer."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from doc_io import DocIOError, DocumentStore
from doc_io.errors import CommitUnknownError
from doc_io.index import pool
from tests.faults.proxy import CutError, Fault, Proxy, proxy
from tests.servers.postgres import Postgres

ROW = b"essay/"
"""In what inserts and commits a row, as its ``doc_dir`` is sent with nothing else: the insert is its own commit."""


class Line:
    """Says which COMMITs are cut: before they reach the server, after it has answered, or after that and for good."""

    def __init__(self) -> None:
        self.how, self.left, self.cut = "", 0, 0
        self.dead = False
        self._lock = threading.Lock()

    def next_are_cut(self, how: str, times: int) -> None:
        """Cut so many of the COMMITs that come."""
        self.how, self.left, self.dead = how, times, False

    def fault(self, number: int) -> Fault:  # noqa: ARG002 - all connections are alike
        """The fault of one connection."""
        lost = []  # the answer to come must not arrive

        def up(data: bytes) -> bytes:
            with self._lock:
                if self.dead:
                    raise CutError
                if self.left and ROW in data:
                    self.left -= 1
                    self.cut += 1
                    self.dead = self.how == "for good"
                    if self.how == "before":
                        raise CutError
                    lost.append(True)
            return data

        def down(data: bytes) -> bytes:
            if lost:
                raise CutError
            return data

        return Fault(up, down)


@pytest.fixture
def line() -> Line:
    """A line that is whole at first."""
    return Line()


@pytest.fixture
def through(postgres_server: Postgres, line: Line) -> Iterator[Proxy]:
    """The way to the server by that line."""
    with proxy(("127.0.0.1", postgres_server.port), line.fault) as made:
        yield made


def stores(folder: Path, server: Postgres, through: Proxy) -> tuple[DocumentStore, DocumentStore]:
    """The same store by the line that breaks, and directly."""
    url = server.new_database()
    by_line = url.replace(f":{server.port}/", f":{through.port}/")
    return DocumentStore(folder / "docs", db_url=by_line), DocumentStore(folder / "docs", db_url=url)


def save_with_cuts(folder: Path, server: Postgres, through: Proxy, line: Line, count: int) -> None:
    """Save so many documents while their COMMITs are cut, and retry what was not acknowledged."""
    chance = random.Random(5)  # noqa: S311 - a seed that can be repeated is the point
    by_line, directly = stores(folder, server, through)
    with by_line, directly:
        by_line.save("makes the table", stage="essay", task_id="first")
        unknown = 0
        for number in range(count):
            line.next_are_cut(chance.choice(["before", "after"]), times=chance.choice([1, 1, 2]))
            try:
                row = by_line.save(f"text {number}", stage="essay", task_id=str(number % 7), attempt=str(number))
            except DocIOError as error:
                unknown += isinstance(error, CommitUnknownError)
                line.next_are_cut("", 0)
                row = by_line.save(f"text {number}", stage="essay", task_id=str(number % 7), attempt=str(number))
            assert directly.get(row.doc_id) == row
        rows = list(directly.index.scan())
        for row in rows:
            assert directly.read(row)
        assert len(rows) == len({row.attempt for row in rows}) == count + 1
        assert line.cut >= count
        assert unknown > 0


@pytest.mark.slow
def test_a_cut_commit_is_one_document_in_the_end(
    tmp_path: Path, postgres_server: Postgres, through: Proxy, line: Line
) -> None:
    """Two hundred COMMITs cut before they arrived or before they were answered: no document is lost, none is there twice."""
    save_with_cuts(tmp_path, postgres_server, through, line, 200)


def test_a_few_cut_commits_are_one_document_each(
    tmp_path: Path, postgres_server: Postgres, through: Proxy, line: Line
) -> None:
    """The same on every run, with fewer."""
    save_with_cuts(tmp_path, postgres_server, through, line, 20)


def test_a_commit_of_unknown_outcome_deletes_nothing_and_says_so(
    tmp_path: Path, postgres_server: Postgres, through: Proxy, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server cannot be asked again, the error names the document, and the files stay for the retry."""
    monkeypatch.setattr(pool, "_CONNECT_SECONDS", 1)  # the time a dead server is waited for
    by_line, directly = stores(tmp_path, postgres_server, through)
    with by_line, directly:
        by_line.save("makes the table", stage="essay", task_id="first")
        line.next_are_cut("for good", times=1)
        with pytest.raises(CommitUnknownError, match="may be there or not"):
            by_line.save("paid for", stage="essay", task_id="t", attempt="1")

        assert "paid for" in {path.read_text() for path in tmp_path.rglob("raw.txt")}
        line.next_are_cut("", 0)
        row = by_line.save("paid for", stage="essay", task_id="t", attempt="1")
        assert [each.doc_id for each in directly.history("essay", "t")] == [row.doc_id]


def test_a_server_that_is_killed_and_recovers_loses_nothing(tmp_path: Path, postgres_server: Postgres) -> None:
    """SIGKILL of a server process ends every connection and starts recovery; writers go on where they were."""
    url, acknowledged, ended = postgres_server.new_database(), [], threading.Event()

    def write() -> None:
        with DocumentStore(tmp_path / "docs", db_url=url) as store:
            number = 0
            while not ended.is_set():
                try:
                    row = store.save(f"text {number}", stage="essay", task_id="t", attempt=str(number))
                except DocIOError:
                    time.sleep(0.05)
                    continue
                acknowledged.append(row)
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2):
            seen = len(acknowledged)
            while len(acknowledged) < seen + 5:
                time.sleep(0.01)
            kill_a_backend(postgres_server)
        seen = len(acknowledged)
        while len(acknowledged) < seen + 5:
            time.sleep(0.01)
    finally:
        ended.set()
        writer.join()

    with DocumentStore(tmp_path / "docs", db_url=url) as store:
        for row in acknowledged:
            assert store.get(row.doc_id) == row
            assert store.read(row) == f"text {row.attempt}"


def kill_a_backend(server: Postgres) -> None:
    """SIGKILL the process of one connection; the server then ends all others and recovers from its log."""
    with connected(server.url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def connected(url: str) -> psycopg.Connection[Any]:
    """A connection, once the server has recovered from what was done to it before."""
    for _ in range(600):
        with suppress(psycopg.OperationalError):
            return psycopg.connect(url)
        time.sleep(0.05)
    return psycopg.connect(url)
