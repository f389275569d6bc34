"""Reading the latest good version: one, with ever more rows in the index; and a thousand at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from benchmarks.floors import COLUMNS, TEXT, row
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from benchmarks.seeded import seeded_store
from doc_io import DocumentStore, Origin

LATEST = "SELECT {} FROM documents WHERE stage = ? AND task_id = ? AND status = 'ok' ORDER BY created_at DESC, seq DESC LIMIT 1"
TASKS = 100
PASSES = 10
FAILED = 200
PARTITIONS = 1_000


def contests(setting: Setting) -> Iterator[Contest]:
    """One read against size, and a fan-in."""
    folder = setting.folder / "reads"
    (folder / "buried").mkdir(parents=True)
    yield from _growth(setting, folder)
    yield from _fan_in(setting, folder)


def _growth(setting: Setting, folder: Path) -> Iterator[Contest]:
    """Look-up and open, by hand and by doc_io, at each size and behind failed attempts."""
    lanes: list[Lane] = []
    open_: list[DocumentStore | sqlite3.Connection] = []
    tasks = [f"task-{number}" for number in range(TASKS)]
    for size in (*setting.sizes, None):
        buried = size is None
        store, database = seeded_store(folder / "buried" if buried else folder, size or 0)
        root = Path(store.docs_root)
        store.save_many([(TEXT, Origin(stage="essay", task_id=task)) for task in tasks])
        if buried:
            _bury(database, tasks)
        label = f"behind {FAILED} failed" if buried else f"at {size:,} rows"
        connection = sqlite3.connect(database)
        open_ += [store, connection]
        lanes.append(Lane(f"by hand {label}", _by_hand(connection, root, tasks), size=size))
        if not size and not buried:
            whole = _by_hand(connection, root, tasks, ", ".join(["doc_dir", "seq", *COLUMNS]))
            lanes.append(Lane(f"by hand {label}, every column", whole, f"by hand {label}"))
        lanes.append(Lane(f"doc_io {label}", _latest(store, tasks), f"by hand {label}", goal=1.5, size=size))
    yield Contest("read the latest ok", lanes, setting.rounds)
    for one in open_:
        one.close()


def _bury(database: Path, tasks: list[str]) -> None:
    """Give every task newer attempts that all failed."""
    connection = sqlite3.connect(database)
    width = ", ".join("?" * len(COLUMNS))
    made = COLUMNS.index("created_at")
    for task in tasks:
        rows = [list(row(f"f-{task}-{number}", task, status="gen_error")) for number in range(FAILED)]
        for number, one in enumerate(rows):
            one[made] = f"2999-01-01T00:00:00.{number:06d}Z"
        connection.executemany(f"INSERT INTO documents ({', '.join(COLUMNS)}) VALUES ({width})", rows)  # noqa: S608 - constants
    connection.commit()
    connection.close()


def _by_hand(connection: sqlite3.Connection, root: Path, tasks: list[str], columns: str = "doc_dir") -> Timed:
    prefix = f"{root}/"
    statement = LATEST.format(columns)

    def run() -> float:
        with timed(PASSES * len(tasks)) as watch:
            for task in PASSES * tasks:
                doc_dir = connection.execute(statement, ("essay", task)).fetchone()[0]
                with open(prefix + doc_dir + "/raw.txt", "rb") as file:  # noqa: PTH123 - the call itself is the floor
                    file.read().decode()
        return watch.per_operation

    return run


def _latest(store: DocumentStore, tasks: list[str]) -> Timed:
    def run() -> float:
        with timed(PASSES * len(tasks)) as watch:
            for task in PASSES * tasks:
                found = store.latest("essay", task)
                if found is None or len(store.read(found)) != len(TEXT):
                    raise AssertionError(task)
        return watch.per_operation

    return run


def _fan_in(setting: Setting, folder: Path) -> Iterator[Contest]:
    """A thousand texts into a dict."""
    count = TASKS if setting.short else PARTITIONS
    root = folder / "many"
    with DocumentStore(root, folder / "many.sqlite") as store:
        tasks = [f"task-{number}" for number in range(count)]
        rows = store.save_many([(TEXT, Origin(stage="essay", task_id=task)) for task in tasks])
        paths = [f"{root}/{one.doc_dir}/raw.txt" for one in rows]

        def plain() -> float:
            with timed() as watch:
                texts = {}
                for task, path in zip(tasks, paths, strict=True):
                    with open(path, "rb") as file:  # noqa: PTH123 - the call itself is the floor
                        texts[task] = file.read().decode()
            return watch.per_operation

        def many() -> float:
            with timed() as watch:
                latest = store.latest_many("essay", tasks)
                texts = store.read_many(latest.values())
                found = {task: texts[one.doc_id] for task, one in latest.items()}
            if len(found) != count:
                raise AssertionError(len(found))
            return watch.per_operation

        floor = f"by hand: {count:,} plain opens"
        yield Contest(
            "many partitions into a dict",
            [Lane(floor, plain), Lane(f"doc_io latest of {count:,} and their texts", many, floor, goal=1.5)],
            setting.rounds,
        )
