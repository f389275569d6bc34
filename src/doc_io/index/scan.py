"""The rows of a part of a store: one stage, and a range of its logical keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from doc_io.index import queries

if TYPE_CHECKING:
    from doc_io.document import DocumentRow
    from doc_io.index.sql_index import Index

_AFTER_ANY_ID = "{"  # the character that follows "z", the last one of an id


def scan_keys(index: Index, stage: str, first: str = "", last: str = "") -> Iterator[DocumentRow]:
    """The rows of a range of logical keys of a stage, in the order of the keys and in flat memory.

    Args:
        index: Which index.
        stage: Kind of document.
        first: From this key on. Default: from the first.
        last: Before this key. Default: to the end.
    """
    after: tuple[str, str, int] = (first, "", 0)
    while page := index.documents(queries.SCAN_KEYS, (stage, last or _AFTER_ANY_ID, *after)):
        yield from page
        after = (page[-1].logical_key_id, page[-1].created_at, page[-1].seq)
