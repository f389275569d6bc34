"""The command that brings in the files of before doc_io."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doc_io import legacy
from doc_io.cli import options, render
from doc_io.cli.config import StoreLocation
from doc_io.escaping import counted, printable

if TYPE_CHECKING:
    from doc_io.legacy.backfill_result import BackfillReport, BadFile

_SHOWN = 10  # lines of a list that a person reads; the CSV has all
_COLUMNS = ("stage", "files", "filed", "existing", "bad", "documents", "linked", "unresolved", "orphans")


_LAYOUT = """\b
The default layout has folders for each stage, and a file for each version:
  3_generation/draft_responses_raw/TASK_v1.txt    whole answers; essay, evaluation likewise
  3_generation/draft_responses/TASK_v1.txt        parsed texts
\b
A layout of your own, for --layout:
  [[stage]]
  name = "answer"
  raw = ["answers"]                               # folders, relative to the data root
  pattern = 'rev(?P<version>\\d+)-(?P<task>.+)\\.md'
"""


@click.command(epilog=_LAYOUT)
@click.option(
    "--data-root",
    metavar="PATH",
    help="The folder of the old tree. Default: data; with --pickles $DAGSTER_HOME/storage.",
)
@click.option(
    "--pickles",
    is_flag=True,
    help="The tree is that of Dagster's default IO manager ($DAGSTER_HOME/storage); only texts are read from its pickles.",
)
@click.option(
    "--asset",
    "assets",
    multiple=True,
    metavar="KEYS",
    callback=options.listed,
    help="With --pickles: only these assets, as in blog/draft or blog/draft=STAGE, commas between them; needed where keys have"
    " prefixes.",
)
@click.option(
    "--layout", metavar="FILE", help="A TOML file that says where its files lie. Default: the generation layout."
)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    metavar="NAMES",
    callback=options.listed,
    help="Only these stages; commas between them.",
)
@click.option("--run-id", help="The run that the documents belong to. Default: backfill-YYYYMMDD.")
@click.option(
    "--copy-mode",
    type=click.Choice(["copy", "link"]),
    default="copy",
    show_default=True,
    help="Copy the texts, or make hard links to the old files where possible.",
)
@click.option("--link", is_flag=True, help="The same as --copy-mode link.")
@click.option("--dry-run", is_flag=True, help="Only count; write nothing.")
@click.option(
    "--bad-files", metavar="FILE", help="The CSV of what was not taken in. Default: bad_files.csv in the data root."
)
@options.as_json
@click.pass_obj
def backfill(
    location: StoreLocation,
    /,
    *,
    pickles: bool,
    copy_mode: str,
    link: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Bring in old text files, or the pickles of Dagster.

    Versioned text files become documents, or with --pickles what Dagster's default IO manager has kept. The old files are
    not changed. Run again, it adds what is new; interrupted, it goes on where it stopped. A file that cannot be taken in is
    listed with the reason and stops nothing. Where no file is found at all, it ends with 3.
    """
    link = link or copy_mode == "link"
    of_files, of_pickles = ("layout", "stages"), ("assets",)
    _refuse(
        [f"--{name.removesuffix('s')}" for name in (of_files if pickles else of_pickles) if given[name]]
        + ["--link"] * (pickles and link),
        pickles=pickles,
    )
    given["data_root"] = given["data_root"] or (_pickles() if pickles else "data")
    given = {name: value for name, value in given.items() if name not in (of_files if pickles else of_pickles)}
    with location.open() as store, render.progress("Backfilling") as progress:
        if pickles:
            report = legacy.backfill_pickles(store, given.pop("data_root"), progress=progress, **given)
        else:
            report = legacy.backfill(store, link=link, progress=progress, **given)
    if as_json:
        render.as_json(dataclasses.asdict(report) | {"bad_files": [each._asdict() for each in report.bad_files]})
        return
    _print(report, tables=not pickles)


def _pickles() -> Path:
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        raise click.UsageError(
            "DAGSTER_HOME is not set: name the folder of the pickles, which is the folder storage in Dagster's home, with"
            " --data-root."
        )
    return Path(home).expanduser() / "storage"


def _refuse(given: Sequence[str], *, pickles: bool) -> None:
    if given:
        raise click.UsageError(f"{', '.join(given)} has no effect {'with' if pickles else 'without'} --pickles.")


def _print(report: BackfillReport, *, tables: bool) -> None:
    were = "was" if report.documents == 1 else "were"
    done = "would be added" if report.dry_run else f"{were} added by run {printable(report.run_id)}"
    click.echo(f"{counted(report.documents, 'document')} {done}.")
    render.table(_COLUMNS, [tuple(getattr(stage, column) for column in _COLUMNS) for stage in report.stages])
    for stage in report.stages:
        if tables and stage.documents and not stage.table:
            click.echo(
                f"No task table for {printable(stage.stage)}: its logical keys are of stage and task alone.", err=True
            )
    _print_bad(report.bad_files)
    if report.bad_files and report.bad_files_path is not None:
        click.echo(f"All of these are in {report.bad_files_path}.", err=True)
    if report.documents and not report.dry_run:
        render.hint("What came in", "ls", "--run", report.run_id)


def _print_bad(bad_files: Sequence[BadFile]) -> None:
    for each in bad_files[:_SHOWN]:
        what = each.path or f"task {each.task_id}"
        click.echo(
            f"{'Noted' if each.filed else 'Not taken in'}: {printable(what)}: {printable(each.reason)}", err=True
        )
    if len(bad_files) > _SHOWN:
        click.echo(f"… and {len(bad_files) - _SHOWN:,} more.", err=True)
