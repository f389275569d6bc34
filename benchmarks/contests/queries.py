"""Questions to the index: every version of one key, and the tokens spent by model."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from benchmarks.floors import COLUMNS
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from benchmarks.seeded import seeded_store
from doc_io import DocumentStore, reports

_ALL = ", ".join(["seq", *COLUMNS])
HISTORY = f"SELECT {_ALL} FROM documents WHERE stage = ? AND task_id = ? ORDER BY created_at DESC, seq DESC"  # noqa: S608 - constants

TOTALS = (
    "SELECT model_id, count(*), sum(usage_prompt_tokens), sum(usage_completion_tokens) "
    "FROM documents NOT INDEXED GROUP BY model_id"
)


def contests(setting: Setting) -> Iterator[Contest]:
    """History against the bare query, and what the kept totals save, at each size but the empty one."""
    folder = setting.folder / "queries"
    folder.mkdir()
    lanes: list[Lane] = []
    totals: list[Lane] = []
    open_: list[DocumentStore | sqlite3.Connection] = []
    for size in (one for one in setting.sizes if one):
        store, database = seeded_store(folder, size)
        connection = sqlite3.connect(database)
        open_ += [store, connection]
        bare = f"bare query at {size:,} rows"
        lanes.append(Lane(bare, _bare(connection, HISTORY, ("essay", "seeded-0")), size=size))
        lanes.append(Lane(f"doc_io history at {size:,} rows", _history(store), bare, goal=2.0, size=size))
        scan = f"totals without the index at {size:,} rows"
        totals.append(Lane(scan, _bare(connection, TOTALS), size=size))
        totals.append(Lane(f"doc_io usage at {size:,} rows", _usage(store, size), scan, goal=0.3, size=size))
    yield Contest("history of one key, 100 versions", lanes, setting.rounds)
    yield Contest("token totals by model", totals, max(1, setting.rounds // 3))
    for one in open_:
        one.close()


def _bare(connection: sqlite3.Connection, query: str, values: tuple[str, ...] = ()) -> Timed:
    def run() -> float:
        with timed() as watch:
            connection.execute(query, values).fetchall()
        return watch.per_operation

    return run


def _history(store: DocumentStore) -> Timed:
    def run() -> float:
        with timed() as watch:
            rows = store.history("essay", "seeded-0")
        if not rows:
            raise AssertionError(rows)
        return watch.per_operation

    return run


def _usage(store: DocumentStore, size: int) -> Timed:
    def run() -> float:
        with timed() as watch:
            spent = reports.usage(store, "model_id")
        if sum(each.documents for each in spent) != size:
            raise AssertionError(spent)
        return watch.per_operation

    return run
