"""Commands that look: they change nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from doc_io.cli import draw, options, render
from doc_io.cli.place import Place
from doc_io.errors import UnknownDocumentError
from doc_io.index.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from doc_io.document import DocumentRow
    from doc_io.index.base import GroupedBy
    from doc_io.store import DocumentStore

_LISTED = ("doc_id", "stage", "task_id", "status", "model_id", "template_id", "created_at", "chars")


@click.command()
@options.as_json
@click.pass_obj
def status(place: Place, /, *, as_json: bool) -> None:
    """Which store this is, what is in it, and when something was last written."""
    with place.existing() as store:
        tally = store.tally()
        newest = store.select(limit=1)
        facts: dict[str, Any] = {
            "docs_root": store.docs_root,
            "index": store.index.name,
            "schema": SCHEMA_VERSION,
            "index_bytes": place.index_bytes(),
            "documents": sum(each.documents for each in tally),
            "characters": sum(each.characters for each in tally),
            "last_write": newest[0].created_at if newest else None,
            "pins": len(store.pins()),
        }
        if as_json:
            render.as_json({**facts, "stages": [each._asdict() | {"status": each.status.value} for each in tally]})
            return
        render.fields(facts)
        if tally:
            click.echo()
            render.table(("stage", "status", "documents", "characters"), tally)


@click.command()
@options.filters
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@click.option("--after", metavar="DOC", help="Go on after this document: the next page.")
@options.as_json
@click.pass_obj
def ls(place: Place, /, *, limit: int, after: str | None, as_json: bool, **chosen: Any) -> None:
    """List documents, newest first."""
    with place.existing() as store:
        last = None if after is None else store.find(after)
        rows = store.select(options.wanted(chosen), after=last, limit=limit)
        _print_rows(rows, as_json=as_json)
        if len(rows) == limit and not as_json:
            render.hint(f"More: the same command with --after {rows[-1].doc_id}")


@click.command()
@options.doc
@options.as_json
@click.pass_obj
def show(place: Place, /, doc: str, *, as_json: bool) -> None:
    """Show a document's row, its files, its parents and its children."""
    with place.existing() as store:
        row = store.find(doc)
        files = dict(store.storage.folder(row.doc_dir).files)
        parents, children = store.parents(row.doc_id), store.children(row.doc_id)
        pin = store.pins().get(row.doc_id)
        if as_json:
            render.as_json(
                {
                    **row.as_dict(),
                    "files": files,
                    "parents": [parent._asdict() for parent in parents],
                    "children": [child.doc_id for child in children],
                    "pinned": pin is not None,
                }
            )
            return
        render.fields(
            {
                **{name: value for name, value in row.as_dict().items() if value is not None and name != "meta_small"},
                **{f"meta_small.{name}": value for name, value in row.meta_small.items()},
                **({} if pin is None else {"pinned": pin or "yes"}),
                "folder": store.storage.shown(row.doc_dir),
            }
        )
        _section("files", ("file", "bytes"), sorted(files.items()))
        _section("parents", ("doc_id", "input"), [(each.doc_id, each.input_name or None) for each in parents])
        _section("children", ("doc_id", "stage", "task_id", "status"), [_brief(each) for each in children])
        render.hint(f"Its text: doc-io cat {row.doc_id}")


@click.command()
@options.doc
@click.option("--raw", "which", flag_value="raw", help="The model's whole answer.")
@click.option("--parsed", "which", flag_value="parsed", help="The parsed text.")
@click.option("--prompt", "which", flag_value="prompt", help="The prompt that made it.")
@click.pass_obj
def cat(place: Place, /, doc: str, which: Literal["raw", "parsed", "prompt"] | None) -> None:
    """Print a document's text: the parsed one where there is one, else the raw one. Into a pipe byte for byte."""
    with place.existing() as store:
        render.text(store.read(store.find(doc), which or "text"))


@click.command()
@options.doc
@click.pass_obj
def prompt(place: Place, /, doc: str) -> None:
    """Print the prompt that made a document, and nothing else: ready to paste."""
    with place.existing() as store:
        render.text(store.read(store.find(doc), "prompt"))


@click.command()
@click.argument("stage")
@click.argument("task")
@options.as_json
@click.pass_obj
def history(place: Place, /, stage: str, task: str, *, as_json: bool) -> None:
    """Every attempt of a task, newest first, whatever its status."""
    with place.existing() as store:
        rows = store.history(stage, task)
        if not rows:
            raise UnknownDocumentError(doc_id=f"{stage}/{task}", docs_root=store.docs_root)
        _print_rows(rows, as_json=as_json)
        if len(rows) > 1 and not as_json:
            render.hint(f"What changed last: doc-io diff {stage}/{task}")


@click.command()
@options.doc
@click.argument("other", required=False)
@click.option("--prompt", "which", flag_value="prompt", help="Compare the prompts.")
@click.option("--raw", "which", flag_value="raw", help="Compare the raw texts.")
@options.as_json
@click.pass_obj
def diff(
    place: Place, /, doc: str, other: str | None, which: Literal["raw", "prompt"] | None, *, as_json: bool
) -> None:
    """What changed between two documents, word by word; of one document, since the attempt before it."""
    with place.existing() as store:
        new = store.find(doc if other is None else other)
        old = _attempt_before(store, new) if other is None else store.find(doc)
        changes = store.diff(old, new, which or "text")
        if as_json:
            render.as_json({"old": old.doc_id, "new": new.doc_id, "changes": [each._asdict() for each in changes]})
            return
        click.echo(f"--- {old.doc_id} {old.created_at} {old.status}\n+++ {new.doc_id} {new.created_at} {new.status}")
        draw.changes(changes)


@click.command()
@options.doc
@click.option("--format", "form", type=click.Choice(["tree", "mermaid", "dot"]), default="tree", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="Documents to follow.")
@options.as_json
@click.pass_obj
def lineage(place: Place, /, doc: str, form: str, limit: int, *, as_json: bool) -> None:
    """What a document was made from, and what was made from it."""
    with place.existing() as store:
        graph = store.lineage(store.find(doc).doc_id, limit=limit)
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
def usage(place: Place, /, by: str, *, as_json: bool, **chosen: Any) -> None:
    """Tokens spent, the most expensive first."""
    group: GroupedBy = by if by in ("stage", "status", "day") else f"{by}_id"  # type: ignore[assignment]
    with place.existing() as store:
        spent = store.usage(group, options.wanted(chosen))
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
def search(place: Place, /, words: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """Find documents whose texts have all these words; the best first."""
    with place.existing() as store, render.progress("Reading new texts:") as progress:
        found = store.search(" ".join(words), limit=limit, progress=progress)
        if as_json:
            render.as_json([{**each.row.as_dict(), "excerpt": each.excerpt} for each in found])
            return
        render.table(
            ("doc_id", "stage", "task_id", "status", "excerpt"),
            [(*_brief(each.row), " ".join(each.excerpt.split())) for each in found],
        )


@click.command()
@options.filters
@click.option("--text", "texts", multiple=True, type=click.Choice(["raw", "parsed", "prompt"]), help="With this text.")
@click.option("--parquet", type=click.Path(dir_okay=False), metavar="FILE", help="Write Parquet, not JSON Lines.")
@click.pass_obj
def export(
    place: Place, /, texts: tuple[Literal["raw", "parsed", "prompt"], ...], parquet: str | None, **chosen: Any
) -> None:
    """Print rows and texts as JSON Lines, newest first; or write them as Parquet (needs pyarrow)."""
    with place.existing() as store:
        values = store.export(options.wanted(chosen), texts=texts)
        if parquet is None:
            render.as_json_lines(values)
        else:
            from doc_io.reports.parquet import write_parquet  # noqa: PLC0415 - pyarrow is an extra

            click.echo(f"{write_parquet(parquet, values, texts)} documents in {parquet}", err=True)


@click.command()
@click.argument("statement")
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many rows.")
@options.as_json
@click.pass_obj
def sql(place: Place, /, statement: str, limit: int, *, as_json: bool) -> None:
    """Ask the tables documents and document_parents in SQL; it can only read. A dash reads the statement from a pipe."""
    if statement == "-":
        statement = sys.stdin.read()
    with place.existing() as store:
        columns, rows = store.sql(statement, limit)
        if as_json:
            render.as_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            render.table(columns, rows)


COMMANDS = (status, ls, show, cat, prompt, history, diff, lineage, usage, search, export, sql)


def _print_rows(rows: list[DocumentRow], *, as_json: bool) -> None:
    if as_json:
        render.as_json([row.as_dict() for row in rows])
        return
    render.table(
        _LISTED,
        [[*(getattr(row, column) for column in _LISTED[:-1]), row.raw_chars] for row in rows],
    )


def _section(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        click.echo(f"\n{title}")
        render.table(columns, rows)


def _brief(row: DocumentRow) -> tuple[str, str, str, str]:
    return row.doc_id, row.stage, row.task_id, row.status.value


def _attempt_before(store: DocumentStore, row: DocumentRow) -> DocumentRow:
    earlier = [
        each
        for each in store.history(row.stage, row.task_id)
        if (each.created_at, each.seq) < (row.created_at, row.seq)
    ]
    if not earlier:
        raise UnknownDocumentError(
            doc_id=f"before {row.doc_id} of {row.stage}/{row.task_id}", docs_root=store.docs_root
        )
    return earlier[0]
