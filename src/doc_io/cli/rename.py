"""The command for an asset that has another name now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from doc_io import maintenance
from doc_io.cli import options, render
from doc_io.escaping import counted, printable
from doc_io.ids import stage_of_key

if TYPE_CHECKING:
    from doc_io.cli.config import StoreLocation
    from doc_io.store import DocumentStore


@click.command()
@click.argument("old", shell_complete=options.complete(options.starting("stage")))
@click.argument("new")
@click.option("--merge", is_flag=True, help="Join documents that are there under the new name already.")
@click.option("--dry-run", is_flag=True, help="Only say what would be renamed.")
@options.as_json
@click.pass_obj
def rename(location: StoreLocation, /, old: str, new: str, *, merge: bool, dry_run: bool, as_json: bool) -> None:
    """Let a renamed asset keep its history.

    OLD and NEW are stages (an asset's key, its parts joined by dots), or STAGE/TASK for one task alone. The documents are
    found under NEW from then on; no file of theirs is touched. The task of an asset without partitions is its key and is
    renamed with it. Undo it by renaming back.
    """
    with location.existing() as store:
        stage, task_id = _parts(store, old)
        new_stage, new_task_id = (_new_stage(new), None) if task_id is None else _new_parts(old, new, stage)
        renamed = maintenance.rename(
            store, stage, new_stage, task_id=task_id, new_task_id=new_task_id, merge=merge, dry_run=dry_run
        )
    if as_json:
        tasks = dict(renamed.tasks)
        render.as_json({"documents": renamed.documents, "tasks": tasks, "merged": renamed.merged, "dry_run": dry_run})
        return
    for task, new_task in renamed.tasks.items():
        if task != new_task:
            click.echo(f"Task {printable(task)} is {printable(new_task)}.")
    of = f"{counted(renamed.documents, 'document')} of {printable(old)}"
    click.echo(f"Would rename {of} to {printable(new)}." if dry_run else f"Renamed {of} to {printable(new)}.")
    if not dry_run and not renamed.merged:
        render.hint("Undo", "rename", *options.argument(new, old))


def _parts(store: DocumentStore, name: str) -> tuple[str, str | None]:
    """The stage that a name means, or stage and task."""
    stages = {each.stage for each in store.index.stage_counts()}
    if name in stages or "/" not in name:
        return name, None
    for at, character in enumerate(name):
        if character == "/" and name[:at] in stages and store.history(name[:at], name[at + 1 :], limit=1):
            return name[:at], name[at + 1 :]
    stage, _, task_id = name.partition("/")
    return stage, task_id


def _new_stage(new: str) -> str:
    if "/" in new:
        stage = printable(stage_of_key(new.split("/")))
        raise click.UsageError(f"{printable(new)} is no stage: that of the asset of this key is {stage}.")
    return new


def _new_parts(old: str, new: str, stage: str) -> tuple[str, str]:
    if new.startswith(f"{stage}/"):
        return stage, new[len(stage) + 1 :]
    new_stage, slash, task_id = new.partition("/")
    if not slash:
        raise click.UsageError(f"{printable(old)} is one task: give its new name as STAGE/TASK.")
    return new_stage, task_id
