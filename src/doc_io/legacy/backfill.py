"""Imports legacy files: one document for each version, saved once however often it is run; no legacy file is changed.

A document's id follows from the files it was made of. So a run that was interrupted, or is run again another day, meets
its own documents and goes on after them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from doc_io.errors import ConfigurationError
from doc_io.legacy.backfill_result import BackfillReport, BadFile, StageReport, write_bad_files
from doc_io.legacy.backfill_writer import Filing
from doc_io.legacy.layout import Layout, StageLayout, read_layout
from doc_io.legacy.reading import Old, read_task
from doc_io.legacy.scan import TaskFiles, scan
from doc_io.progress import Progress
from doc_io.task_table import Task

if TYPE_CHECKING:
    from doc_io.store import DocumentStore

_BATCH_SIZE = 64
"""Documents that are made durable side by side and committed together."""


def backfill(
    store: DocumentStore,
    data_root: str | os.PathLike[str] = "data",
    *,
    layout: str | os.PathLike[str] | None = None,
    stages: Collection[str] = (),
    run_id: str | None = None,
    link: bool = False,
    dry_run: bool = False,
    bad_files: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> BackfillReport:
    """Save every versioned text file under a data root as a document.

    Args:
        store: Where to.
        data_root: The folder that holds the legacy tree; a local one.
        layout: A TOML file that says where its files are (docs/adopting.md). Default: ``doc_io/legacy/generation.toml``.
        stages: Only these stages. Default: all of the layout.
        run_id: The run that the documents belong to. Default: ``backfill-YYYYMMDD``.
        link: Whether texts may be hard links to the legacy files, where the docs root is on the same file system. Then
            nothing may write into these files any more.
        dry_run: Whether to count only, and write nothing.
        bad_files: Where the CSV of what was not taken in goes. Default: ``bad_files.csv`` in the data root.
        progress: Progress callback, called with `(done, total)` files. Default: none.

    Returns:
        The counts, and what was not taken in.

    Raises:
        ConfigurationError: There is no such data root, stage or file, or a table of tasks cannot be used; nothing was written.
        StorageError: The docs root failed. What was filed stays; run it again.
        IndexAccessError: The index failed. Likewise.
    """
    root = Path(data_root)
    stage_layouts = read_layout(layout)
    report = BackfillReport(run_id or f"backfill-{datetime.now(timezone.utc):%Y%m%d}", dry_run)
    scans, selected = [], _selected(root, stage_layouts, stages)
    for stage in selected:
        tasks = stage_layouts.tasks(stage, root)
        found, odd = scan(root, stage, tasks or ())
        counts = StageReport(stage.stage, table=tasks is not None, bad=sum(not each.filed for each in odd))
        counts.files = counts.bad + sum(len(each.raw) + len(each.parsed) + len(each.prompts) for each in found.values())
        report.bad_files += odd
        report.stages.append(counts)
        scans.append((tasks, found))
    total = sum(counts.files for counts in report.stages)
    if not total:
        raise _nothing_found(root, layout, selected)
    filing = Filing(store, report, link=link)
    for (tasks, found), counts in zip(scans, report.stages, strict=True):
        for olds in _batches(root, found, report, counts):
            filing.file(olds, tasks, counts)
            if progress is not None:
                progress(sum(each.done for each in report.stages), total)
        report.bad_files += _without_files(counts.stage, tasks or {}, found)
    if not dry_run:
        report.bad_files_path = Path(bad_files or root / "bad_files.csv")
        write_bad_files(report.bad_files_path, report.bad_files)
    return report


def _selected(root: Path, layout: Layout, stages: Collection[str]) -> list[StageLayout]:
    if not root.is_dir():
        raise ConfigurationError(
            setting=f"The data root {root}", reason="there is no such folder", hint="Name the folder of the old files."
        )
    known = [stage.stage for stage in layout.stages]
    for stage in stages:
        if stage not in known:
            raise ConfigurationError(
                setting=f"Stage {stage}",
                reason="the layout does not name it",
                hint=f"Its stages are {', '.join(known)}.",
            )
    return [stage for stage in layout.stages if not stages or stage.stage in stages]


def _nothing_found(
    root: Path, layout: str | os.PathLike[str] | None, stages: Collection[StageLayout]
) -> ConfigurationError:
    folders = [folder for stage in stages for folder in (*stage.raw, *stage.parsed, *stage.prompts)]
    existing = [folder for folder in folders if (root / folder).is_dir()]
    of = "the default layout" if layout is None else f"the layout {os.fspath(layout)}"
    named = ", ".join((existing or folders)[:4]) + (", …" if len(existing or folders) > 4 else "")  # noqa: PLR2004 - to be read
    which = f"none of its folders is there ({named})" if not existing else f"its folders are empty ({named})"
    return ConfigurationError(
        setting=f"The data root {root}",
        reason=f"no file was found in it by {of}: {which}",
        hint="Name the folder that these lie in with --data-root, or say in a TOML file where yours are, and name that with"
        " --layout; `doc-io backfill --help` has an example.",
    )


def _batches(
    root: Path, found: Mapping[str, TaskFiles], report: BackfillReport, counts: StageReport
) -> Iterator[list[Old]]:
    """The documents of a stage, some at a time, no task in two batches."""
    batch: list[Old] = []
    for task_id, files in found.items():
        olds, bad = read_task(root, counts.stage, task_id, files)
        report.bad_files += bad
        counts.bad += len(bad)
        batch += olds
        if len(batch) >= _BATCH_SIZE:
            yield batch
            batch = []
    if batch:
        yield batch


def _without_files(stage: str, tasks: Mapping[str, Task], found: Mapping[str, TaskFiles]) -> Iterator[BadFile]:
    for task_id in sorted(set(tasks) - set(found)):
        yield BadFile(stage, task_id, "", filed=False, reason="the table has a line for it, and there is no file")
