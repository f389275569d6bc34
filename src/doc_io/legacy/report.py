"""What a backfill did, in numbers that add up, and the list of what it could not take in."""

from __future__ import annotations

import csv
import io
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from doc_io.legacy.scan import BadFile
from doc_io.printable import printable


@dataclass
class StageReport:
    """The counts of one stage. ``files`` is the sum of ``filed``, ``there`` and ``bad_files``.

    Attributes:
        stage: Kind of document.
        files: Files found in its folders.
        filed: Files whose text is in a document that this run added.
        there: Files whose text was in the store already.
        bad_files: Files that were not taken in.
        documents: Documents added; one may hold a raw, a parsed and a prompt file.
        linked: Those of them whose parent was found.
        unresolved: Those whose task names a parent that has no ok document.
        orphans: Those whose task no line of a table names.
        table: Whether there is a table; without one the logical key is the hash of stage and task.
    """

    stage: str
    files: int = 0
    filed: int = 0
    there: int = 0
    bad_files: int = 0
    documents: int = 0
    linked: int = 0
    unresolved: int = 0
    orphans: int = 0
    table: bool = False


@dataclass
class BackfillReport:
    """What a backfill did, or would do.

    Attributes:
        run_id: The run that its documents belong to.
        dry_run: Whether nothing was written.
        stages: The counts of each stage.
        bad: What was not taken in as its name says, and why.
        bad_files: Where that list was written; ``None`` in a dry run.
    """

    run_id: str
    dry_run: bool
    stages: list[StageReport] = field(default_factory=list)
    bad: list[BadFile] = field(default_factory=list)
    bad_files: Path | None = None

    @property
    def documents(self) -> int:
        """Documents added in all stages."""
        return sum(stage.documents for stage in self.stages)


def write_bad_files(path: Path, bad: list[BadFile]) -> None:
    """Write the list as a CSV, at one instant and in the place of the last one.

    Args:
        path: The file; its folder is made.
        bad: What to list. Names are made safe to show: they come from anywhere.
    """
    lines = io.StringIO(newline="")
    writer = csv.writer(lines)
    writer.writerow(BadFile._fields)
    writer.writerows([printable(value) for value in each] for each in bad)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        temporary.write_text(lines.getvalue(), encoding="utf-8", newline="")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
