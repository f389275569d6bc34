"""What a large store costs: time and memory of each verb in a process of its own, at 10,000, 100,000 and 1,000,000 documents.

200 stages, one task in five failed, one document with up to 20,000 children, which are attempts at one task. Some verbs
change the store (a first search makes its index, a pruning removes documents), so each runs once, in the order of the list.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane
from doc_io import DocumentStore, Origin, Parent
from tests.maintenance.many import fill

PIPELINES = 67  # of three stages each

_PROGRAM = """
import contextlib, json, os, shutil, sqlite3, sys, time
from datetime import timedelta
from doc_io import Document, DocumentStore, Filter, Origin, maintenance, reports
from doc_io.maintenance.pins import pin_of
from doc_io.maintenance.prune import Policy
from doc_io.reports.diff import diff_texts

ZERO = timedelta(0)
docs, index, parent, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def beside(name, statement=None):
    copied = shutil.copy(index, index + name)
    if statement:
        with contextlib.closing(sqlite3.connect(copied)) as connection, connection:
            connection.execute(statement)
    return copied

{prepare}
with DocumentStore(docs, index) as store:
    if os.path.exists(index):
        store.get(parent)  # the check of the store is no part of a verb
    started, used = time.perf_counter(), time.process_time()
    answer = {verb}
    seconds, used = time.perf_counter() - started, time.process_time() - used
# proc(5): the most memory that this process had; ru_maxrss would begin with that of the process that started it
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(json.dumps([seconds, used, peak, answer if isinstance(answer, int) else None]))
"""
_WORDS = """
import random
chance = random.Random(1)
words = [f"word{chance.randrange(5000)}" for _ in range(540_000)]
other = ["other" if chance.random() < 0.02 else word for word in words]
"""
_PINS = """
pins = docs + "/.doc_io/pins"
os.makedirs(pins, exist_ok=True)
for number in range(50_000):
    open(f"{pins}/{number:016d}", "w").close()
"""
_EMPTY_ROOT = """
index = beside("-missing")
os.makedirs(docs + "-missing/.doc_io")
docs = shutil.copy(docs + "/.doc_io/store.json", docs + "-missing/.doc_io") and docs + "-missing"
"""
VERBS: dict[str, tuple[str, str]] = {
    "verify": ("", "sum(1 for _ in maintenance.verify(store))"),
    "verify, no row is left": (
        "index = beside('-emptied', 'DELETE FROM documents')",
        "sum(1 for _ in maintenance.verify(store))",
    ),
    "verify, no file is left": (_EMPTY_ROOT, "sum(1 for _ in maintenance.verify(store))"),
    "first search": ("", "reports.search(store, 'word')"),
    "next search": ("", "reports.search(store, 'word')"),
    "export with texts": ("", "sum(1 for _ in reports.export(store, texts=['raw', 'prompt']))"),
    "compare by the draft's template": (
        "",
        "reports.compare(store, 'evaluation', 'draft.template_id', attempts='all')",
    ),
    "lineage of up to 20,000 children": ("", "reports.lineage(store, parent, limit=size)"),
    "the same, 10 of them": ("", "reports.lineage(store, parent, limit=10)"),
    "history of up to 20,000 attempts": ("", "len(store.history('growth', 'attempts'))"),
    "status": ("", "reports.stage_counts(store)"),
    "usage by day": ("", "reports.usage(store, 'day')"),
    "usage by run": ("", "reports.usage(store, 'run_id')"),
    "diff, 2 % of 5 MB changed": (_WORDS, "sum(1 for _ in diff_texts(' '.join(words), ' '.join(other)))"),
    "look-up of a pin among 50,000": (_PINS, "pin_of(store, parent)"),
    "save_many of 1,000": (
        "batch = [(f'text {n}', Origin(stage='growth', task_id=f'new-{n}')) for n in range(1000)]",
        "len(store.save_many(batch))",
    ),
    "prune, what would go": ("", "len(maintenance.prune(store, Policy(keep_failed=0)).documents)"),
    "reindex": ("os.unlink(index)", "maintenance.reindex(store).documents"),
    "prune of a stage": (
        "shutil.rmtree(docs + '/.doc_io/pins')",
        "len(maintenance.prune(store, Policy(stage='evaluation', keep_failed=0, grace=ZERO), dry_run=False).documents)",
    ),
}
"""What to prepare, outside of the timed part, and what to time; in this order."""


def contests(setting: Setting) -> Iterator[Contest]:
    """Each verb at each size; processor time, the peak of memory and what it counted are among the facts."""
    sizes = (1_000,) if setting.short else [size for size in setting.sizes if size >= 10_000]
    for size in sizes:
        place = setting.folder / "growth" / str(size)
        yield measured(place, size, filled(place, size))
    yield fan_in(setting.folder / "growth" / "fan-in")


def fan_in(place: Path, upstream: int = 2_000, downstream: int = 200) -> Contest:
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


def filled(place: Path, size: int) -> str:
    """Make a store of so many documents, one of which has many children; its id."""
    with DocumentStore(place / "docs", place / "documents.sqlite") as store:
        fill(store, size, pipelines=PIPELINES)
        parent = store.save("the parent", stage="growth", task_id="parent").doc_id
        batch = [
            (f"child {number}", Origin("growth", "attempts", attempt=f"{number}", parents=(Parent(parent),)))
            for number in range(min(size // 2, 20_000))
        ]
        for start in range(0, len(batch), 1000):
            store.save_many(batch[start : start + 1000])
    return parent


def measured(place: Path, size: int, parent: str) -> Contest:
    """Run each verb once; the contest only says what came of it, as an order of chance and a warm-up would change that."""
    lanes: list[Lane] = []
    facts: dict[str, float] = {}
    for name, (prepare, verb) in VERBS.items():
        program = _PROGRAM.format(prepare=prepare, verb=verb)
        command = [
            sys.executable,
            "-c",
            program,
            str(place / "docs"),
            str(place / "documents.sqlite"),
            parent,
            str(size),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
        seconds, used, peak, count = json.loads(done.stdout)
        lanes.append(Lane(name, partial(float, seconds), size=size))
        facts[f"{name}, s of processor time"] = round(used, 3)
        facts[f"{name}, MB"] = round(peak / 1024)
        if count is not None:
            facts[f"{name}, counted"] = count
    return Contest(f"growth at {size:,} documents", lanes, 1, lambda: facts)
