"""Many processes write to S3 and PostgreSQL at once, and half of them are killed."""

from __future__ import annotations

import multiprocessing
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from doc_io import Document, DocumentStore
from tests.servers.postgres import Postgres
from tests.servers.s3 import S3

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

WRITERS = 8


def open_store(where: dict[str, Any]) -> DocumentStore:
    """A store on the servers of a test."""
    return DocumentStore(where["root"], db_url=where["db_url"], storage_options=where["options"])


@pytest.fixture
def where(s3_server: S3, postgres_server: Postgres) -> dict[str, Any]:
    """An empty root on S3 and an empty database."""
    return {
        "root": f"{s3_server.root}/{secrets.token_hex(4)}",
        "options": s3_server.storage_options,
        "db_url": postgres_server.new_database(),
    }


def write(where: dict[str, Any], writer: int, count: int, acknowledged: Path, doomed: bool) -> None:  # noqa: FBT001 - handed to a process
    """Save documents, some of tasks that all writers share, and note each one that was acknowledged.

    Who is doomed waits for its death before its last document, so that it cannot have ended when the kill comes late.
    """
    with open_store(where) as store, acknowledged.open("a", encoding="utf-8") as notes:
        for n in range(count):
            if doomed and n == count - 1:
                signal.pause()
            task = "shared" if n % 10 == 0 else f"{writer}/{n}"
            row = store.save(
                Document(f"text {writer}/{n}"), stage="draft", task_id=task, run_id="run", attempt=f"{writer}/{n}"
            )
            notes.write(f"{row.doc_id} {writer}/{n}\n")
            notes.flush()


def start(where: dict[str, Any], writer: int, count: int, folder: Path, *, doomed: bool = False) -> Any:
    """A process of its own that writes."""
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=write, args=(where, writer, count, folder / str(writer), doomed))
    process.start()
    return process


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(12, id="96 documents"),
        pytest.param(250, id="2000 documents", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_nothing_is_lost_or_doubled_when_half_of_the_writers_are_killed(
    where: dict[str, Any], tmp_path: Path, count: int
) -> None:
    """Every acknowledged document is there with its text; what was not is there once after the same attempt again."""
    victims = range(0, WRITERS, 2)
    processes = [start(where, writer, count, tmp_path, doomed=writer in victims) for writer in range(WRITERS)]
    for writer in victims:  # each somewhere in the middle of its work
        _wait_for(tmp_path / str(writer), at_least=1 + writer * count // (2 * WRITERS))
        processes[writer].kill()
    for process in processes:
        process.join()
    assert [processes[writer].exitcode for writer in range(WRITERS)] == [-9, 0] * (WRITERS // 2)
    acknowledged = _notes(tmp_path)

    with open_store(where) as store:
        found = {row.doc_id: row for row in store.index.scan()}
        assert acknowledged.keys() <= found.keys()
        texts = store.read_many(found.values())
        assert all(texts[doc_id] == f"text {found[doc_id].attempt}" for doc_id in found)

    for process in [start(where, writer, count, tmp_path) for writer in victims]:  # the same attempts again
        process.join()
        assert process.exitcode == 0
    with open_store(where) as store:
        rows = list(store.index.scan())
        assert sorted(row.attempt for row in rows) == sorted(f"{w}/{n}" for w in range(WRITERS) for n in range(count))
        assert {row.doc_id: row.attempt for row in rows} == _notes(tmp_path)
        _is_one_chain(store, "shared")
    assert _connections(where["db_url"]) == 0


def _wait_for(notes: Path, at_least: int) -> None:
    end = time.monotonic() + 60
    while not notes.exists() or notes.read_bytes().count(b"\n") < at_least:
        assert time.monotonic() < end
        time.sleep(0.005)


def _notes(folder: Path) -> dict[str, str]:
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines(keepends=True)]
    return dict(line.split() for line in lines if line.endswith("\n"))


def _is_one_chain(store: DocumentStore, task: str) -> None:
    """Each version is later than the one before, and the latest is the one that was committed last."""
    history = store.history("draft", task)
    assert len({row.created_at for row in history}) == len(history)
    assert store.latest("draft", task) == history[0]
    assert [row.seq for row in history] == sorted((row.seq for row in history), reverse=True)


def _connections(db_url: str) -> int:
    """How many a database has that are not this one; a killed client's go when the server next looks."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    left = 0
    with psycopg.connect(db_url, autocommit=True) as connection:
        for _ in range(200):
            (left,) = connection.execute(count).fetchone() or (0,)
            if left == 0:
                break
            time.sleep(0.05)
    return int(left)
