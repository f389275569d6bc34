"""How things look: aligned in a terminal, plain in a pipe, JSON for machines; nothing of a text can act on a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from doc_io.cli import options
from doc_io.errors import DamagedDocumentError
from doc_io.escaping import printable

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self

    from doc_io.document import DocumentRow
    from doc_io.index.base import PruneCandidate
    from doc_io.progress import Progress
    from doc_io.store import DocumentStore

# ruff: noqa: PLC0415 - who writes into a pipe need not wait for rich

_T = TypeVar("_T")
_PROGRESS_AFTER = 2.0  # seconds; a progress bar for less is only a flicker
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_MAX_LEFT_OUT = 20  # documents that are listed
_ID_LENGTHS = (6, 8, 10, 12, 16)  # characters of a doc_id; the shortest that tells documents apart is shown


def as_json(value: object) -> None:
    """Print one JSON document; ASCII, so that no terminal can be fooled by it."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def as_json_array(values: Iterable[object]) -> None:
    """Print one JSON array, an item a line, as they come."""
    _array(values)
    click.echo()


def as_json_object(arrays: Mapping[str, Iterable[object]], **others: object) -> None:
    """Print one JSON object in flat memory.

    Args:
        arrays: Fields that are arrays: an item a line, as they come.
        others: The other fields.
    """
    for at, (name, values) in enumerate(arrays.items()):
        click.echo(f"{',' if at else '{'} {json.dumps(name)}: ", nl=False)
        _array(values)
        click.echo()
    for name, value in others.items():
        click.echo(f", {json.dumps(name)}: {json.dumps(value, default=_plain)}")
    click.echo("}")


def _array(values: Iterable[object]) -> None:
    separator = "[\n"
    for value in values:
        click.echo(f"{separator}{json.dumps(value, default=_plain)}", nl=False)
        separator = ",\n"
    click.echo("[]" if separator == "[\n" else "\n]", nl=False)


def as_json_lines(values: Iterable[object]) -> None:
    """Print one JSON document a line, as they come."""
    for value in values:
        click.echo(json.dumps(value, default=_plain))


def shown(value: object) -> str:
    """A value in one line that is safe to print; a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int):
        return printable(str(value))
    return f"{value:,}" if in_terminal() else str(value)


def size(count: int) -> str:
    """A number of bytes as people read it."""
    if count < 1000:  # noqa: PLR2004 - below a kilobyte
        return f"{count} bytes"
    from rich.filesize import decimal

    return decimal(count)


def in_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def coloured() -> bool:
    """Whether colours may be used: in a terminal whose user has not said otherwise (no-color.org)."""
    return in_terminal() and not os.environ.get("NO_COLOR")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns: fitted to the width of a terminal, tab-separated and whole in a pipe.

    See `doc_io.cli.grid` for what is cut in a terminal.
    """
    names = [printable(column) for column in columns]
    if not in_terminal():
        rows = iter(rows)
        first = list(islice(rows, 1))  # before the names: an error is then all that is printed
        click.echo("\t".join(names))
        for row in chain(first, rows):
            click.echo("\t".join(map(shown, row)))
        return
    cells = [[_to_the_second(shown(value)) for value in row] for row in rows]
    if cells:
        from doc_io.cli.grid import grid

        console().print(grid(names, cells, width()))
    else:
        nothing_found()


def documents(
    store: DocumentStore, columns: Sequence[str], rows: Iterable[tuple[DocumentRow | PruneCandidate, Sequence[object]]]
) -> None:
    """Print documents as a table; in a terminal, what all of them share stands once, above, and ids are short.

    Args:
        store: Where they are.
        columns: The first is the doc_id.
        rows: Each document with the values of the columns after the first.
    """
    if not in_terminal():
        table(columns, ([row.doc_id, *values] for row, values in rows))
        return
    rows = list(rows)
    ids = short_ids(store, [row.doc_id for row, _ in rows])
    cells = [[ids[row.doc_id], *values] for row, values in rows]
    shared = [
        at
        for at, name in enumerate(columns)
        if len(rows) > 1 and name in _CAN_BE_SHARED and all(line[at] == cells[0][at] for line in cells)
    ]
    if shared:
        all_have = (f"{columns[at]} {shown(cells[0][at])}" for at in shared if cells[0][at] is not None)
        click.secho(" · ".join(all_have), dim=True)
    table(
        [name for at, name in enumerate(columns) if at not in shared],
        [[value for at, value in enumerate(line) if at not in shared] for line in cells],
    )


_CAN_BE_SHARED = frozenset({"stage", "task_id", "status", "model_id", "template_id"})


def short_ids(store: DocumentStore, doc_ids: Sequence[str]) -> dict[str, str]:
    """The start of each id that no other document has, all of one length; in a pipe, and of one not in the store, all of it."""
    if not in_terminal():
        return {doc_id: doc_id for doc_id in doc_ids}
    from doc_io.index.page_queries import distinct_lengths

    needed = distinct_lengths(store.index, doc_ids)
    length = next((each for each in _ID_LENGTHS if each >= max(needed.values(), default=0)), None)
    return {doc_id: doc_id[:length] if doc_id in needed else doc_id for doc_id in doc_ids}


class LeftOut:
    """What an export calls with each document that it leaves out; at the end they are listed, and the command ends with 6."""

    def __init__(self) -> None:
        self._reasons: list[str] = []
        self._count = 0

    def __call__(self, _: DocumentRow, reason: Exception) -> None:
        """Note one; only the first are listed, however many they are."""
        self._count += 1
        if self._count <= _MAX_LEFT_OUT:
            self._reasons.append(f"Left out: {printable(str(reason))}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        if raised is not None or not self._count:
            return
        if self._count > _MAX_LEFT_OUT:
            self._reasons.append(f"… and {self._count - _MAX_LEFT_OUT:,} more")
        click.echo("\n".join(self._reasons), err=True)
        hint("All that is damaged", "verify")
        sys.exit(DamagedDocumentError.exit_code)


def nothing_found() -> None:
    """Say on standard error that the answer is empty."""
    click.secho("Nothing found.", dim=True, err=True)


def _to_the_second(cell: str) -> str:
    """A time as people read it, in UTC; JSON and pipes have its microseconds."""
    return f"{cell[:10]} {cell[11:19]}" if _TIME.fullmatch(cell) else cell


def width() -> int:
    """Of the terminal, in cells."""
    import shutil

    return shutil.get_terminal_size().columns


def console(*, stderr: bool = False) -> Console:
    """The terminal as rich sees it."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False, stderr=stderr, width=width())


def fields(values: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    named = [(printable(name), value) for name, value in values.items()]  # a provider's metadata names its own fields
    longest = max((len(name) for name, _ in named), default=0)
    for name, value in named:
        label = click.style(name.ljust(longest), bold=True) if in_terminal() else name
        click.echo(f"{label}  {shown(value)}" if in_terminal() else f"{name}\t{shown(value)}")


def text(value: str) -> None:
    """Print a text: byte for byte into a pipe, with every character that could act escaped in a terminal."""
    if in_terminal():
        click.echo(printable(value, keep="\n\t"))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(value.encode("utf-8", "surrogatepass"))


def brief(row: DocumentRow) -> tuple[str, str, str]:
    """What tells a person which document it is, beside its doc_id."""
    return row.stage, row.task_id, row.status.value


def bars(pairs: Sequence[tuple[str, int]]) -> None:
    """Print a bar chart, the longest bar as wide as the terminal leaves room."""
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    chart = Table.grid(padding=(0, 2, 0, 0), expand=True)
    chart.add_column(no_wrap=True, overflow="ellipsis")
    chart.add_column(justify="right", no_wrap=True)
    chart.add_column(ratio=1, min_width=8)
    most = max((value for _, value in pairs), default=0) or 1
    for name, value in pairs:
        chart.add_row(Text(name), f"{value:,}", Bar(most, 0, value))
    console().print(chart)


def hint(label: str, *words: str) -> None:
    """Say which command could come next, to a person only; it can be pasted."""
    if in_terminal():
        click.secho(f"{label}: {options.command_line(*words)}", dim=True, err=True)


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A bar with the time left, on standard error, for what takes longer than two seconds.

    Args:
        what: What is being done, for example ``Verifying``.
        quiet: Show none, as what is done is printed to the same terminal. Default: show it.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)
    started = time.monotonic()

    def show(done: int, total: int | None) -> None:
        bar.update(task, completed=done, total=total)
        if time.monotonic() - started > _PROGRESS_AFTER:
            bar.start()

    try:
        yield show
    finally:
        bar.stop()


def counted(values: Iterable[_T], total: int, progress: Progress) -> Iterator[_T]:
    """Yield the same values and update the progress bar."""
    for done, value in enumerate(values, start=1):
        yield value
        if done % 100 == 0:
            progress(done, total)


def _plain(value: object) -> Any:
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
