"""How things look: aligned in a terminal, plain in a pipe, JSON for machines; nothing of a text can act on a terminal."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from doc_io.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from doc_io.document import DocumentRow
    from doc_io.upkeep.verbs import Progress

_SLOW = 2.0  # seconds; a progress bar for less is only a flicker
_RIGHT = ("documents", "tokens", "characters", "prompt", "completion", "total", "bytes", "chars", "count")
_NARROWEST = 6


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


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns: cut to the width of a terminal, tab-separated and whole in a pipe."""
    cells = [[shown(value) for value in row] for row in rows]
    if not in_terminal():
        for line in [list(columns), *cells]:
            click.echo("\t".join(line))
        return
    from rich.table import Table  # noqa: PLC0415 - a pipe need not wait for it
    from rich.text import Text  # noqa: PLC0415 - as above

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in _RIGHT else "left", no_wrap=True, overflow="ellipsis")
    for line in cells:
        drawn.add_row(*(Text(cell) for cell in line))  # as Text: a model's square brackets are no markup
    console().print(drawn)


def console() -> Console:
    """A terminal as rich sees it."""
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(highlight=False, emoji=False, markup=False)


def fields(values: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
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
    room = max(_NARROWEST, shutil.get_terminal_size().columns - label - number - 4)
    most = max(value for _, value in pairs) or 1
    for name, value in pairs:
        click.echo(f"{name.ljust(label)}  {f'{value:,}'.rjust(number)}  {'█' * round(room * value / most)}")


def hint(words: str) -> None:
    """Say what could come next, to a person only."""
    if in_terminal():
        click.secho(words, dim=True, err=True)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A bar with rate and time left, on standard error, for what takes longer than two seconds.

    Args:
        what: What is being done, for example ``Verifying``.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - a pipe need not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None, rate="")
    started = time.monotonic()

    def show(done: int, total: int | None) -> None:
        seconds = time.monotonic() - started
        if seconds > _SLOW:
            bar.start()
            bar.update(task, completed=done, total=total, rate=f"{done / seconds:,.0f}")

    try:
        yield show
    finally:
        bar.stop()


def _plain(value: object) -> Any:
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
