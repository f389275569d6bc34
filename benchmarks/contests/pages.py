"""Each page of `doc-io serve` beside its floor: a bare Starlette answer, with the bare queries and opens that it needs."""

from __future__ import annotations

import json
import sqlite3
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Scope

from benchmarks.contests.queries import HISTORY
from benchmarks.floors import TEXT, seed
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed
from doc_io import DocumentRow, DocumentStore
from doc_io.reports.diff import diff_texts
from doc_io.web import app
from doc_io.writing.draft import Origin

GOAL = 3.0
_COLUMNS = "seq, stage, task_id, status"
NEWEST = f"SELECT {_COLUMNS} FROM documents INDEXED BY documents_newest ORDER BY created_at DESC, seq DESC LIMIT 5000"  # noqa: S608 - constants
FAILED = (
    "SELECT * FROM documents WHERE seq IN (SELECT seq FROM documents INDEXED BY documents_newest"
    " WHERE status IN ('gen_error', 'parse_error', 'truncated') ORDER BY created_at DESC, seq DESC LIMIT 1000)"
)
ONE = "SELECT * FROM documents WHERE doc_id = ?"
LATEST = (
    "SELECT * FROM documents WHERE seq IN (SELECT (SELECT seq FROM documents WHERE stage = ? AND task_id = value"
    " AND status = 'ok' ORDER BY created_at DESC, seq DESC LIMIT 1) FROM json_each(?))"
)
PARENTS = "SELECT parent_doc_id, input_name FROM document_parents WHERE doc_id = ? ORDER BY position"
CHILDREN = (
    "SELECT * FROM documents WHERE doc_id IN (SELECT doc_id FROM document_parents WHERE parent_doc_id = ?)"
    " ORDER BY created_at DESC, seq DESC LIMIT 50"
)
FIFTY = "SELECT * FROM documents ORDER BY seq DESC LIMIT 50"
SCORED = "UPDATE documents SET score = seq % 11 WHERE stage = 'essay' AND status = 'ok'"
SCORES = "SELECT template_id, status, score FROM documents WHERE stage = 'essay' AND score IS NOT NULL"
TOTALS = "SELECT {0}, sum(documents), sum(prompt_tokens), sum(completion_tokens) FROM document_totals GROUP BY {0}"
NEW = "SELECT max(seq) FROM documents"

Asked = Sequence[tuple[str, tuple[str, ...]]]


def contests(setting: Setting) -> Iterator[Contest]:
    """Every page at the largest size."""
    folder = setting.folder / "pages"
    folder.mkdir()
    database = folder / "documents.sqlite"
    store = DocumentStore(folder / "docs", database)
    old, new = _two_texts(store)  # before the others, whose documents are in the index alone
    seed(database, setting.sizes[-1])
    texts = [Path(store.docs_root) / row.doc_dir / "raw.txt" for row in (old, new)]
    records = [path.with_name("metadata.json") for path in texts]
    history: Asked = [(HISTORY, (new.stage, new.task_id)), (NEW, ())]
    rows: Asked = [(ONE, (old.doc_id,)), (ONE, (new.doc_id,))]
    kin: Asked = [(PARENTS, (new.doc_id,)), (CHILDREN, (new.doc_id,))]
    fifty = ("essay", json.dumps([f"seeded-{number}" for number in range(50)]))
    totals: Asked = [(TOTALS.format(each), ()) for each in ("stage", "day", "model_id", "template_id", "experiment_id")]
    board: Asked = [(NEWEST, ()), (FIFTY, ()), *totals, (LATEST, fifty), (NEW, ())]
    pages: dict[str, tuple[str, Asked, list[Path]]] = {
        "Board": ("/", board, []),
        "Document": (f"/d/{new.doc_id}", [rows[1], *history, *kin], [texts[1], records[1]]),
        "Task": (f"/t/{new.stage}/{new.task_id}", [*history, totals[0]], []),
        "Compare": (f"/compare?a={old.doc_id}&b={new.doc_id}", [*rows, *history], [*texts, *records]),
        "Failures": ("/failures", [(FAILED, ()), totals[0], (NEW, ())], []),
        "Scores": ("/scores?stage=essay", [(SCORES, ()), totals[0], (NEW, ())], []),
        "Usage": ("/usage", [totals[2], (NEW, ())], []),
    }
    lanes: list[Lane] = []
    answers: dict[str, list[_Answer]] = defaultdict(list)
    # One event loop for all rounds: as in a server, its threads stay, and so do their connections.
    with (
        closing(sqlite3.connect(database, check_same_thread=False)) as connection,
        store,
        start_blocking_portal() as worker,
    ):
        connection.execute(SCORED)
        connection.commit()
        served = app(store)
        for name, (address, asked, files) in pages.items():
            floor = f"{name}: bare answer and queries"
            lanes.append(Lane(floor, _get(worker, _bare(connection, asked, files), "/")))
            lanes.append(Lane(name, _get(worker, served, address, answers[name]), floor, goal=GOAL))
        address, asked, files = pages["Compare"]
        floor = "Compare: the same and reports.diff"
        lanes.append(Lane(floor, _get(worker, _bare(connection, asked, files, compared=True), "/")))
        lanes.append(Lane("Compare, its diff in the floor", _get(worker, served, address), floor, goal=GOAL))
        yield Contest(
            f"pages at {setting.sizes[-1]:,} documents (processor time)", lanes, setting.rounds, lambda: _facts(answers)
        )


class _Answer(NamedTuple):
    """What one answer took, in seconds: by the clock, and of the processor."""

    clock: float
    processor: float


def _facts(answers: Mapping[str, Sequence[_Answer]]) -> dict[str, str | float]:
    """The first answer of each page, and within what time 95 of 100 of the others came."""
    facts: dict[str, str | float] = {}
    for name, (first, *others) in answers.items():
        clock, processor = (statistics.quantiles(times, n=20)[-1] for times in zip(*others, strict=True))
        facts[name] = (
            f"95 of 100 within {clock * 1000:.1f} ms, {processor * 1000:.1f} ms of the processor;"
            f" the first {first.clock * 1000:.0f} ms"
        )
    return facts


def _two_texts(store: DocumentStore) -> tuple[DocumentRow, DocumentRow]:
    changed = TEXT.replace("lazy", "sleepy", 20)
    origins = [Origin(stage="essay", task_id="read", attempt=str(number)) for number in range(2)]
    old, new = store.save_many(list(zip((TEXT, changed), origins, strict=True)))
    return old, new


def _bare(connection: sqlite3.Connection, asked: Asked, files: Sequence[Path], *, compared: bool = False) -> ASGIApp:
    """What every page costs at least: a route, a thread, the queries, the opens, and an answer of a page's size."""

    def endpoint(_: Request) -> Response:
        found = [len(connection.execute(statement, values).fetchall()) for statement, values in asked]
        texts = [path.read_text(encoding="utf-8") for path in files]
        if compared:
            list(diff_texts(texts[0], texts[1]))
        return HTMLResponse(f"<!doctype html><title>bare</title>{found}{''.join(texts)}" + " " * 20_000)

    return Starlette(routes=[Route("/", endpoint)])


def _get(worker: BlockingPortal, application: ASGIApp, address: str, answers: list[_Answer] | None = None) -> Timed:
    path, _, query = address.partition("?")
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8712),
    }  # fmt: skip

    async def ask() -> float:
        status: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        took = []
        for _ in range(_TIMES):
            clock, processor = time.perf_counter(), time.process_time()
            await application(dict(scope), receive, send)
            took.append(_Answer(time.perf_counter() - clock, time.process_time() - processor))
        assert status == [200] * _TIMES, (address, status)
        if answers is not None:
            answers.extend(took)
        return sum(answer.processor for answer in took) / _TIMES  # by the clock it depends on who else is at work

    return partial(worker.call, ask)


_TIMES = 5
