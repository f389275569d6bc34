"""Commands that compare, count and hand on: they change nothing either."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from doc_io import reports
from doc_io.cli import draw, options, render
from doc_io.cli.config import StoreLocation
from doc_io.escaping import printable

if TYPE_CHECKING:
    from doc_io.document import DocumentRow
    from doc_io.index.base import GroupedBy
    from doc_io.store import DocumentStore


@click.command()
@options.doc
@click.argument("other", required=False)
@click.option("--prompt", "which", flag_value="prompt", help="Compare the prompts.")
@click.option("--raw", "which", flag_value="raw", help="Compare the raw texts.")
@options.as_json
@click.pass_obj
def diff(
    location: StoreLocation, /, doc: str, other: str | None, which: Literal["raw", "prompt"] | None, *, as_json: bool
) -> None:
    """What changed between two documents, word by word.

    Of one document: since the attempt before it. Of STAGE/TASK: between its last two attempts.
    """
    with location.existing() as store:
        old, new = _last_two(store, doc) if other is None else (store.find(doc), store.find(other))
        changes = reports.diff(store, old, new, which or "text")
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
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="Documents to follow.")
@options.as_json
@click.pass_obj
def lineage(location: StoreLocation, /, doc: str, form: str, limit: int, *, as_json: bool) -> None:
    """What a document was made from, and what from it."""
    with location.existing() as store:
        graph = reports.lineage(store, store.find(doc).doc_id, limit=limit)
        if as_json:
            documents = [row.as_dict() for row in graph.rows.values()]
            edges = [edge._asdict() for edge in graph.edges]
            render.as_json({"doc_id": graph.doc_id, "complete": graph.complete, "documents": documents, "edges": edges})
            return
        {"tree": draw.tree, "mermaid": draw.mermaid, "dot": draw.dot}[form](graph)
        if not graph.complete:
            click.echo(f"There is more: only {limit} documents were followed (--limit).", err=True)


@click.command()
@click.option(
    "--by",
    type=click.Choice(["model", "template", "stage", "status", "run", "experiment", "day"]),
    default="model",
    show_default=True,
    help="What to tell apart.",
)
@options.filters
@options.as_json
@click.pass_obj
def usage(location: StoreLocation, /, by: str, *, as_json: bool, **chosen: Any) -> None:
    """Tokens spent, the most expensive first."""
    group: GroupedBy = by if by in ("stage", "status", "day") else f"{by}_id"  # type: ignore[assignment]
    with location.existing() as store:
        spent = reports.usage(store, group, options.wanted(chosen))
        if as_json:
            render.as_json([each._asdict() for each in spent])
            return
        if not render.in_terminal():
            render.table((by, "documents", "prompt", "completion"), spent)
            return
        totals = [(*each, each.prompt_tokens + each.completion_tokens) for each in spent]
        render.table((by, "documents", "prompt", "completion", "total"), totals)
        click.echo()
        render.bars([(render.shown(each[0]), each[-1]) for each in totals])


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@options.as_json
@click.pass_obj
def search(location: StoreLocation, /, words: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """Find documents whose texts have all these words."""
    with location.existing() as store, render.progress("Reading new texts:") as progress:
        found = reports.search(store, " ".join(words), limit=limit, progress=progress)
        if as_json:
            render.as_json([{**each.row.as_dict(), "excerpt": each.excerpt} for each in found])
            return
        render.table(
            ("doc_id", "stage", "task_id", "status", "excerpt"),
            [(*render.brief(each.row), " ".join(each.excerpt.split())) for each in found],
        )


@click.command()
@options.filters
@click.option("--text", "texts", multiple=True, type=click.Choice(["raw", "parsed", "prompt"]), help="With this text.")
@click.option("--parquet", type=click.Path(dir_okay=False), metavar="FILE", help="Write Parquet, not JSON Lines.")
@click.pass_obj
def export(
    location: StoreLocation,
    /,
    texts: tuple[Literal["raw", "parsed", "prompt"], ...],
    parquet: str | None,
    **chosen: Any,
) -> None:
    """Print rows and texts as JSON Lines, or write Parquet.

    Newest first. Parquet needs pyarrow, which the extra pandas brings.
    """
    with (
        location.existing() as store,
        render.progress("Exporting", quiet=parquet is None and render.in_terminal()) as progress,
    ):
        wanted = options.wanted(chosen)
        total = sum(each.documents for each in reports.usage(store, "status", wanted))
        values = render.counted(reports.export(store, wanted, texts=texts), total, progress)
        if parquet is None:
            render.as_json_lines(values)
        else:
            from doc_io.reports.frames import write_parquet  # noqa: PLC0415 - pyarrow is an extra

            click.echo(f"{write_parquet(parquet, values, texts)} documents in {parquet}", err=True)


@click.command()
@click.argument("statement")
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many rows.")
@options.as_json
@click.pass_obj
def sql(location: StoreLocation, /, statement: str, limit: int, *, as_json: bool) -> None:
    """Ask the index in SQL; it can only read.

    The tables are documents and document_parents. A dash reads the statement from a pipe.
    """
    # SQLite does not come back to Python before it has an answer; only looking, this process may end at any moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if statement == "-":
        statement = sys.stdin.read()
    with location.existing() as store:
        columns, rows = reports.sql(store, statement, limit)
        if as_json:
            render.as_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            render.table(columns, rows)


def _last_two(store: DocumentStore, doc: str) -> tuple[DocumentRow, DocumentRow]:
    """The attempt that a person means and the one before it; of a task the newest, whether it is ok or not."""
    row = store.find(doc)
    attempts = store.history(row.stage, row.task_id)
    at = [each.doc_id for each in attempts].index(row.doc_id) if row.doc_id.startswith(doc) else 0
    if at + 1 == len(attempts):
        raise click.UsageError(
            f"{attempts[at].doc_id} is the first attempt at {printable(row.stage)}/{printable(row.task_id)}; name"
            " another document to compare it with."
        )
    return attempts[at + 1], attempts[at]
