"""Upkeep looks at documents one after the other: a store of any size costs the same memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from doc_io import DocumentStore
from tests.maintenance.many import fill

VERBS = {
    "export a dataset": "from doc_io.reports.dataset import write_dataset; write_dataset(store, f'{sys.argv[1]}-dataset', texts=['raw'])",
    "verify in threads": "sum(1 for _ in maintenance.verify(store, jobs=4))",
    "reindex in threads": "maintenance.reindex(store, jobs=4)",
    "reindex": "maintenance.reindex(store)",
    "reindex a lost index": "os.unlink(sys.argv[2]); maintenance.reindex(store)",
    "verify": "sum(1 for _ in maintenance.verify(store))",
    "verify --full": "sum(1 for _ in maintenance.verify(store, full=True))",
    "verify --repair --json, one row is left": "command_without_rows('verify', '--repair', '--json')",
    "prune, what would go": "maintenance.prune(store, Policy(keep_failed=0))",
    "export": "sum(1 for _ in reports.export(store, texts=['raw', 'prompt']))",
}
"""Each is run in a process of its own, which then says the most memory that it had, in KiB."""
LATER = ("verify in threads", "reindex in threads", "verify --full", "reindex a lost index")
"""Those that differ little from others."""
MUTANTS = {
    "reindex": "rows = list(store.index.scan()); maintenance.reindex(store)",
    "verify": "list(reports.export(store))",
}
"""What keeps something of each document, as none of the verbs may."""

PROGRAM = """
import contextlib, os, shutil, sqlite3, sys
from doc_io import DocumentStore, maintenance, reports
from doc_io.cli.main import group
from doc_io.maintenance.prune import Policy

def command_without_rows(*words):
    emptied = shutil.copy(sys.argv[2], sys.argv[2] + "-emptied")
    with contextlib.closing(sqlite3.connect(emptied)) as index, index:
        index.execute("DELETE FROM documents WHERE seq > 1")  # without any the index would be lost
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.suppress(SystemExit):
        group([*words, "--docs-root", sys.argv[1], "--db", emptied], standalone_mode=False)

with DocumentStore(sys.argv[1], sys.argv[2]) as store:
    {verb}
# proc(5); ru_maxrss would begin with what the process had that started this one
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
SHORT = (3_000, 10_000)
LONG = (10_000, 100_000)
ROOM = 6 * 1024  # KiB, for what SQLite and Python keep of pages and lists; one row alone takes 1.3 KiB


@pytest.fixture(scope="module", params=[SHORT, pytest.param(LONG, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[DocumentStore]:
    """A small store and a large one."""
    made = []
    for count in request.param:
        store = DocumentStore(tmp_path_factory.mktemp("memory") / "docs")
        fill(store, count)
        store.close()
        made.append(store)
    return made


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, id=name, marks=[pytest.mark.slow] * (name in LATER)) for name, verb in VERBS.items()]
)
def test_a_larger_store_costs_no_more_memory(stores: list[DocumentStore], verb: str) -> None:
    """Whatever is done with all of its documents."""
    small, large = (peak(store, verb) for store in stores)

    assert large - small < ROOM


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_what_keeps_every_row_would_be_seen(stores: list[DocumentStore], mutant: str) -> None:
    """The negative control."""
    small, large = (peak(store, mutant) for store in stores)

    assert large - small > ROOM


def peak(store: DocumentStore, verb: str) -> int:
    """The most memory that a process had which did this."""
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(verb=verb), store.docs_root, store.index.name],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent.parent.parent / "src"),
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # its own keeps some 20 MB now and then, whatever the size of the store
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return int(said.stdout)
