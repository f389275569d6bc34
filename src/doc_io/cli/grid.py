"""A table laid out for a terminal of a certain width: what can be typed again is whole, the rest gives way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

# ruff: noqa: PLC0415 - whoever writes into a pipe need not wait for rich
if TYPE_CHECKING:
    from rich.text import Text

_RIGHT = frozenset({"documents", "tokens", "characters", "prompt", "completion", "total", "bytes", "chars", "count"})
_WHOLE = _RIGHT | {"doc_id", "status", "created_at", "kind", "where", "action", "file"}
_PROSE = frozenset({"details", "because"})  # goes on in the next line; any other column is cut where there is no room
_SPARED = (
    "template_id",
    "model_id",
    "chars",
    "stage",
    "created_at",
)  # left out, in this order, where that is too little
_NARROWEST = 8
_GAP = 2


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The lines of a table, the names of the columns first.

    Args:
        columns: Their names, which also say what may be done to them.
        rows: Cells that are safe to print, without newlines.
        width: Of the terminal, in cells.
    """
    from rich.console import Console
    from rich.table import Table

    kept = _fitting([_column(name, [row[at] for row in rows]) for at, name in enumerate(columns)], width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), collapse_padding=True, show_header=False)
    for column in kept:
        table.add_column(
            justify="right" if column.name in _RIGHT else "left",
            no_wrap=column.name in _WHOLE,  # rich narrows the others first
            min_width=column.least,
            overflow="ellipsis",
        )
    for cells in zip(*(column.cells for column in kept), strict=True):
        table.add_row(*(_text(column.name, cell) for column, cell in zip(kept, cells, strict=True)))
    drawn = StringIO()
    Console(file=drawn, width=width, color_system=None, highlight=False, emoji=False, markup=False).print(table)
    yield from (line.rstrip() for line in drawn.getvalue().splitlines())


class _Column(NamedTuple):
    """A column, the first of whose cells is its name."""

    name: str
    cells: tuple[str, ...]
    least: int
    """How narrow it can be when it has given way."""


def _column(name: str, below: Sequence[str]) -> _Column:
    from rich.cells import cell_len  # letters of some scripts take two cells

    widest = max(map(cell_len, (name, *below)))
    return _Column(name, (name, *below), widest if name in _WHOLE else min(widest, _NARROWEST))


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """The columns without those that may be left out, as far as there is no room for them."""
    for spared in _SPARED:
        if sum(column.least + _GAP for column in columns) - _GAP > width:
            columns = [column for column in columns if column.name != spared]
    return columns


def _text(name: str, cell: str) -> Text:
    """As `Text`: a model's square brackets are no markup."""
    from rich.text import Text

    return Text(cell) if name in _PROSE else Text(cell, no_wrap=True, overflow="ellipsis")
