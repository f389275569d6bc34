"""Rows and texts as plain values: for a notebook, a training set, another program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from doc_io.batches import batches
from doc_io.document import DocumentRow
from doc_io.errors import DocIOError
from doc_io.index.base import ALL, Filter
from doc_io.reading import Which, missing_file_error, read_files, text_of
from doc_io.store import DocumentStore

_BATCH_SIZE = 256  # documents


LeaveOut = Callable[[DocumentRow, Exception], None]
"""Called with a document whose text cannot be read, and why."""


def export(
    store: DocumentStore, where: Filter = ALL, *, texts: Sequence[Which] = (), leave_out: LeaveOut | None = None
) -> Iterator[dict[str, Any]]:
    """Each row as a mapping, newest first, with the texts that are asked for under their names; in flat memory.

    Args:
        store: Which store.
        where: Which documents. Default: all.
        texts: Which texts; ``None`` in the place of one that a document does not have.
        leave_out: Called with each document of which a text cannot be read; all others are exported. Default: the first
            one raises.

    Raises:
        DamagedDocumentError: A text is not what was saved.
        StorageError: A file cannot be read.
    """
    return export_rows(store, store.select_all(where), texts=texts, leave_out=leave_out)


def export_rows(
    store: DocumentStore,
    rows: Iterable[DocumentRow],
    *,
    texts: Sequence[Which] = (),
    leave_out: LeaveOut | None = None,
) -> Iterator[dict[str, Any]]:
    """The same, of some rows."""
    for batch in batches(rows, _BATCH_SIZE):
        # One after the other: of a batch of long texts only those of one row are held.
        for row, files in read_files(store.storage, batch, texts):
            try:
                read = {which: _text(row, which, data) for which, data in zip(texts, files, strict=True)}
            except (DocIOError, OSError) as error:
                if leave_out is None:
                    raise
                leave_out(row, error)
            else:
                yield row.as_dict() | read


def _text(row: DocumentRow, which: Which, data: bytes | OSError | None) -> str | None:
    if isinstance(data, FileNotFoundError):
        raise missing_file_error(row, which, data)
    if isinstance(data, OSError):
        raise data
    return None if data is None else text_of(row, which, data)
