"""Small plots as shapes; the templates draw them as SVG, because the pages allow no style of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from doc_io.index.base import TokenUsage

HEIGHT = 40.0
"""Of a chart of days, in its own units."""

DAYS = 30
"""That a chart of days has room for."""

_SLOT = 10.0


class Bar(NamedTuple):
    """A day.

    Attributes:
        x: Its left edge.
        y: Its upper edge.
        height: Its height.
        label: The day.
        documents: How many documents were made.
        tokens: How many tokens they cost.
        cost: The same in dollars, where it is known.
    """

    x: float
    y: float
    height: float
    label: str
    documents: int
    tokens: int
    cost: float | None


def bars_by_day(days: Sequence[TokenUsage]) -> list[Bar]:
    """A bar for each of the last days up to the newest, as high as its tokens; of documents where none says its tokens.

    Args:
        days: Totals by day, in any order; a day without documents may be missing.
    """
    by_day = {date.fromisoformat(each.group): each for each in days if each.group}
    newest = max(by_day, default=date.min)
    shown = [(DAYS - 1 - (newest - day).days, by_day[day]) for day in sorted(by_day) if (newest - day).days < DAYS]
    tokens = [each.prompt_tokens + each.completion_tokens for _, each in shown]
    heights = tokens if any(tokens) else [each.documents for _, each in shown]
    highest = max(heights, default=0) or 1
    bars = []
    for (place, each), height, spent in zip(shown, heights, tokens, strict=True):
        tall = round(max(1.0, HEIGHT * height / highest), 2)
        bars.append(
            Bar(place * _SLOT, round(HEIGHT - tall, 2), tall, each.group or "", each.documents, spent, each.cost)
        )
    return bars
