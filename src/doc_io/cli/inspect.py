"""Commands that look at documents: they change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from doc_io.cli import options, render
from doc_io.cli.config import StoreLocation
from doc_io.errors import UnknownDocumentError
from doc_io.index.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from doc_io.document import DocumentRow

_LISTED = ("doc_id", "stage", "task_id", "status", "model_id", "template_id", "created_at", "chars")


@click.command()
@options.as_json
@click.pass_obj
def status(location: StoreLocation, /, *, as_json: bool) -> None:
    """Which store this is, and what is in it."""
    with location.existing() as store:
        from doc_io import maintenance, reports  # noqa: PLC0415 - `ls` need not wait for them

        tally = reports.stage_counts(store)
        newest = store.select(limit=1)
        facts: dict[str, Any] = {
            "docs_root": store.docs_root,
            "index": store.index.name,
            "schema": SCHEMA_VERSION,
            "index_bytes": location.index_bytes(),
            "documents": sum(each.documents for each in tally),
            "characters": sum(each.characters for each in tally),
            "last_write": newest[0].created_at if newest else None,
            "pins": len(maintenance.pins(store)),
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
def ls(location: StoreLocation, /, *, limit: int, after: str | None, as_json: bool, **chosen: Any) -> None:
    """List documents, newest first."""
    with location.existing() as store:
        last = None if after is None else store.find(after)
        rows = store.select(options.wanted(chosen), after=last, limit=limit)
        _print_rows(rows, as_json=as_json)
        if len(rows) == limit and not as_json:
            render.hint(f"More: the same command with --after {rows[-1].doc_id}")


@click.command()
@options.doc
@options.as_json
@click.pass_obj
def show(location: StoreLocation, /, doc: str, *, as_json: bool) -> None:
    """Show a document's row, files, parents and children."""
    with location.existing() as store:
        row = store.find(doc)
        files = dict(store.storage.folder(row.doc_dir).files)
        parents, children = store.parents(row.doc_id), store.children(row.doc_id)
        from doc_io.maintenance import pins  # noqa: PLC0415 - as above

        pin = pins(store).get(row.doc_id)
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
        _section("children", ("doc_id", "stage", "task_id", "status"), [render.brief(each) for each in children])
        render.hint(f"Its text: doc-io cat {row.doc_id}")


@click.command()
@options.doc
@click.option("--raw", "which", flag_value="raw", help="The model's whole answer.")
@click.option("--parsed", "which", flag_value="parsed", help="The parsed text.")
@click.option("--prompt", "which", flag_value="prompt", help="The prompt that made it.")
@click.pass_obj
def cat(location: StoreLocation, /, doc: str, which: Literal["raw", "parsed", "prompt"] | None) -> None:
    """Print a document's text.

    The parsed one where there is one, else the raw one. Into a pipe byte for byte.
    """
    with location.existing() as store:
        render.text(store.read(store.find(doc), which or "text"))


@click.command()
@options.doc
@click.pass_obj
def prompt(location: StoreLocation, /, doc: str) -> None:
    """Print the prompt that made a document, ready to paste."""
    with location.existing() as store:
        render.text(store.read(store.find(doc), "prompt"))


@click.command()
@click.argument("stage")
@click.argument("task")
@options.as_json
@click.pass_obj
def history(location: StoreLocation, /, stage: str, task: str, *, as_json: bool) -> None:
    """Every attempt of a task, newest first."""
    with location.existing() as store:
        rows = store.history(stage, task)
        if not rows:
            raise UnknownDocumentError(doc_id=f"{stage}/{task}", docs_root=store.docs_root)
        _print_rows(rows, as_json=as_json)
        if len(rows) > 1 and not as_json:
            render.hint(f"What changed last: doc-io diff {stage}/{task}")


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
