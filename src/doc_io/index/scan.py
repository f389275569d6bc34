"""Rows of any number, a page at a time, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from doc_io.index import queries

if TYPE_CHECKING:
    from doc_io.document import DocumentRow
    from doc_io.index.base import Filter
    from doc_io.index.sql_index import Index

_PAGE_SIZE = 1000


def select_all(index: Index, where: Filter) -> Iterator[DocumentRow]:
    """The rows that match a filter, newest first.

    Args:
        index: Which index.
        where: The filter.
    """
    last = None
    while page := index.select(where, last, _PAGE_SIZE):
        yield from page
        last = page[-1]


def scan_keys(index: Index, stage: str, first: str = "", last: str = "") -> Iterator[DocumentRow]:
    """The rows of a range of logical keys of a stage, in the order of the keys and in flat memory.

    Args:
        index: Which index.
        stage: Kind of document.
        first: From this key on. Default: from the first.
        last: Before this key. Default: to the end.
    """
    after: tuple[str, str, int] = (first, "", 0)
    while page := index.documents(queries.SCAN_KEYS, (stage, last or queries.AFTER_ANY_ID, *after)):
        yield from page
        after = (page[-1].logical_key_id, page[-1].created_at, page[-1].seq)
