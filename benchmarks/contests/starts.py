"""What a fresh process pays before it does anything: the import, and the command line's first answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.floors import TEXT
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from doc_io import Document, DocumentStore

BARE = [sys.executable, "-c", "pass"]


def contests(setting: Setting) -> Iterator[Contest]:
    """Each command's seconds over those of a bare Python, both started in the same round."""
    folder = setting.folder / "starts"
    folder.mkdir()
    with DocumentStore(folder / "docs", folder / "docs.sqlite") as store:
        for number in range(20):
            store.save(Document(TEXT), stage="essay", task_id=f"task-{number}")
    lanes = [
        Lane("bare Python", _start(BARE)),
        Lane("import sqlite3", _over_bare([sys.executable, "-c", "import sqlite3"])),
        Lane("import doc_io", _over_bare([sys.executable, "-c", "import doc_io"]), goal_seconds=0.060),
        Lane(
            "from doc_io import DocumentStore", _over_bare([sys.executable, "-c", "from doc_io import DocumentStore"])
        ),
    ]
    ls = [sys.executable, "-c", "from doc_io.cli.main import main; main()"]
    where = ["--docs-root", str(folder / "docs"), "--db", str(folder / "docs.sqlite")]
    lanes.append(Lane("doc-io ls", _over_bare([*ls, *where, "ls"]), goal_seconds=0.200))
    yield Contest("start of a process, over bare Python", lanes, setting.rounds)


def _start(command: list[str]) -> Timed:
    def run() -> float:
        with timed() as watch:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - this very Python
        return watch.per_operation

    return run


def _over_bare(command: list[str]) -> Timed:
    mine, bare = _start(command), _start(BARE)
    return lambda: mine() - bare()
