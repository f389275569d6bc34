"""Small plots as shapes; the templates draw them as SVG, because the pages allow no style of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from doc_io.index.base import TokenUsage

HEIGHT = 40.0
"""Of a chart of days, in its own units."""

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
    """

    x: float
    y: float
    height: float
    label: str
    documents: int
    tokens: int


def bars_by_day(days: Sequence[TokenUsage]) -> list[Bar]:
    """A bar for each day, as high as its tokens; of documents where none says its tokens."""
    tokens = [each.prompt_tokens + each.completion_tokens for each in days]
    heights = tokens if any(tokens) else [each.documents for each in days]
    highest = max(heights, default=0) or 1
    bars = []
    for place, (each, height) in enumerate(zip(days, heights, strict=True)):
        tall = round(max(1.0, HEIGHT * height / highest), 2)
        bars.append(Bar(place * _SLOT, round(HEIGHT - tall, 2), tall, each.group or "", each.documents, tokens[place]))
    return bars
