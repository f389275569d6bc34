"""What a backfill did, in numbers that add up, and the list of what it could not take in."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from doc_io.errors import ConfigurationError
from doc_io.escaping import printable


class BadFile(NamedTuple):
    """Something that was not taken in, or not in the way that its name and its task's table say.

    Attributes:
        stage: Kind of document.
        task_id: Its task, where there is one.
        path: Relative to the data root; empty for a line of a table that has no file.
        filed: Whether its text is in the store all the same.
        reason: Why it is on this list, in words.
    """

    stage: str
    task_id: str
    path: str
    filed: bool
    reason: str


@dataclass
class StageReport:
    """The counts of one stage. ``files`` is the sum of ``filed``, ``existing`` and ``bad``.

    Attributes:
        stage: Kind of document.
        table: Whether there is a table; without one the logical key is the hash of stage and task.
        files: Files found in its folders.
        filed: Files whose text is in a document that this run added.
        existing: Files whose text was in the store before.
        bad: Files that were not taken in.
        documents: Documents added; one may hold a raw, a parsed and a prompt file.
        linked: Those of them whose parent was found.
        unresolved: Those whose task names a parent that has no ok document.
        orphans: Those whose task is in no table.
    """

    stage: str
    table: bool
    files: int = 0
    filed: int = 0
    existing: int = 0
    bad: int = 0
    documents: int = 0
    linked: int = 0
    unresolved: int = 0
    orphans: int = 0

    @property
    def done(self) -> int:
        """Files that nothing more will be done with."""
        return self.filed + self.existing + self.bad


@dataclass
class BackfillReport:
    """What a backfill did, or would do.

    Attributes:
        run_id: The run that its documents belong to.
        dry_run: Whether nothing was written.
        stages: The counts of each stage.
        bad_files: What was not taken in as its name says, and why.
        bad_files_path: Where that list was written; ``None`` in a dry run.
    """

    run_id: str
    dry_run: bool
    stages: list[StageReport] = field(default_factory=list)
    bad_files: list[BadFile] = field(default_factory=list)
    bad_files_path: Path | None = None

    @property
    def documents(self) -> int:
        """Documents added in all stages."""
        return sum(stage.documents for stage in self.stages)


def write_bad_files(path: Path, bad_files: Iterable[BadFile]) -> None:
    """Write the list as a CSV, at one instant and in the place of the last one.

    Args:
        path: The file; its folder is made.
        bad_files: What to list. Names are made safe to show: they come from anywhere.

    Raises:
        ConfigurationError: It cannot be written.
    """
    lines = io.StringIO(newline="")
    writer = csv.writer(lines)
    writer.writerow(BadFile._fields)
    for each in bad_files:
        writer.writerow([printable(str(value)) for value in each._replace(filed="yes" if each.filed else "no")])  # type: ignore[arg-type] # as text
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(lines.getvalue(), encoding="utf-8", newline="")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ConfigurationError(
            setting=f"The list of bad files {path}",
            reason=error.strerror or str(error),
            hint="The documents are filed; run it again, or name another file.",
        ) from error
