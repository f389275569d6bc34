"""Commands that show documents: they change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from doc_io.cli import filters, options, render
from doc_io.cli.config import StoreLocation, index_bytes
from doc_io.document import Status
from doc_io.index.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from doc_io.document import DocumentRow, Parent
    from doc_io.store import DocumentStore

# ruff: noqa: PLC0415 - `ls` need not wait for what only other commands need

_LISTED = ("stage", "task_id", "status", "model_id", "template_id", "created_at")
_PAGE = 50  # documents that a terminal shows; a pipe gets all


@click.command()
@options.as_json
@click.pass_obj
def status(location: StoreLocation, /, *, as_json: bool) -> None:
    """Show which store this is, and what is in it."""
    with location.existing() as store:
        from doc_io import reports
        from doc_io.maintenance.pins import pinned

        counts = reports.stage_counts(store)
        newest = store.select(limit=1)
        facts: dict[str, Any] = {
            "docs_root": store.docs_root,
            "index": store.index.name,
            "schema": SCHEMA_VERSION,
            "index_bytes": index_bytes(store),
            "documents": sum(each.documents for each in counts),
            "characters": sum(each.characters for each in counts),
            "last_write": newest[0].created_at if newest else None,
            "pins": len(pinned(store.storage)),
        }
        if as_json:
            render.as_json({**facts, "stages": [each._asdict() | {"status": each.status.value} for each in counts]})
            return
        render.fields(facts)
        if counts:
            click.echo()
            render.table(("stage", "status", "documents", "characters"), counts)


@click.command()
@filters.filters
@filters.words
@click.option(
    "--after",
    metavar="DOC",
    help="Continue after this document: the next page.",
    shell_complete=options.complete_document,
)
@options.as_json
@click.pass_obj
def ls(location: StoreLocation, /, *, chosen: filters.Selection, after: str | None, as_json: bool) -> None:
    """List documents, newest first.

    A terminal shows the newest 50 unless -n says otherwise; a pipe and --json get all. --failed lists the tasks whose
    newest attempt failed, with the reason.
    """
    with location.existing() as store:
        rows = chosen.rows(store, None if after is None else store.find(after))
        if as_json:
            render.as_json_array(row.as_dict() for row in rows)
        elif not render.in_terminal():
            _print_rows(store, rows, with_reason=chosen.failed)
        else:
            page = list(islice(rows, chosen.limit or _PAGE))
            _print_rows(store, page, with_reason=chosen.failed)
            if next(rows, None) is not None:
                click.secho(
                    f"There are more: the same command with --after {page[-1].doc_id}, with -n, or into a pipe.",
                    dim=True,
                    err=True,
                )


@click.command()
@options.doc
@options.as_json
@click.pass_obj
def show(location: StoreLocation, /, doc: str, *, as_json: bool) -> None:
    """Show a document's row, files, parents and children.

    A terminal shows the first 50 parents and the newest 50 children; a pipe and --json get all.
    """
    from doc_io.index.page_queries import newest_children
    from doc_io.maintenance.pins import pin_of

    with location.existing() as store:
        row = options.document(store, doc)
        files = dict(store.storage.folder(row.doc_dir).files)
        pin = pin_of(store, row.doc_id)
        parents = store.parents(row.doc_id)
        if as_json:
            found = _by_id(store, [each.doc_id for each in parents])
            render.as_json(
                {
                    **row.as_dict(),
                    "files": files,
                    "parents": [{**each._asdict(), **_facts(found.get(each.doc_id))} for each in parents],
                    "children": [child.doc_id for child in store.children(row.doc_id)],
                    "pinned": pin is not None,
                }
            )
            return
        _print_facts(store, row, pin)
        _section("files", ("file", "bytes"), sorted(files.items()))
        if render.in_terminal():
            _print_family(store, parents[: _PAGE + 1], newest_children(store.index, row.doc_id, _PAGE + 1), _PAGE)
        else:
            _print_family(store, parents, store.children(row.doc_id), None)
        if _has_text(row):
            render.hint("Its text", "cat", row.doc_id)
        elif row.prompt_path is not None:
            render.hint("It has no text; its prompt", "prompt", row.doc_id)


def _print_facts(store: DocumentStore, row: DocumentRow, pin: str | None) -> None:
    from doc_io.reports.failures import reason

    render.fields(
        {
            **{name: value for name, value in row.as_dict().items() if value is not None and name != "meta_small"},
            **({} if row.status is Status.OK else {"reason": reason(row)}),
            **{f"meta_small.{name}": value for name, value in row.meta_small.items()},
            **({} if pin is None else {"pinned": pin or "yes"}),
            "folder": store.storage.shown(row.doc_dir),
        }
    )


def _print_family(
    store: DocumentStore, parents: Sequence[Parent], children: Sequence[DocumentRow], page: int | None
) -> None:
    """Print at most a page of each; where there are more, say where all of them are."""
    listed, made = parents[:page], children[:page]
    found = _by_id(store, [each.doc_id for each in listed])
    ids = render.short_ids(store, [*(each.doc_id for each in listed), *(each.doc_id for each in made)])
    columns = ("doc_id", "stage", "task_id", "status")
    _section(
        "parents",
        (*columns, "input"),
        [(ids[each.doc_id], *_brief(found.get(each.doc_id)), each.input_name or None) for each in listed],
    )
    _section("children", columns, [(ids[each.doc_id], *render.brief(each)) for each in made])
    more = [
        name for name, of, all_ in (("parents", listed, parents), ("children", made, children)) if len(of) < len(all_)
    ]
    if more:
        click.secho(f"There are more {' and '.join(more)}: with --json, or into a pipe.", dim=True, err=True)


@click.command()
@options.doc
@options.texts
@click.pass_obj
def cat(location: StoreLocation, /, doc: str, texts: tuple[str, ...]) -> None:
    """Print a document's text.

    The parsed one where there is one, else the raw one. Into a pipe byte for byte.
    """
    which = options.one_text(texts)
    with location.existing() as store:
        render.text(store.read(options.document(store, doc), which))


@click.command()
@options.doc
@click.pass_obj
def prompt(location: StoreLocation, /, doc: str) -> None:
    """Print the prompt that made a document, ready to paste."""
    with location.existing() as store:
        render.text(store.read(options.document(store, doc), "prompt"))


@click.command()
@options.doc
@click.option(
    "-n", "--limit", type=click.IntRange(1), help="How many, newest first. Default: 50 in a terminal, else all."
)
@options.as_json
@click.pass_obj
def history(location: StoreLocation, /, doc: str, limit: int | None, *, as_json: bool) -> None:
    """List the attempts at a document's task, newest first."""
    with location.existing() as store:
        row = options.document(store, doc, quiet=True)
        most = limit or (_PAGE if render.in_terminal() and not as_json else None)
        rows = store.history(row.stage, row.task_id, limit=None if most is None else most + 1)
        more, rows = most is not None and len(rows) > most, rows[:most]
        if as_json:
            render.as_json([each.as_dict() for each in rows])
            return
        _print_rows(store, rows, with_reason=any(each.status.value != "ok" for each in rows))
        if more:
            click.echo(f"There are older attempts; -n says how many are listed, here {most:,}.", err=True)
        if len(rows) > 1:
            _hint_at_diff(store, rows)


@click.command()
@options.as_json
@click.pass_obj
def pins(location: StoreLocation, /, *, as_json: bool) -> None:
    """List pinned documents, with the reason that was given."""
    from doc_io import maintenance

    with location.existing() as store:
        notes = maintenance.pins(store)
        found = _by_id(store, list(notes))
        if as_json:
            render.as_json(
                [{"doc_id": doc_id, "note": note, **_facts(found.get(doc_id))} for doc_id, note in notes.items()]
            )
            return
        ids = render.short_ids(store, list(notes))
        render.table(
            ("doc_id", "stage", "task_id", "status", "note"),
            [(ids[doc_id], *_brief(found.get(doc_id)), note or None) for doc_id, note in notes.items()],
        )


def _hint_at_diff(store: DocumentStore, rows: Sequence[DocumentRow]) -> None:
    """The last two attempts; where the newest one failed, it and the latest good one."""
    task, newest = f"{rows[0].stage}/{rows[0].task_id}", rows[0]
    good = None if newest.status is Status.OK else store.latest(newest.stage, newest.task_id)
    if good is not None and _has_text(newest):
        render.hint("Against the last good one", "diff", *options.argument(task, f"{task}@newest"))
    elif _has_text(newest) and _has_text(rows[1]):
        render.hint("What changed last", "diff", *options.argument(task))


def _has_text(row: DocumentRow) -> bool:
    return row.raw_chars is not None or row.parsed_chars is not None


def _print_rows(store: DocumentStore, rows: Iterable[DocumentRow], *, with_reason: bool) -> None:
    columns = ["doc_id", *_LISTED, "chars"]
    if not with_reason:
        found = ((row, [*(getattr(row, column) for column in _LISTED), row.raw_chars]) for row in rows)
        render.documents(store, columns, found)
        return
    from doc_io.reports.failures import reason

    render.documents(
        store,
        [*columns, "reason"],
        (
            (
                row,
                [
                    *(getattr(row, column) for column in _LISTED),
                    row.raw_chars,
                    None if row.status.value == "ok" else reason(row),
                ],
            )
            for row in rows
        ),
    )


def _by_id(store: DocumentStore, doc_ids: Sequence[str]) -> dict[str, DocumentRow]:
    return {row.doc_id: row for row in store.index.get_many(doc_ids)}


def _facts(row: DocumentRow | None) -> dict[str, Any]:
    return {} if row is None else {"stage": row.stage, "task_id": row.task_id, "status": row.status.value}


def _brief(row: DocumentRow | None) -> tuple[str | None, ...]:
    return (None, None, "not in the store") if row is None else render.brief(row)


def _section(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        click.echo(f"\n{title}")
        render.table(columns, rows)
