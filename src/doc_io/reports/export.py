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

_BATCH_SIZE = 256  # documents


def export(store: DocumentStore, where: Filter = ALL, *, texts: Sequence[Which] = ()) -> Iterator[dict[str, Any]]:
    """Each row as a mapping, newest first, with the texts that are asked for under their names; in flat memory.

    Args:
        store: Which store.
        where: Which documents. Default: all.
        texts: Which texts; ``None`` in the place of one that a document does not have.

    Raises:
        DamagedDocumentError: A text is not what was saved.
        StorageError: A file cannot be read.
    """
    remaining = store.select_all(where)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        # One after the other: of a batch of long texts only those of one row are held.
        read = _texts(store.storage, batch, texts)
        for row in batch:
            yield row.as_dict() | {which: next(read) for which in texts}


def _texts(storage: Storage, rows: list[DocumentRow], texts: Sequence[Which]) -> Iterator[str | None]:
    requested = [(row, which, _path(row, which)) for row in rows for which in texts]
    read = storage.read_many([path for _, _, path in requested if path is not None])
    for row, which, path in requested:
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
