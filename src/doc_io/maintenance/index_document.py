"""A row for a document whose files are there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doc_io.document import DocumentRow
from doc_io.errors import DamagedDocumentError, InvalidDocumentError
from doc_io.integrity import contents
from doc_io.renames import read_renames
from doc_io.store import DocumentStore
from doc_io.writing.draft import draft_from_files


def index_document(store: DocumentStore, row: Mapping[str, Any]) -> DocumentRow:
    """Put a document whose files are there already into the index, with its row as its own record says it.

    Args:
        store: Which store.
        row: ``doc_id`` and ``doc_dir``, and any other column; those that are given must agree with the record.

    Returns:
        The row as it is in the index.

    Raises:
        DamagedDocumentError: Its files are not whole: a row never points to a document that is not there.
        InvalidDocumentError: The row says something else than the record.
    """
    [[content]] = contents(store.storage, [row["doc_dir"]])
    if content.record is None:
        raise DamagedDocumentError(doc_id=row["doc_id"], doc_dir=row["doc_dir"], reason="; ".join(content.reasons))
    recorded = read_renames(store.storage).row(content.record.row)
    different = [column for column, value in recorded.items() if column in row and row[column] != value]
    if different:
        raise InvalidDocumentError(
            what=f"The row of document {row['doc_id']}",
            reason=f"its commit record has another {', '.join(different)}",
            hint="Leave out what you do not mean to check.",
        )
    return store.commit([draft_from_files(content.path, content.files)])[0]
