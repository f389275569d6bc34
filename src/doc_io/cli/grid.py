"""A table laid out for a terminal of a certain width: what can be typed again is whole, the rest gives way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len  # letters of some scripts take two cells
from rich.table import Table
from rich.text import Text

_NUMBERS = frozenset(
    {
        "documents",
        "tokens",
        "characters",
        "prompt",
        "completion",
        "total",
        "bytes",
        "chars",
        "count",
        "tasks",
        "unpriced",
    }
)
_WHOLE = _NUMBERS | {"doc_id", "newest", "status", "created_at", "kind", "action", "file"}
_PROSE = frozenset({"details", "because", "reason", "excerpt", "note"})  # continued in the next line, not cut
_NAMES = frozenset({"stage", "task_id", "where"})
"""With the first column they say what a row is about: whole as long as anything else can give way."""
_LEFT_OUT = ("template_id", "chars", "quartiles", "characters", "model_id", "created_at", "median", "total", "unpriced")
"""Columns that are left out, in this order, where the others cannot be whole; never the first one."""
_LESS_THAN_REASON = ("documents", "newest", "stage", "status")
"""These too, where there is the reason of a failure; else the stage."""
_NARROWEST = 8
_NARROWEST_PROSE = 16
_TO_THE_MINUTE = 16  # characters of a time, which is cut there before it is left out
_LEAST_OF_ALL = 2  # cells, which a letter may take
_GAP = 2


class _Column(NamedTuple):
    name: str
    cells: Sequence[str]
    is_first: bool

    @property
    def widest(self) -> int:
        return max(map(cell_len, (self.name, *self.cells)))

    @property
    def least(self) -> int:
        """How narrow it can be when it has given way."""
        return self.widest if self.is_first or self.name in _NAMES else self.cut

    @property
    def cut(self) -> int:
        """How narrow it can be where there is no room for its names, which one can still tell apart."""
        if self.name in _WHOLE:
            return self.widest
        return min(self.widest, _NARROWEST_PROSE if self.name in _PROSE else _NARROWEST)


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Table:
    """A table.

    Args:
        columns: Their names, which also say what may be done to them.
        rows: Cells that are safe to print, without newlines.
        width: Of the terminal, in cells.
    """
    kept = _fitting([_Column(name, [row[at] for row in rows], at == 0) for at, name in enumerate(columns)], width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), collapse_padding=True, header_style="bold")
    for column, room in zip(kept, _widths(kept, width), strict=True):
        table.add_column(
            Text(column.name, no_wrap=True, overflow="ellipsis"),
            justify="right" if column.name in _NUMBERS else "left",
            width=room,
        )
    for cells in zip(*(column.cells for column in kept), strict=True):
        table.add_row(*(_text(column.name, cell) for column, cell in zip(kept, cells, strict=True)))
    return table


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """The columns without those that may be left out, as far as there is no room for them."""
    says_nothing = [column.name for column in columns if set(column.cells) <= {"-"}]
    for spared in (*says_nothing, *_LEFT_OUT):
        if spared == "created_at" and not _fits(columns, width):
            columns = [_to_the_minute(column) for column in columns]
        if not _fits(columns, width):
            columns = _without(spared, columns)
    reason = any(column.name == "reason" for column in columns)
    for spared in _LESS_THAN_REASON if reason else ("stage",):
        if sum(column.least if column.name == "task_id" else column.cut for column in columns) > _room(columns, width):
            columns = _without(spared, columns)
    return columns


def _room(columns: Sequence[_Column], width: int) -> int:
    return width - _GAP * (len(columns) - 1)


def _fits(columns: Sequence[_Column], width: int) -> bool:
    return sum(column.least for column in columns) <= _room(columns, width)


def _without(name: str, columns: list[_Column]) -> list[_Column]:
    return [column for column in columns if column.is_first or column.name != name]


def _to_the_minute(column: _Column) -> _Column:
    if column.name != "created_at":
        return column
    return column._replace(cells=[cell[:_TO_THE_MINUTE] for cell in column.cells])


def _widths(columns: list[_Column], width: int) -> list[int]:
    """How wide each column is. Not left to rich, which draws past the terminal where columns have a least width."""
    widths = [min(column.widest, width) for column in columns]
    # What gives way, the widest first: what may be cut or wrapped, the stage, the task; where nothing else is left, all.
    of_others = [column.least for column in columns]
    of_stage = [column.cut if column.name == "stage" else column.least for column in columns]
    of_names = [column.cut for column in columns]
    for least in (of_others, of_stage, of_names, [_LEAST_OF_ALL] * len(columns)):
        while sum(widths) > _room(columns, width):
            narrower = [at for at, each in enumerate(widths) if each > least[at]]
            if not narrower:
                break
            widths[max(narrower, key=widths.__getitem__)] -= 1
    return widths


def _text(name: str, cell: str) -> Text:
    """As `Text`: a model's square brackets are no markup."""
    return Text(cell, overflow="fold") if name in _PROSE else Text(cell, no_wrap=True, overflow="ellipsis")
