"""Commands that keep a store in order; each says what it would do before it does it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from doc_io import maintenance, reports
from doc_io.cli import options, render
from doc_io.cli.config import StoreLocation
from doc_io.errors import DamagedDocumentError

if TYPE_CHECKING:
    from doc_io.maintenance.reindex import Rejected
    from doc_io.maintenance.repair import Repair
    from doc_io.maintenance.verify import Finding

_UNSOUND = DamagedDocumentError.exit_code
_SHOWN = 20  # lines of a list that a person reads; --json has all


@click.command()
@click.option("--full", is_flag=True, help="Read and hash every file, not only compare lengths.")
@click.option("--repair", is_flag=True, help="Show what could be set right; with --yes do it.")
@click.option("--yes", is_flag=True, help="With --repair: do it.")
@click.option(
    "--notes/--no-notes", default=True, help="Also tell orphans, duplicates, empty texts and tasks without ok."
)
@options.as_json
@click.pass_obj
def verify(location: StoreLocation, /, *, full: bool, repair: bool, yes: bool, notes: bool, as_json: bool) -> None:
    """Check every file and every row against each other.

    Files are compared with their manifest, rows with their documents.

    Changes nothing without --repair --yes, and deletes no committed document even then. Ends with 6 where something is
    damaged, missing or left over; notes alone end with 0.
    """
    from doc_io.maintenance.verify import NOTES  # noqa: PLC0415 - `ls` need not wait for it

    with location.existing() as store:
        with render.progress("Verifying") as progress:
            findings = [
                each
                for each in maintenance.verify(store, full=full, progress=progress)
                if notes or each.kind not in NOTES
            ]
        unsound = [each for each in findings if each.kind not in NOTES]
        repairs = list(maintenance.repair(store, findings, dry_run=not yes)) if repair else []
        if as_json:
            done = [each._asdict() | {"finding": each.finding._asdict()} for each in repairs]
            render.as_json({"findings": [each._asdict() for each in findings], "repairs": done, "done": repair and yes})
        else:
            _print_findings(findings, sum(each.documents for each in reports.stage_counts(store)), full=full)
            if repair:
                _print_repairs(repairs, done=yes)
            elif unsound:
                render.hint("What could be set right: doc-io verify --repair")
        left = len(unsound) - (len(repairs) if yes else 0)
    if left > 0:
        sys.exit(_UNSOUND)


@click.command()
@click.option("--incremental", is_flag=True, help="Only add documents that have no row; keep all rows.")
@click.option("--full", is_flag=True, help="Read and hash every file, not only compare lengths.")
@click.option("--empty", is_flag=True, help="Make an index without rows: this is meant to be a new store.")
@options.as_json
@click.pass_obj
def reindex(location: StoreLocation, /, *, as_json: bool, **how: bool) -> None:
    """Make the index anew from the documents.

    The new table takes the location of the old one at one instant, and only when it is whole. What is torn or altered gets
    no row and is listed. On a local disk every file is hashed; elsewhere lengths are compared unless --full is given.
    """
    with location.open() as store:
        with render.progress("Reindexing") as progress:
            came = maintenance.reindex(store, progress=progress, **how)
        if as_json:
            rejected = [each._asdict() for each in came.rejected]
            render.as_json({"documents": came.documents, "added": came.added, "rejected": rejected})
            return
        click.echo(f"{_documents(came.documents)} in {store.unchecked.index.name}, {came.added:,} read in this run.")
        _print_rejected(came.rejected)


@click.command()
@click.option(
    "--keep", "keep_ok", type=click.IntRange(1), default=1, show_default=True, help="Newest ok ones of each key."
)
@click.option(
    "--keep-failed", type=click.IntRange(0), default=1, show_default=True, help="Newest others of each logical key."
)
@click.option("--older-than", type=options.Age(), help="Only what is older, such as 30d.")
@click.option("--stage", help="Only this stage.")
@click.option("--run", "run_id", help="Only this run.")
@click.option("--experiment", "experiment_id", help="Only this experiment.")
@click.option("--cascade", is_flag=True, help="All that fits and all that was made from it, not by number.")
@click.option("--grace", type=options.Age(), default="1d", show_default=True, help="What is younger stays.")
@click.option("--yes", is_flag=True, help="Do it. Without this only shows what would go.")
@options.as_json
@click.pass_obj
def prune(location: StoreLocation, /, *, yes: bool, as_json: bool, **policy: Any) -> None:
    """Remove what nothing needs any more.

    By default all but the newest ok and the newest failed attempt of each logical key.

    Always kept: the latest ok document of a task, what a kept document was made from, what is pinned, and what is in the
    grace period. Interrupted, it goes on when it is run again.
    """
    from doc_io.maintenance.prune import Policy  # noqa: PLC0415 - `ls` need not wait for it

    with location.existing() as store, render.progress("Pruning") as progress:
        pruned = maintenance.prune(store, Policy(**policy), dry_run=not yes, progress=progress)
    if as_json:
        gone = [each._asdict() | {"status": each.status.value} for each in pruned.documents]
        render.as_json({"dry_run": pruned.dry_run, "documents": gone, "kept": pruned.kept, "finished": pruned.finished})
        return
    columns = ("doc_id", "stage", "task_id", "status", "created_at")
    rows = [tuple(getattr(each, column) for column in columns) for each in pruned.documents]
    if rows:
        render.table(columns, rows[:_SHOWN] if render.in_terminal() else rows)
        _more(len(rows))
    for reason, count in pruned.kept.items():
        click.echo(f"Kept: {count:,} ({reason})", err=True)
    if pruned.finished:
        click.echo(f"Ended an interrupted pruning: {_documents(len(pruned.finished))}.", err=True)
    if pruned.dry_run:
        click.echo(f"{_documents(len(rows))} would go; with --yes they do." if rows else "Nothing to prune.", err=True)
    else:
        click.echo(f"{_documents(len(rows))} gone.", err=True)


@click.command()
@options.doc
@click.option("--note", default="", help="Why, for people.")
@click.pass_obj
def pin(location: StoreLocation, /, doc: str, note: str) -> None:
    """Keep a document from being pruned.

    What it was made from stays too.
    """
    with location.existing() as store:
        row = store.find(doc)
        maintenance.pin(store, row.doc_id, note)
        click.echo(f"Pinned {row.doc_id}.")


@click.command()
@options.doc
@click.pass_obj
def unpin(location: StoreLocation, /, doc: str) -> None:
    """Let a document be pruned again."""
    with location.existing() as store:
        row = store.find(doc)
        maintenance.unpin(store, row.doc_id)
        click.echo(f"Not pinned any more: {row.doc_id}.")


@click.command()
@click.argument("to_root", metavar="DOCS_ROOT")
@click.argument("to_db", metavar="DB")
@options.as_json
@click.pass_obj
def copy(location: StoreLocation, /, to_root: str, to_db: str, *, as_json: bool) -> None:
    """Copy this store to another root and index.

    Every document, row and pin that is not there yet.

    Each file is held against its hash on the way. Nothing is deleted; run it again to go on, or to bring what is new.
    """
    target = StoreLocation(to_root, to_db, location.storage_options if "://" in to_root else {})
    with location.existing() as store, target.open() as there:
        with render.progress("Copying") as progress:
            came = maintenance.copy(store, there, progress=progress)
        if as_json:
            rejected = [each._asdict() for each in came.rejected]
            render.as_json({"copied": came.copied, "there": came.there, "rejected": rejected})
        else:
            click.echo(f"{_documents(came.copied)} copied to {there.docs_root}, {came.there:,} were there.")
            _print_rejected(came.rejected)
    if came.rejected:
        sys.exit(_UNSOUND)


@click.command()
@click.argument("folder", required=False)
@options.as_json
@click.pass_obj
def recover(location: StoreLocation, /, folder: str | None, *, as_json: bool) -> None:
    """File what was spooled while the store was away.

    FOLDER is the IO manager's spool; data/spool where it is not named. Each text leaves the spool once the store has
    acknowledged it; what cannot be filed stays there and is listed.
    """
    from doc_io.writing.spool import DEFAULT_SPOOL, spooled  # noqa: PLC0415 - only this command needs it

    waiting = folder or DEFAULT_SPOOL
    total = spooled(waiting)
    outcomes = []
    with location.open() as store, render.progress("Recovering") as progress:
        for outcome in maintenance.recover(store, waiting):
            outcomes.append(outcome)
            progress(len(outcomes), total)
    failed = [each for each in outcomes if each.error is not None]
    if as_json:
        render.as_json(
            [{"doc_id": each.doc_id, "filed": each.row is not None, "error": each.error} for each in outcomes]
        )
    else:
        click.echo(
            f"{_documents(len(outcomes) - len(failed))} filed, {len(failed):,} still in {render.shown(waiting)}."
        )
        if failed:
            render.table(("doc_id", "because"), [(each.doc_id, each.error) for each in failed])
    if failed:
        sys.exit(_UNSOUND)


def _documents(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"


def _print_findings(findings: list[Finding], total: int, *, full: bool) -> None:
    from doc_io.maintenance.verify import NOTES  # noqa: PLC0415 - `ls` need not wait for it

    counts = Counter(each.kind for each in findings)
    listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
    if set(counts) <= NOTES:
        read = "bytes" if full else "length"
        click.echo(f"{_documents(total)}: every row has its document, every document its row, every file its {read}.")
    if findings:
        render.table(("kind", "where", "details"), findings)
        click.echo(f"{'Notes' if set(counts) <= NOTES else 'Found'}: {listed}", err=True)


def _print_repairs(repairs: list[Repair], *, done: bool) -> None:
    click.echo()
    render.table(("action", "where", "because"), [(each.action, each.finding.where, each.details) for each in repairs])
    possible = sum(each.action != "none" for each in repairs)
    if done:
        click.echo(f"{possible:,} repaired.", err=True)
    elif possible:
        click.echo(f"{possible:,} can be repaired; with --repair --yes they are.", err=True)
    else:
        click.echo("None of this can be set right without you.", err=True)


def _print_rejected(rejected: tuple[Rejected, ...]) -> None:
    if rejected:
        click.echo(f"{len(rejected):,} folders are no whole documents and got no row:", err=True)
        render.table(("where", "because"), [(each.path, "; ".join(each.reasons)) for each in rejected])


def _more(count: int) -> None:
    if render.in_terminal() and count > _SHOWN:
        click.echo(f"… and {count - _SHOWN:,} more; --json has all.")
