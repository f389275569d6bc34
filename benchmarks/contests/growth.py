"""What a large store costs: time and memory of each verb in a process of its own, at 10,000 and 100,000 documents, or more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed
from doc_io import DocumentStore, Origin, Parent
from tests.maintenance.many import fill

_PROGRAM = """
import json, sys, time
from doc_io import Document, DocumentStore, Filter, Origin, maintenance, reports
from doc_io.reports.diff import diff_texts
from doc_io.maintenance.prune import Policy
store = DocumentStore(sys.argv[1], sys.argv[2])
{prepare}
started = time.perf_counter()
{verb}
seconds = time.perf_counter() - started
store.close()
# proc(5): the most memory that this process had; ru_maxrss would begin with that of the process that started it
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(json.dumps([seconds, peak]))
"""
_WORDS = """
import random
chance = random.Random(1)
words = [f"word{chance.randrange(5000)}" for _ in range(60 * min(10_000, size))]
other = ["other" if chance.random() < 0.02 else word for word in words]
"""
_VERBS: dict[str, tuple[str, str]] = {
    "verify": ("", "sum(1 for _ in maintenance.verify(store))"),
    "prune, what would go": ("", "maintenance.prune(store, Policy(keep_ok=1, keep_failed=0))"),
    "first search": ("", "reports.search(store, 'word')"),
    "next search": ("", "reports.search(store, 'word')"),
    "export with texts": ("", "sum(1 for _ in reports.export(store, texts=['raw', 'prompt']))"),
    "compare by the draft's template": (
        "",
        "reports.compare(store, 'evaluation', 'draft.template_id', attempts='all')",
    ),
    "lineage of many children": ("", "reports.lineage(store, sys.argv[3], limit=size)"),
    "history of many attempts": ("", "store.history('growth', 'attempts')"),
    "status": ("", "reports.stage_counts(store)"),
    "usage by day": ("", "reports.usage(store, 'day')"),
    "usage by run": ("", "reports.usage(store, 'run_id')"),
    "diff, 2 % of 600 KB to 6 MB changed": (_WORDS, "list(diff_texts(' '.join(words), ' '.join(other)))"),
    "save_many of 1,000": (
        "batch = [(f'text {n}', Origin(stage='growth', task_id=f'new-{n}')) for n in range(1000)]",
        "store.save_many(batch)",
    ),
    "reindex of a lost index, then verify": (
        "import pathlib; pathlib.Path(sys.argv[2]).unlink()\nmaintenance.reindex(store)",
        "sum(1 for _ in maintenance.verify(store))",
    ),
}
"""What to prepare, outside of the timed part, and what to time; in this order."""


def contests(setting: Setting) -> Iterator[Contest]:
    """Each verb at each size; the peaks of memory are among the facts."""
    folder = setting.folder / "growth"
    folder.mkdir()
    sizes = (1_000,) if setting.short else [size for size in setting.sizes if size >= 10_000]
    for size in sizes:
        place = folder / str(size)
        parent = _filled(place, size, children=min(size // 2, 20_000))
        peaks: dict[str, float] = {}
        lanes = [
            Lane(f"{name}, {size:,} documents", _timed(place, size, parent, name, peaks), size=size) for name in _VERBS
        ]
        yield Contest(f"growth at {size:,} documents", lanes, 1, lambda peaks=peaks: peaks)


def _filled(place: Path, size: int, children: int) -> str:
    """A store of so many documents, with one that has many children, which are attempts at one task; its id."""
    with DocumentStore(place / "docs", place / "documents.sqlite") as store:
        fill(store, size)
        parent = store.save("the parent", stage="growth", task_id="parent").doc_id

        batch = [
            (f"child {number}", Origin("growth", "attempts", attempt=f"{number}", parents=(Parent(parent),)))
            for number in range(children)
        ]
        for start in range(0, children, 1000):
            store.save_many(batch[start : start + 1000])
    return parent


def _timed(place: Path, size: int, parent: str, name: str, peaks: dict[str, float]) -> Timed:
    prepare, verb = _VERBS[name]
    program = _PROGRAM.format(prepare=f"size = {size}\n{prepare}", verb=verb)

    def run() -> float:
        if name == "first search":
            (place / "documents.sqlite.search").unlink(missing_ok=True)
        command = [sys.executable, "-c", program, str(place / "docs"), str(place / "documents.sqlite"), parent]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own program
        seconds, peak = json.loads(done.stdout)
        peaks[f"memory of {name}, MB"] = round(peak / 1024, 1)
        return float(seconds)

    return run
