"""Commands that compare, count and export: they change nothing either."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from doc_io import reports
from doc_io.cli import draw, filters, options, render
from doc_io.cli.config import StoreLocation
from doc_io.document import Status
from doc_io.escaping import counted, printable
from doc_io.naming import is_task_name
from doc_io.prices import prices_installed

if TYPE_CHECKING:
    from doc_io.document import DocumentRow
    from doc_io.index.base import Filter, GroupedBy, TokenUsage
    from doc_io.reports.search import SearchHit
    from doc_io.store import DocumentStore

_IDS = ("model", "template", "task", "run", "experiment")  # the columns whose name ends in _id
_MODELS = 5  # that are named at most
_GROUPS = 50  # what a terminal shows of usage; a pipe gets all
_PAGE = 20  # what a terminal shows of search; a pipe gets all


@click.command()
@filters.filters
@filters.words
@click.option("--all", "every_attempt", is_flag=True, help="Also failed attempts that a newer one has made good.")
@options.as_json
@click.pass_obj
def failures(location: StoreLocation, /, *, chosen: filters.Selection, every_attempt: bool, as_json: bool) -> None:
    """Show what is failing and why, by stage and reason.

    A task is failing where its newest attempt failed. Reasons that differ only in numbers and ids count as one.
    """
    with location.existing() as store:
        where = chosen.as_filter(store)
        found = [] if where is None else reports.failures(store, where, every_attempt=every_attempt)
        found = found[: chosen.limit]
        if as_json:
            render.as_json(
                [
                    {
                        "stage": each.stage,
                        "status": each.status.value,
                        "reason": each.reason,
                        "documents": each.documents,
                        "tasks": each.tasks,
                        "newest": each.newest.doc_id,
                    }
                    for each in found
                ]
            )
            return
        newest = [each.newest.doc_id for each in found]
        ids = render.short_ids(store, newest)
        render.table(
            ("tasks", "documents", "stage", "status", "newest", "reason"),
            [
                (each.tasks, each.documents, each.stage, each.status, ids[each.newest.doc_id], each.reason)
                for each in found
            ],
        )
        if found:
            render.hint(
                "Which tasks" if not every_attempt else "Of these now failing", "ls", "--failed", *filters.given()
            )


@click.command()
@options.doc
@click.argument("other", required=False, shell_complete=options.complete_document)
@options.texts
@options.as_json
@click.pass_obj
def diff(location: StoreLocation, /, doc: str, other: str | None, *, texts: tuple[str, ...], as_json: bool) -> None:
    """Show what changed between two documents, word by word.

    Of one document: since the attempt before it. Of STAGE/TASK: between its last two attempts. A failed attempt against the
    last good one: doc-io diff STAGE/TASK STAGE/TASK@newest.
    """
    which = options.one_text(texts)
    with location.existing() as store:
        if other is None:
            old, new = _last_two(store, doc)
        else:
            old, new = options.document(store, doc), options.document(store, other)
        changes = reports.diff(store, old, new, which)
        if as_json:
            render.as_json({"old": old.doc_id, "new": new.doc_id, "changes": [each._asdict() for each in changes]})
            return
        click.echo(f"--- {old.doc_id} {old.created_at} {old.status}\n+++ {new.doc_id} {new.created_at} {new.status}")
        draw.changes(changes)
        if all(each.kind == "same" for each in changes):
            click.echo("The two are the same.", err=True)


@click.command()
@options.doc
@click.option("--format", "form", type=click.Choice(["tree", "mermaid", "dot"]), default="tree", show_default=True)
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="Documents to follow.")
@options.as_json
@click.pass_obj
def lineage(location: StoreLocation, /, doc: str, form: str, limit: int, *, as_json: bool) -> None:
    """Show what a document was made from, and what was made from it."""
    with location.existing() as store:
        graph = reports.lineage(store, options.document(store, doc).doc_id, limit=limit)
        if as_json:
            documents = [row.as_dict() for row in graph.rows.values()]
            edges = [edge._asdict() for edge in graph.edges]
            render.as_json({"doc_id": graph.doc_id, "complete": graph.complete, "documents": documents, "edges": edges})
            return
        {"tree": draw.tree, "mermaid": draw.mermaid, "dot": draw.dot}[form](graph)
        if not graph.complete:
            click.echo(f"There is more: it was followed no further than -n says, {limit:,}.", err=True)


class _Group(click.Choice):  # type: ignore[type-arg, unused-ignore]  # generic from click 8.2 on
    """What usage tells apart: ``model``, or its column, ``model_id``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        short = value.removesuffix("_id")
        return super().convert(short if short in _IDS else value, param, ctx)


@click.command()
@click.option(
    "--by",
    type=_Group([*_IDS, "stage", "status", "day"]),
    default="model",
    show_default=True,
    help="What to tell apart; a day is one in UTC.",
)
@filters.filters
@filters.words
@options.as_json
@click.pass_obj
def usage(location: StoreLocation, /, by: str, *, chosen: filters.Selection, as_json: bool) -> None:
    """Show tokens and list prices, most tokens first.

    A terminal shows the 50 groups with most tokens unless -n says otherwise; a pipe and --json get all.

    Prices need the extra prices: pip install 'doc-io[prices]'. Of each group cost_usd is the cost of those documents whose
    price is known, and unpriced the number of the others.
    """
    group: GroupedBy = f"{by}_id" if by in _IDS else by  # type: ignore[assignment]
    with location.existing() as store:
        where = chosen.as_filter(store)
        every = [] if where is None else reports.usage(store, group, where)
        spent = every[: chosen.limit]
        if as_json:
            render.as_json([{**each._asdict(), "unpriced": each.unpriced} for each in spent])
            return
        if not render.in_terminal():
            render.table(*_table_of_usage(by, spent))
            return
        spent = every[: chosen.limit or _GROUPS]
        names, rows = _table_of_usage(by, spent)
        totals = [each.prompt_tokens + each.completion_tokens for each in spent]
        render.table((*names, "total"), [(*row, total) for row, total in zip(rows, totals, strict=True)])
        if totals:
            click.echo()
            render.bars([(render.shown(each.group), total) for each, total in zip(spent, totals, strict=True)])
            _print_sum(every, spent)
        if where is not None:
            _say_what_has_no_price(store, where, every)


def _table_of_usage(by: str, spent: list[TokenUsage]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The names of the columns and the rows; prices only where one is known."""
    priced = any(each.priced for each in spent)
    names = (by, "documents", "prompt", "completion", *(("cost_usd", "unpriced") if priced else ()))
    return names, [(*each[:4], *((_dollars(each), each.unpriced) if priced else ())) for each in spent]


def _print_sum(every: list[TokenUsage], shown: list[TokenUsage]) -> None:
    """Over all groups, shown or not."""
    tokens = sum(each.prompt_tokens + each.completion_tokens for each in every)
    cost = sum(each.cost or 0 for each in every)
    at_list_price = f", {cost:.4g} USD at list price" if any(each.priced for each in every) else ""
    click.echo(f"\nTogether {tokens:,} tokens{at_list_price}.")
    if len(every) > len(shown):
        hidden = len(every) - len(shown)
        click.secho(f"Of {hidden:,} more with fewer tokens only the sum is shown (-n).", dim=True, err=True)


def _dollars(spent: TokenUsage) -> str | None:
    return None if spent.cost is None else f"{spent.cost:.4g}"


def _say_what_has_no_price(store: DocumentStore, where: Filter, spent: list[TokenUsage]) -> None:
    """To a person: a sum that leaves documents out is not to look whole."""
    unpriced, documents = sum(each.unpriced for each in spent), sum(each.documents for each in spent)
    if not unpriced:
        return
    if not prices_installed():
        said = "What they cost at list price: pip install 'doc-io[prices]'"
    else:
        have = "has" if unpriced == 1 else "have"
        said = f"{unpriced:,} of {counted(documents, 'document')} {have} no known price: "
        models = reports.models_without_price(store, where)
        named = ", ".join(map(printable, models[:_MODELS])) + (
            f" and {len(models) - _MODELS} more" if models[_MODELS:] else ""
        )
        said += f"there is none for {named}." if models else "a model or a token count is not known."
    click.secho(said, dim=True, err=True)


@click.command()
@click.argument("words", nargs=-1, required=True)
@filters.filters
@options.as_json
@click.pass_obj
def search(location: StoreLocation, /, *, chosen: filters.Selection, as_json: bool) -> None:
    """Find documents whose texts have all these words.

    The newest first. A terminal shows 20 unless -n says otherwise; a pipe and --json get all.
    """
    with location.existing() as store, render.progress("Reading new texts") as progress:
        shown = chosen.limit or (_PAGE if render.in_terminal() and not as_json else sys.maxsize - 1)
        where = filters.refuse_unknown(store, chosen.filter)
        found = reports.search(store, chosen.words or "", where, limit=shown + 1, progress=progress)
        hits = found[:shown]
        if as_json:
            render.as_json([{**each.row.as_dict(), "excerpt": each.excerpt, "excerpt_of": each.which} for each in hits])
        elif render.in_terminal():
            _print_hits(store, hits)
        else:
            render.table(
                ("doc_id", "stage", "task_id", "status", "excerpt"),
                [(each.row.doc_id, *render.brief(each.row), " ".join(each.excerpt.split())) for each in hits],
            )
        if len(found) > shown:
            click.secho(f"There are more: only the newest {shown:,} are listed (-n).", dim=True, err=True)


def _partition_columns(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    choice = click.Choice(["stage", "day", "status"])
    return tuple(choice.convert(each, param, ctx) for each in options.listed(ctx, param, values))


def _export_dataset(
    location: StoreLocation, chosen: filters.Selection, texts: tuple[Any, ...], folder: str | None, by: tuple[Any, ...]
) -> None:
    from doc_io.reports.dataset import Dataset, write_dataset  # noqa: PLC0415 - pyarrow is an extra

    if folder is None or chosen.limit is not None:
        raise click.UsageError("--partition-by needs the folder --parquet, and goes without -n.")
    with render.LeftOut() as leave_out, location.existing() as store, render.progress("Exporting") as progress:
        where = chosen.as_filter(store)
        added = Dataset(0, 0, 0)
        if where is not None:
            added = write_dataset(store, folder, where, by=by, texts=texts, leave_out=leave_out, progress=progress)
        click.echo(
            f"Wrote {counted(added.documents, 'document')} in {counted(added.files, 'new file')} into {printable(folder)},"
            f" which had {counted(added.existing, 'document')}.",
            err=True,
        )


@click.command()
@filters.filters
@filters.words
@options.texts
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, not JSON Lines.")
@click.option("--parquet", type=click.Path(), metavar="FILE|DIR", help="Write Parquet, not JSON.")
@click.option(
    "--partition-by",
    multiple=True,
    metavar="COLUMNS",
    callback=_partition_columns,
    help="Write a dataset into the folder --parquet, divided by some of stage, day and status, such as stage,day.",
)
@click.pass_obj
def export(
    location: StoreLocation,
    /,
    *,
    chosen: filters.Selection,
    texts: tuple[Any, ...],
    as_json: bool,
    parquet: str | None,
    partition_by: tuple[Any, ...],
) -> None:
    """Print rows and texts as JSON Lines, or write Parquet.

    Newest first; rows alone, or with the texts that are asked for. Parquet needs pyarrow, which the extra pandas brings. For
    tab-separated rows pipe ls.

    With --partition-by it is a dataset, in which pandas, DuckDB, Polars, Spark and others read many files as one table; the
    columns it is divided by stand in the folders' names. What it has already is left out: the same command goes on after an interruption, and adds what is new later, with --since without
    looking at what is older.
    """
    if as_json and parquet is not None:
        raise click.UsageError("--json prints JSON and --parquet writes Parquet: give one of them.")
    if partition_by:
        _export_dataset(location, chosen, texts, parquet, partition_by)
        return
    quiet = parquet is None and render.in_terminal()
    progress_bar = render.progress("Exporting", quiet=quiet)
    with render.LeftOut() as leave_out, location.existing() as store, progress_bar as progress:
        where = chosen.as_filter(store)
        total = 0 if where is None else sum(each.documents for each in store.index.usage("status", where))
        exported: Iterator[dict[str, Any]] = iter(())
        if where is not None:
            exported = islice(reports.export(store, where, texts=texts, leave_out=leave_out), chosen.limit)
        values = render.counted(exported, min(total, chosen.limit or total), progress)
        if parquet is None:
            (render.as_json_array if as_json else render.as_json_lines)(values)
        else:
            from doc_io.reports.frames import write_parquet  # noqa: PLC0415 - pyarrow is an extra

            written = write_parquet(parquet, values, texts)
            click.echo(f"Wrote {counted(written, 'document')} to {printable(parquet)}.", err=True)


@click.command()
@click.argument("statement")
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many rows.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True, help="Seconds it may take."
)
@options.as_json
@click.pass_obj
def sql(location: StoreLocation, /, statement: str, limit: int, timeout: float, *, as_json: bool) -> None:
    """Ask the index in SQL; it can only read.

    Ask documents, and document_parents (doc_id, position, parent_doc_id, input_name). A dash reads the statement from a pipe.
    """
    # SQLite does not come back to Python before it has an answer; only reading, this process may end at any moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if statement == "-":
        statement = sys.stdin.read()
    with location.existing() as store:
        columns, rows = reports.sql(store, statement, limit + 1, timeout=timeout)
        if as_json:
            render.as_json([dict(zip(columns, row, strict=True)) for row in rows[:limit]])
        else:
            render.table(columns, rows[:limit])
        if len(rows) > limit:
            click.echo(f"There are more rows: only {limit:,} are listed (-n).", err=True)


def _print_hits(store: DocumentStore, hits: list[SearchHit]) -> None:
    """Each hit on two lines and more: which document, and the passage in full."""
    from rich.padding import Padding  # noqa: PLC0415 - a pipe need not wait for rich
    from rich.text import Text  # noqa: PLC0415 - as above

    if not hits:
        render.nothing_found()
        return
    console = render.console()
    ids = render.short_ids(store, [each.row.doc_id for each in hits])
    for hit in hits:
        row = hit.row
        status = "" if row.status is Status.OK else f"  {row.status}"
        title = f"{ids[row.doc_id]}  {printable(f'{row.stage}/{row.task_id}')}{status}"
        console.print(Text(title, style="bold", overflow="ellipsis", no_wrap=True))
        where = "its prompt: " if hit.which == "prompt" else ""
        passage = Text(where)
        end = 0
        for start, stop in hit.matches:
            passage.append(_one_line(hit.excerpt[end:start]))
            passage.append(_one_line(hit.excerpt[start:stop]), style="bold reverse")
            end = stop
        passage.append(_one_line(hit.excerpt[end:]))
        console.print(Padding(passage, (0, 0, 0, 2), expand=False))


def _one_line(text: str) -> str:
    """A part of a passage that is safe to print; its spaces at either end stay, as other parts follow."""
    return printable(re.sub(r"\s+", " ", text))


def _last_two(store: DocumentStore, doc: str) -> tuple[DocumentRow, DocumentRow]:
    """The attempt that a person means and the one before it; of a task the newest, whether it is ok or not."""
    row = options.document(store, doc, quiet=True)
    new = store.history(row.stage, row.task_id, limit=1)[0] if is_task_name(row, doc) else row
    before = store.history(row.stage, row.task_id, after=new, limit=1)
    if not before:
        raise click.UsageError(
            f"{new.doc_id} is the first attempt at {printable(row.stage)}/{printable(row.task_id)}; name"
            " another document to compare it with."
        )
    return before[0], new
