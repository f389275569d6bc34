"""A row for a document whose files are there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doc_io.document import DocumentRow
from doc_io.errors import DamagedDocumentError, DocumentConflictError, UnknownDocumentError
from doc_io.store import DocumentStore
from doc_io.writing.partial_writes import read_whole_record


def index_document(store: DocumentStore, row: Mapping[str, Any]) -> DocumentRow:
    """Put a document whose files are there already into the index, with its row as its own record says it.

    Args:
        store: Which store.
        row: ``doc_id`` and ``doc_dir``, and any other column; those that are given must agree with the record.

    Returns:
        The row as it is in the index.

    Raises:
        DamagedDocumentError: Its files are not whole: a row never points to a document that is not there.
        DocumentConflictError: The row says something else than the record.
    """
    record = read_whole_record(store.storage, row["doc_dir"])
    if record is None or record.doc_dir != row["doc_dir"]:
        raise DamagedDocumentError(
            doc_id=row["doc_id"], doc_dir=row["doc_dir"], reason="no whole document lies in its folder"
        )
    for column, value in record.row.items():
        if column in row and row[column] != value:
            raise DocumentConflictError(
                doc_id=row["doc_id"],
                stage=record.row["stage"],
                task=record.row["task_id"],
                difference=f"another {column}",
            )
    store.index.insert_placed([({**record.row, "doc_dir": record.doc_dir}, record.parents)])
    committed = store.index.get(record.row["doc_id"])
    if committed is None:
        raise UnknownDocumentError(doc_id=row["doc_id"], docs_root=store.docs_root)
    return committed
