"""Memory while many documents are looked at one after the other: it must not grow with their number."""

from __future__ import annotations

import time
import tracemalloc
from collections import deque
from collections.abc import Iterator

from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed
from benchmarks.seeded import seeded_store
from doc_io import DocumentStore


def contests(setting: Setting) -> Iterator[Contest]:
    """A scan of every row at two sizes; the peaks are among the facts."""
    folder = setting.folder / "memory"
    folder.mkdir()
    small, large = (1_000, 2_000) if setting.short else (10_000, 100_000)
    stores: list[DocumentStore] = []
    peaks: dict[str, float] = {}
    lanes: list[Lane] = []
    for size in (small, large):
        store, _ = seeded_store(folder, size)
        stores.append(store)
        lanes.append(Lane(f"scan of {size:,} rows, each", _scan(store, size, peaks), lanes[0].name if lanes else None))
    yield Contest("memory of a scan", lanes, 1 if setting.short else 3, lambda: peaks)
    for store in stores:
        store.close()


def _scan(store: DocumentStore, size: int, peaks: dict[str, float]) -> Timed:
    def run() -> float:
        tracemalloc.start()
        start = time.perf_counter()
        deque(store.index.scan(), maxlen=0)
        took = time.perf_counter() - start
        peaks[f"peak while scanning {size:,} rows, MB"] = round(tracemalloc.get_traced_memory()[1] / 1e6, 2)
        tracemalloc.stop()
        return took / size

    return run
