"""Batches: what is read, written or looked up together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of ``size``, the last one shorter; each is taken when it is asked for.

    Args:
        items: Any number of them.
        size: The number of items in a batch, at least 1.
    """
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
