"""A table laid out for a terminal of a certain width: what can be typed again is whole, the rest gives way.

rich draws tables too, but its import takes half as long as all of ``doc-io ls``, and it narrows what must stay whole.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

_RIGHT = frozenset({"documents", "tokens", "characters", "prompt", "completion", "total", "bytes", "chars", "count"})
_WHOLE = _RIGHT | {"doc_id", "status", "created_at", "kind", "where", "action", "file"}
_PROSE = frozenset({"details", "because"})  # goes on in the next line; any other column is cut where there is no room
_SPARED = (
    "template_id",
    "model_id",
    "chars",
    "stage",
    "created_at",
)  # left out, in this order, where that is not enough
_NARROWEST = 8
_GAP = "  "


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The lines of a table, the names of the columns first.

    Args:
        columns: Their names, which also say what may be done to them.
        rows: Cells that are safe to print, without newlines.
        width: Of the terminal, in cells.
    """
    kept = [_Column(name, (name, *(row[at] for row in rows))) for at, name in enumerate(columns)]
    for spared in _SPARED:
        if _total([column.least for column in kept]) > width:
            kept = [column for column in kept if column.name != spared]
    widths = _fitted(kept, width)
    for cells in zip(*(column.cells for column in kept), strict=True):
        folded = [
            (wrap(cell, wide) or [""]) if column.name in _PROSE else [_cut(cell, wide)]
            for column, cell, wide in zip(kept, cells, widths, strict=True)
        ]
        for number in range(max(map(len, folded))):
            line = [each[number] if number < len(each) else "" for each in folded]
            padded = [
                " " * (wide - cell_width(cell)) + cell
                if column.name in _RIGHT
                else cell + " " * (wide - cell_width(cell))
                for column, cell, wide in zip(kept, line, widths, strict=True)
            ]
            yield _GAP.join(padded).rstrip()


def cell_width(text: str) -> int:
    """How many cells of a terminal a text takes (unicode.org/reports/tr11)."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class _Column(NamedTuple):
    """Its name, and all its cells, of which the first is the name."""

    name: str
    cells: tuple[str, ...]

    @property
    def widest(self) -> int:
        return max(map(cell_width, self.cells))

    @property
    def least(self) -> int:
        """How narrow it can be when it has given way."""
        return self.widest if self.name in _WHOLE else min(self.widest, _NARROWEST)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fitted(columns: Sequence[_Column], width: int) -> list[int]:
    """The widths that are wanted, less what is too much, taken from the widest that may give way."""
    widths, least = [column.widest for column in columns], [column.least for column in columns]
    for _ in range(_total(widths) - width):
        soft = [at for at, wide in enumerate(widths) if wide > least[at]]
        if not soft:
            break
        widths[max(soft, key=widths.__getitem__)] -= 1
    return widths


def _cut(text: str, width: int) -> str:
    if cell_width(text) <= width:
        return text
    kept = text[: width - 1]
    while cell_width(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}…"
