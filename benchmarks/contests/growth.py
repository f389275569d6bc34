"""What a large store costs: time and memory of each verb and command in a process of its own, at 10,000 to 1,000,000 documents.

200 stages, one task in five failed, one document with up to 20,000 children, which are attempts at one task. Commands run in
a pseudo-terminal, as a person sees them. Some verbs change the store (a first search makes its index, a pruning removes
documents), so each runs once, in the order of the list, after the commands.

A run over all sizes takes more than an hour. It can be taken in parts, of which each keeps its results after every contest:

    python -m benchmarks growth --largest 100000 --json part.json
    python -m benchmarks growth --smallest 1000000 --with part.json --json all.json --plot docs/images/speed.png
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from benchmarks.contests import growth_batches
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane
from doc_io import DocumentStore, Origin, Parent
from tests.maintenance.many import fill

PIPELINES = 67  # of three stages each
MODELS = ("gpt-4o", "claude-3-5-sonnet-latest", "gemini-2.5-pro", "a-model-of-ours")
"""What usage has to price: a flat price twice, one that rises with the length of a prompt, and a model without any."""

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


COMMANDS: dict[str, tuple[str, ...]] = {
    "doc-io --version, the start": ("--version",),
    "doc-io history of up to 20,000 attempts": ("history", "growth/attempts"),
    "the same with -n 20000": ("history", "growth/attempts", "-n", "20000"),
    "doc-io show of one of them": ("show", "growth/attempts"),
    "doc-io show of up to 20,000 children": ("show", "{parent}"),
    "doc-io lineage of up to 20,000 children": ("lineage", "{parent}", "-n", "30000"),
    "doc-io lineage, 10 of them": ("lineage", "{parent}", "--limit", "10"),
    "doc-io status": ("status",),
    "doc-io usage by day": ("usage", "--by", "day"),
    "doc-io usage by run": ("usage", "--by", "run"),
}
"""What a person types in a terminal; each a process, and the first is what each of the others begins with."""
_START = next(iter(COMMANDS))
_BEYOND_THE_START = ("doc-io status", "doc-io usage by day", "doc-io usage by run")

GOALS: dict[str, float] = {
    **dict.fromkeys((name for name in (*VERBS, *COMMANDS) if "lineage" in name or "history" in name), 1.0),
    **dict.fromkeys((name for name in COMMANDS if "show" in name), 1.0),
    **dict.fromkeys(("status", "usage by day", "usage by run", *_BEYOND_THE_START), 0.25),
    "the same, 10 of them": 1.0,
    "diff, 2 % of 5 MB changed": 2.0,
}
"""Seconds; of `_BEYOND_THE_START` those that come on top of the start of the program."""


def contests(setting: Setting) -> Iterator[Contest]:
    """Each verb at each size; processor time, the peak of memory and what it counted are among the facts."""
    sizes = (1_000,) if setting.short else [size for size in setting.sizes if size >= 10_000]
    for size in sizes:
        place = setting.folder / "growth" / str(size)
        yield measured(place, size, filled(place, size), repeats=1 if setting.short else 3)
    yield from growth_batches.contests(setting)


def filled(place: Path, size: int) -> str:
    """Make a store of so many documents, one of which has many children; its id."""
    with DocumentStore(place / "docs", place / "documents.sqlite") as store:
        fill(store, size, pipelines=PIPELINES, models=MODELS)
        parent = store.save("the parent", stage="growth", task_id="parent").doc_id
        batch = [
            (f"child {number}", Origin("growth", "attempts", attempt=f"{number}", parents=(Parent(parent),)))
            for number in range(min(size // 2, 20_000))
        ]
        for start in range(0, len(batch), 1000):
            store.save_many(batch[start : start + 1000])
    return parent


def measured(place: Path, size: int, parent: str, repeats: int) -> Contest:
    """Run each command and each verb; the contest only says what came of it, as an order of chance and a warm-up would change that.

    Args:
        place: The folder of the store.
        size: How many documents were asked for.
        parent: The document with many children.
        repeats: How often a command is run, which changes nothing; the fastest counts. A verb is run once.
    """
    lanes: list[Lane] = []
    facts: dict[str, float] = {}

    def add(name: str, seconds: float, used: float, peak: int) -> None:
        lanes.append(Lane(name, partial(float, seconds), size=size, goal_seconds=GOALS.get(name)))
        facts[f"{name}, s of processor time"] = round(used, 3)
        facts[f"{name}, MB"] = round(peak / 1024)

    where = (str(place / "docs"), str(place / "documents.sqlite"))
    start = 0.0
    for name, words in COMMANDS.items():
        command = [word.format(parent=parent) for word in words]
        seconds, used, peak = min(_in_a_terminal(*where, *command) for _ in range(repeats))
        start = seconds if name == _START else start
        beyond = name in _BEYOND_THE_START
        add(name, max(0.0, seconds - start) if beyond else seconds, used, peak)
    for name, (prepare, verb) in VERBS.items():
        program = _PROGRAM.format(prepare=prepare, verb=verb)
        words = (sys.executable, "-c", program, *where, parent, str(size))
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
        *taken, count = json.loads(done.stdout)
        add(name, *taken)
        if count is not None:
            facts[f"{name}, counted"] = count
    return Contest(f"growth at {size:,} documents", lanes, 1, lambda: facts)


_COMMAND = """
import json, os, sys, time
from doc_io.cli.main import main
report = int(sys.argv.pop(1))
try:
    main()
finally:
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    os.write(report, json.dumps([time.process_time(), peak]).encode())
"""


def _in_a_terminal(docs: str, index: str, *words: str) -> tuple[float, float, int]:
    """Run ``doc-io`` in a pseudo-terminal: seconds of the process, its processor time, and its peak of memory in KB."""
    report, at_end = os.pipe()
    program = (sys.executable, "-c", _COMMAND, str(at_end), "--docs-root", docs, "--db", index, *words)
    master, slave = pty.openpty()
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own program
        program, stdout=slave, stderr=slave, pass_fds=[at_end], env={**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    )
    os.close(slave)
    os.close(at_end)
    with process, suppress(OSError):  # Linux says so at the end of a pseudo-terminal
        while os.read(master, 65536):
            pass
    seconds = time.perf_counter() - started
    used, peak = json.loads(os.read(report, 1000))
    os.close(report)
    os.close(master)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, program)
    return seconds, used, peak
