"""Rows and texts as plain values: for a notebook, a training set, another program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from doc_io.document import DocumentRow
from doc_io.errors import MissingTextError
from doc_io.index.base import ALL, Filter
from doc_io.reading import Which, path_of, text_of
from doc_io.storage.base import Storage
from doc_io.store import DocumentStore

_AT_ONCE = 256  # documents


def export(store: DocumentStore, wanted: Filter = ALL, *, texts: Sequence[Which] = ()) -> Iterator[dict[str, Any]]:
    """Each row as a mapping, newest first, with the texts that are asked for under their names; in flat memory.

    Args:
        store: Which store.
        wanted: Which documents. Default: all.
        texts: Which texts; ``None`` in the place of one that a document does not have.

    Raises:
        DamagedDocumentError: A text is not what was saved.
        StorageError: A file cannot be read.
    """
    remaining = store.select_all(wanted)
    while batch := list(islice(remaining, _AT_ONCE)):
        exported = [row.as_dict() for row in batch]
        for which in texts:
            for values, text in zip(exported, _texts(store.storage, batch, which), strict=True):
                values[which] = text
        yield from exported


def _texts(storage: Storage, rows: list[DocumentRow], which: Which) -> Iterator[str | None]:
    paths = [_path(row, which) for row in rows]
    read = storage.read_many([path for path in paths if path is not None])
    for row, path in zip(rows, paths, strict=True):
        if path is None:
            yield None
            continue
        data = next(read)
        if isinstance(data, OSError):
            raise data
        yield text_of(row, which, data)


def _path(row: DocumentRow, which: Which) -> str | None:
    try:
        return path_of(row, which)
    except MissingTextError:
        return None
