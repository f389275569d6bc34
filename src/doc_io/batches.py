"""Batches, what is read, written or looked up together; and pages, what is shown together."""

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


def first_of_page(skip: int, total: int, size: int) -> int:
    """How many items to leave out: at most as many as are before the last page.

    Args:
        skip: How many were asked to be left out.
        total: How many items there are.
        size: How many items a page has.
    """
    return min(skip, max(0, total - 1) // size * size)
