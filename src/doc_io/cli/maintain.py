"""Commands that maintain a store; what removes something shows first what that would be."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from doc_io import maintenance, reports
from doc_io.cli import filters, options, render
from doc_io.cli.config import StoreLocation
from doc_io.errors import DamagedDocumentError, DocIOError
from doc_io.escaping import counted
from doc_io.index.base import Filter

if TYPE_CHECKING:
    from doc_io.document import DocumentRow
    from doc_io.index.base import PruneCandidate
    from doc_io.maintenance.prune import Pruned
    from doc_io.maintenance.reindex import Rejected
    from doc_io.maintenance.repair import Repair
    from doc_io.maintenance.verify import Finding, Kind
    from doc_io.store import DocumentStore

_UNSOUND = DamagedDocumentError.exit_code
_PRUNED = ("stage", "task_id", "status", "created_at")
_SHOWN = 20  # lines of a list that a person reads; --json and a pipe have all
_MAX_FINDINGS = 1000  # lines of what `verify` found; as _SHOWN
_MAX_LISTED = 200  # folders that are listed on a server to add up their bytes


@click.command()
@click.option("--full", is_flag=True, help="Read and hash every file, not only compare lengths.")
@click.option("--repair", is_flag=True, help="Show what could be repaired; with --yes repair it.")
@click.option("--yes/--dry-run", default=False, help="With --repair: repair it, or only show (the default).")
@click.option(
    "--notes/--no-notes",
    default=True,
    help="Also report orphans, duplicates, empty texts and tasks without an ok document.",
)
@options.jobs
@options.as_json
@click.pass_obj
def verify(
    location: StoreLocation, /, *, full: bool, repair: bool, yes: bool, notes: bool, jobs: int, as_json: bool
) -> None:
    """Check every file and every row against each other.

    Files are compared with their manifest, rows with their documents.

    Changes nothing without --repair --yes, and deletes no committed document even then. Ends with 6 where something is
    damaged, missing or left over; notes alone end with 0.
    """
    from doc_io.maintenance.repair import Repair  # noqa: PLC0415 - `ls` need not wait for it
    from doc_io.maintenance.spilled import Spilled  # noqa: PLC0415 - as above
    from doc_io.maintenance.verify import NOTES, Finding  # noqa: PLC0415 - as above

    found = Spilled(lambda fields: Finding(*fields))
    repairs = Spilled(lambda fields: Repair(Finding(*fields[0]), *fields[1:]))
    with location.existing() as store:
        with render.progress("Verifying") as progress:
            findings = maintenance.verify(store, full=full, jobs=jobs, progress=progress)
            found.extend(each for each in findings if notes or each.kind not in NOTES)
        counts = Counter(each.kind for each in found)
        unsound = sum(count for kind, count in counts.items() if kind not in NOTES)
        if repair:
            repairs.extend(maintenance.repair(store, found, dry_run=not yes))
        if as_json:
            done = (each._asdict() | {"finding": each.finding._asdict()} for each in repairs)
            arrays = {"findings": (each._asdict() for each in found), "repairs": done}
            render.as_json_object(arrays, done=repair and yes)
        else:
            if not unsound:
                _print_sound(store, full=full)
            _print_findings(found, counts, sound=not unsound)
            if repair:
                _print_repairs(repairs, done=yes)
            elif unsound:
                render.hint("What could be repaired", "verify", "--repair")
    if unsound > (len(repairs) if yes else 0):
        sys.exit(_UNSOUND)


@click.command()
@click.option("--incremental", is_flag=True, help="Only add documents that have no row; keep all rows.")
@click.option("--full", is_flag=True, help="Read and hash every file, not only compare lengths.")
@click.option("--empty", is_flag=True, help="Make an index without rows: this is meant to be a new store.")
@options.jobs
@options.as_json
@click.pass_obj
def reindex(location: StoreLocation, /, *, jobs: int, as_json: bool, **how: bool) -> None:
    """Rebuild the index from the documents.

    The new table replaces the old one in one transaction, once it is complete. Documents that are torn or altered get no
    row and are listed. On a local disk every file is hashed; elsewhere lengths are compared unless --full is given.
    """
    with location.open() if how["empty"] else location.with_documents() as store:
        was_of_another = store.unchecked.is_index_of_another()
        with render.progress("Reindexing") as progress:
            came = maintenance.reindex(store, jobs=jobs, progress=progress, **how)
        if as_json:
            rejected = [each._asdict() for each in came.rejected]
            counts = {"documents": came.documents, "added": came.added}
            render.as_json({**counts, "rejected": rejected, "set_aside": came.set_aside})
            return
        click.echo(f"{_documents(came.documents)} in {store.unchecked.index.name}, {came.added:,} read in this run.")
        if came.set_aside is not None:
            click.echo(f"The old file was kept as {render.shown(came.set_aside)}.", err=True)
        elif was_of_another:
            click.echo("It was the index of another store; reindex that one with a --db of its own.", err=True)
        if how["empty"] and store.unchecked.has_documents():
            click.echo(
                "The docs root has documents that the index leaves out; `doc-io reindex` brings them in.", err=True
            )
        _print_rejected(came.rejected)


@click.command()
@click.option(
    "--keep",
    "keep_ok",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Newest ok documents to keep for each task.",
)
@click.option(
    "--keep-failed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Failed attempts to keep for each task.",
)
@click.option("--older-than", type=filters.Age(), help="Only documents older than this, such as 30d.")
@filters.stage
@filters.run
@filters.experiment
@click.option("--cascade", is_flag=True, help="Everything selected and everything made from it, however few remain.")
@click.option("--grace", type=filters.Age(), default="1d", show_default=True, help="Keep everything younger than this.")
@click.option("--yes/--dry-run", default=False, help="Remove them, or only show what would be removed (the default).")
@options.as_json
@click.pass_obj
def prune(location: StoreLocation, /, *, yes: bool, as_json: bool, **policy: Any) -> None:
    """Remove superseded documents.

    By default all but the newest ok document and the newest failed attempt of each task.

    Always kept: the latest ok document of a task, the parents of a kept document, pinned documents, and what is within the
    grace period. An interrupted pruning is completed by the next one.
    """
    from doc_io.maintenance.prune import Policy  # noqa: PLC0415 - `ls` need not wait for it

    policy |= {name: policy[name] or None for name in ("stage", "run_id", "experiment_id")}
    with location.existing() as store:
        named = Filter(**{name: policy[name] for name in ("stage", "run_id", "experiment_id")})
        policy["run_id"] = filters.refuse_unknown(store, named).run_id
        with render.progress("Pruning") as progress:
            pruned = maintenance.prune(store, Policy(**policy), dry_run=not yes, progress=progress)
        freed = _bytes(store, pruned.documents) if pruned.dry_run else pruned.bytes
        if as_json:
            columns = ("doc_id", "doc_dir", *_PRUNED)
            outcome = {"kept": pruned.kept, "finished": pruned.finished, "bytes": freed, "dry_run": pruned.dry_run}
            render.as_json_object(
                {"documents": ({name: getattr(each, name) for name in columns} for each in pruned.documents)}, **outcome
            )
            return
        if pruned.documents:
            shown = islice(pruned.documents, _SHOWN if render.in_terminal() else None)
            rows = ((each, [getattr(each, name) for name in _PRUNED]) for each in shown)
            render.documents(store, ("doc_id", *_PRUNED), rows)
            _more(len(pruned.documents))
    _print_pruned(pruned, freed)


def _print_pruned(pruned: Pruned, freed: int | None) -> None:
    removed = len(pruned.documents)
    documents = _documents(removed)
    for reason, count in pruned.kept.items():
        click.echo(f"Kept: {count:,} ({reason})", err=True)
    if pruned.finished:
        click.echo(f"Completed an interrupted pruning: {_documents(len(pruned.finished))} removed.", err=True)
    frees = "" if freed is None else f", which {'frees' if pruned.dry_run else 'freed'} {render.size(freed)}"
    if not removed:
        click.echo("Nothing to prune.", err=True)
    elif pruned.dry_run:
        click.echo(f"Would remove {documents}{frees}. Remove with --yes.", err=True)
    else:
        click.echo(f"Removed {documents}{frees}.", err=True)
    if not removed and any("grace period" in reason for reason in pruned.kept):
        click.echo("The grace period is set by --grace; the default is 1d.", err=True)


@click.command()
@options.doc
@click.option("--note", default="", help="Why, for people.")
@click.pass_obj
def pin(location: StoreLocation, /, doc: str, note: str) -> None:
    """Keep a document, and what it was made from, from pruning."""
    with location.existing() as store:
        row = options.document(store, doc)
        maintenance.pin(store, row.doc_id, note)
        click.echo(f"Pinned {row.doc_id}.")


@click.command()
@options.doc
@click.pass_obj
def unpin(location: StoreLocation, /, doc: str) -> None:
    """Let a document be pruned again."""
    from doc_io.maintenance.pins import pinned  # noqa: PLC0415 - `ls` need not wait for it

    with location.existing() as store:
        row = options.document(store, doc)
        pins = pinned(store.storage)
        if row.doc_id not in pins:
            same = [each.doc_id for each in store.history(row.stage, row.task_id) if each.doc_id in pins]
            others = f"; of its task are: {', '.join(same)}" if same else ""
            click.echo(f"{row.doc_id} was not pinned{others}.", err=True)
            return
        maintenance.unpin(store, row.doc_id)
        click.echo(f"Not pinned any more: {row.doc_id}.")


@click.command()
@click.argument("to_root", metavar="DOCS_ROOT")
@click.argument("to_db", metavar="DB")
@options.as_json
@click.pass_obj
def copy(location: StoreLocation, /, to_root: str, to_db: str, *, as_json: bool) -> None:
    """Copy this store to another disk, a bucket or another index.

    DOCS_ROOT is a path or a URL such as s3://bucket/docs, DB a SQLite file or a URL such as postgresql://user@host/db. Copies
    every document, row and pin that the target lacks. Each file is compared with its hash on the way. Nothing is deleted; run
    it again to continue, or to copy what is new. Then name the new place with --docs-root and --db, or in pyproject.toml.

    The keys of a bucket are found as its client finds them (AWS_PROFILE and the like), or given in DOC_IO_STORAGE_OPTIONS:
    '{"key": "…", "secret": "…", "endpoint_url": "…"}'.
    """
    options_of_url = location.storage_options if "://" in to_root else {}
    target = StoreLocation(to_root, to_db, options_of_url, db_on_network=location.db_on_network)
    with location.existing() as store, target.open() as copied_to, _naming(target, copied_to):
        with render.progress("Copying") as progress:
            came = maintenance.copy(store, copied_to, progress=progress)
        if as_json:
            rejected = [each._asdict() for each in came.rejected]
            render.as_json({"copied": came.copied, "existing": came.existing, "rejected": rejected})
        else:
            click.echo(f"Copied {_documents(came.copied)} to {copied_to.docs_root}; {came.existing:,} existed already.")
            _print_rejected(came.rejected)
            if "://" in copied_to.docs_root and "://" not in to_db:
                click.echo(f"Its index {to_db} is on this machine only; others need one in PostgreSQL.", err=True)
            options.give_store(to_root, to_db)
            render.hint("Look at the copy", "status")
    if came.rejected:
        sys.exit(_UNSOUND)


@contextmanager
def _naming(target: StoreLocation, store: DocumentStore) -> Iterator[None]:
    """An error that concerns the target of a copy names commands for the target: here they would act on the source."""
    try:
        yield
    except DocIOError as error:
        places = {store.docs_root, store.unchecked.index.name}
        if target.db is not None and not places.isdisjoint(map(str, error.facts.values())):
            options.give_store(target.docs_root, target.db)
        raise


@click.command()
@click.argument("folder", required=False)
@click.option(
    "--dagster-home",
    envvar="DAGSTER_HOME",
    metavar="DIR",
    help="The Dagster instance to tell, so that what is saved counts as materialized. Default: DAGSTER_HOME, if it is set.",
)
@options.as_json
@click.pass_obj
def recover(location: StoreLocation, /, folder: str | None, dagster_home: str | None, *, as_json: bool) -> None:
    """Save the texts that wait in a spool.

    They were kept there while the store could not be reached. FOLDER is the IO manager's spool, by default data/spool. Each
    document leaves the spool once the store has acknowledged it; one that cannot be saved stays there and is listed. What a
    process was writing when it was killed is saved too. With a Dagster instance the partitions of the assets are reported as
    materialized, so that no run makes and pays for them again.
    """
    from doc_io.maintenance.answer_copies import file_orphans  # noqa: PLC0415 - only this command needs it
    from doc_io.writing.spool import DEFAULT_SPOOL, spooled  # noqa: PLC0415 - only this command needs it

    waiting = folder or DEFAULT_SPOOL
    total = spooled(waiting)
    outcomes = []
    reported = 0
    with location.open() as store, _reporting(dagster_home) as report, render.progress("Recovering") as progress:
        for outcome in chain(maintenance.recover(store, waiting), file_orphans(waiting, store)):
            outcomes.append(outcome)
            reported += outcome.row is not None and report(store, outcome.row)
            progress(len(outcomes), total)
    failed = [each for each in outcomes if each.error is not None]
    if as_json:
        render.as_json(
            [{"doc_id": each.doc_id, "filed": each.row is not None, "error": each.error} for each in outcomes]
        )
    else:
        click.echo(
            f"Saved {_documents(len(outcomes) - len(failed))}; {len(failed):,} still in {render.shown(waiting)}."
        )
        if dagster_home:
            click.echo(f"Reported {reported:,} of them to the Dagster instance in {render.shown(dagster_home)}.")
        if failed:
            render.table(("doc_id", "because"), [(each.doc_id, each.error) for each in failed])
    if failed:
        sys.exit(_UNSOUND)


@contextmanager
def _reporting(dagster_home: str | None) -> Iterator[Callable[[DocumentStore, DocumentRow], bool]]:
    """What tells a Dagster instance of a document; without one it tells nobody."""
    if not dagster_home:
        yield lambda _store, _row: False
        return
    from doc_io.dagster.recovery import instance_of, report_recovered  # noqa: PLC0415 - as slow to import as Dagster

    with instance_of(dagster_home) as instance:
        yield partial(report_recovered, instance)


def _bytes(store: DocumentStore, documents: Sequence[PruneCandidate]) -> int | None:
    """What the files of documents take; not known where each of many would have to be listed on a server."""
    if "://" in store.docs_root and len(documents) > _MAX_LISTED:
        return None
    return sum(sum(store.storage.folder(each.doc_dir).files.values()) for each in documents)


_documents = partial(counted, noun="document")


def _print_sound(store: DocumentStore, *, full: bool) -> None:
    how = "every file's hash" if full else "the length of every file"
    total = sum(each.documents for each in reports.stage_counts(store))
    click.echo(f"Checked {_documents(total)} by {how}: no problems found.")


def _print_findings(findings: Sequence[Finding], counts: Mapping[Kind, int], *, sound: bool) -> None:
    if findings:
        render.table(("kind", "where", "details"), islice(findings, _MAX_FINDINGS if render.in_terminal() else None))
        _more(len(findings), _MAX_FINDINGS)
        listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
        click.echo(f"{'Notes' if sound else 'Found'}: {listed}", err=True)


def _print_repairs(repairs: Sequence[Repair], *, done: bool) -> None:
    click.echo()
    rows = ((each.action, each.finding.where, each.details) for each in repairs)
    render.table(("action", "where", "because"), islice(rows, _MAX_FINDINGS if render.in_terminal() else None))
    _more(len(repairs), _MAX_FINDINGS)
    possible = sum(each.action != "none" for each in repairs)
    if done:
        click.echo(f"Repaired {possible:,}.", err=True)
    elif possible:
        click.echo(f"{possible:,} can be repaired, with --repair --yes.", err=True)
    else:
        click.echo("None of this can be repaired automatically.", err=True)


def _print_rejected(rejected: tuple[Rejected, ...]) -> None:
    if rejected:
        click.echo(f"No complete document, and no row, for {counted(len(rejected), 'folder')}:", err=True)
        render.table(("where", "because"), [(each.path, "; ".join(each.reasons)) for each in rejected])


def _more(count: int, shown: int = _SHOWN) -> None:
    if render.in_terminal() and count > shown:
        click.echo(f"… and {count - shown:,} more; --json has all.")
