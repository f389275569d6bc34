"""How things look: aligned in a terminal, plain in a pipe, JSON for machines; nothing of a text can act on a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from doc_io.cli.grid import grid
from doc_io.escaping import printable

if TYPE_CHECKING:
    from rich.console import Console

    from doc_io.document import DocumentRow
    from doc_io.progress import Progress

_T = TypeVar("_T")
_SLOW = 2.0  # seconds; a progress bar for less is only a flicker
_NARROWEST = 8  # cells of a bar
_MAX_TOLD = len(" 1,000,000 of 1,000,000, 10,000/s, 0:01:40 left ")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def as_json(value: object) -> None:
    """Print one JSON document; ASCII, so that no terminal can be fooled by it."""
    click.echo(json.dumps(value, indent=2, default=_plain))


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
    cells = [[shown(value) for value in row] for row in rows]
    names = [printable(column) for column in columns]
    if not in_terminal():
        for line in [names, *cells]:
            click.echo("\t".join(line))
    elif cells:
        head, *lines = grid(names, [[_to_the_second(cell) for cell in line] for line in cells], _width())
        click.secho(head, bold=True)
        click.echo("\n".join(lines))
    else:
        click.secho("Nothing found.", dim=True, err=True)


def _to_the_second(cell: str) -> str:
    """A time as people read it, in UTC; JSON and pipes have its microseconds."""
    return f"{cell[:10]} {cell[11:19]}" if _TIME.fullmatch(cell) else cell


def _width() -> int:
    return shutil.get_terminal_size().columns


def console() -> Console:
    """A terminal as rich sees it."""
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(highlight=False, emoji=False, markup=False)


def fields(values: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    named = [(printable(name), value) for name, value in values.items()]  # a provider's metadata names its own fields
    width = max((len(name) for name, _ in named), default=0)
    for name, value in named:
        label = click.style(name.ljust(width), bold=True) if in_terminal() else name
        click.echo(f"{label}  {shown(value)}" if in_terminal() else f"{name}\t{shown(value)}")


def text(value: str) -> None:
    """Print a text: byte for byte into a pipe, with every character that could act escaped in a terminal."""
    if in_terminal():
        click.echo(printable(value, keep="\n\t"))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(value.encode("utf-8", "surrogatepass"))


def brief(row: DocumentRow) -> tuple[str, str, str, str]:
    """What tells a person which document it is."""
    return row.doc_id, row.stage, row.task_id, row.status.value


def bars(pairs: Sequence[tuple[str, int]]) -> None:
    """Print a bar chart, the longest bar as wide as the terminal leaves room."""
    if not pairs:
        return
    label = max(len(name) for name, _ in pairs)
    number = max(len(f"{value:,}") for _, value in pairs)
    room = max(_NARROWEST, _width() - label - number - 4)
    most = max(value for _, value in pairs) or 1
    for name, value in pairs:
        click.echo(f"{name.ljust(label)}  {f'{value:,}'.rjust(number)}  {'█' * round(room * value / most)}")


def hint(words: str) -> None:
    """Say what could come next, to a person only."""
    if in_terminal():
        click.secho(printable(words), dim=True, err=True)  # a stage or a task may be part of it


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A bar with rate and time left, on standard error, for what takes longer than two seconds.

    Args:
        what: What is being done, for example ``Verifying``.
        quiet: Show none, as what is done is printed to the same terminal. Default: show it.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - a pipe need not wait for it
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - as above

    bar_width = max(_NARROWEST, min(40, _width() - len(what) - _MAX_TOLD))
    columns = (TextColumn(what), BarColumn(bar_width), TextColumn("{task.fields[told]}"))
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None, told="")
    started = time.monotonic()

    def show(done: int, total: int | None) -> None:
        seconds = time.monotonic() - started
        if seconds > _SLOW:
            bar.start()
            bar.update(task, completed=done, total=total, told=_told(done, total, done / seconds))

    try:
        yield show
    finally:
        bar.stop()


def counted(values: Iterable[_T], total: int, progress: Progress) -> Iterator[_T]:
    """The same values; a bar is told how far they are."""
    for done, value in enumerate(values, start=1):
        yield value
        if done % 100 == 0:
            progress(done, total)


def _told(done: int, total: int | None, rate: float) -> str:
    # Not rich's own estimate: it begins anew whenever the total is another.
    if total is None:
        return f"{done:,}, {rate:,.0f}/s"
    left = timedelta(seconds=round((total - done) / rate)) if rate else "?"
    return f"{done:,} of {total:,}, {rate:,.0f}/s, {left} left"


def _plain(value: object) -> Any:
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
