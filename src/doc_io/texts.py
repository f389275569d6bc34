"""The texts of a document: which file holds which, and whether its bytes are what was saved."""

from __future__ import annotations

from typing import Literal

from doc_io.document import DocumentRow
from doc_io.errors import DamagedDocumentError, MissingTextError
from doc_io.metadata import PARSED_NAME, RAW_NAME, decode_text

Which = Literal["text", "raw", "parsed", "prompt"]
"""Which text of a document: ``text`` is the parsed one where there is one, else the raw one."""


def path_of(row: DocumentRow, which: Which) -> str:
    """The file of a text, relative to the docs root.

    Raises:
        MissingTextError: The document has no such text.
    """
    file = _file(row, which)
    if file == "raw" and row.raw_chars is not None:
        return f"{row.doc_dir}/{RAW_NAME}"
    if file == "parsed" and row.parsed_chars is not None:
        return f"{row.doc_dir}/{PARSED_NAME}"
    if which == "prompt" and row.prompt_path is not None:
        return row.prompt_path
    raise MissingTextError(doc_id=row.doc_id, status=row.status, which=which)


def text_of(row: DocumentRow, which: Which, data: bytes) -> str:
    """The text that the bytes of its file are.

    Raises:
        DamagedDocumentError: They are not what was saved: no UTF-8, or of another length.
    """
    try:
        text = decode_text(data)
    except UnicodeDecodeError:
        raise DamagedDocumentError(
            doc_id=row.doc_id, doc_dir=row.doc_dir, reason=f"its {_file(row, which)} text is not UTF-8"
        ) from None
    chars = _chars(row, which)
    if chars is not None and chars != len(text):
        raise DamagedDocumentError(
            doc_id=row.doc_id,
            doc_dir=row.doc_dir,
            reason=f"its {_file(row, which)} text has {len(text)} characters and not {chars}",
        )
    return text


def gone(row: DocumentRow, which: str, error: FileNotFoundError) -> DamagedDocumentError:
    """The error for a file that should be there."""
    damaged = DamagedDocumentError(
        doc_id=row.doc_id, doc_dir=row.doc_dir, reason=f"the file of its {_file(row, which)} text is gone"
    )
    damaged.__cause__ = error
    return damaged


def _chars(row: DocumentRow, which: Which) -> int | None:
    if which == "prompt":
        return None
    return row.raw_chars if _file(row, which) == "raw" else row.parsed_chars


def _file(row: DocumentRow, which: str) -> str:
    """Which file a text is in: that of ``text`` is the parsed one where there is one, else the raw one."""
    if which != "text":
        return which
    return "raw" if row.parsed_chars is None else "parsed"
