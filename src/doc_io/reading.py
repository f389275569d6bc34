"""The texts of a document: which file holds which, and whether its bytes are what was saved."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from doc_io.commit_record import PARSED_NAME, RAW_NAME, decode_text
from doc_io.document import DocumentRow
from doc_io.errors import DamagedDocumentError, MissingTextError

if TYPE_CHECKING:
    from upath import UPath

    from doc_io.store import DocumentStore

Which = Literal["text", "raw", "parsed", "prompt"]
"""Which text of a document: ``text`` is the parsed one where there is one, else the raw one."""


class StoredDocument:
    """What an input may be annotated with, to get more of a document than its text.

    Each text is read at its first use and kept as long as the object is; until then it costs no more than the row.
    A document that has lost a file raises `DamagedDocumentError` at that use.

    Attributes:
        row: The row of the index.
    """

    def __init__(self, store: DocumentStore, row: DocumentRow) -> None:
        self.row = row
        self._store = store

    @property
    def doc_id(self) -> str:
        """This version."""
        return self.row.doc_id

    @property
    def doc_dir(self) -> UPath:
        """Its folder, to open or to list."""
        return self._store.resolve_doc_dir(self.row)

    @cached_property
    def text(self) -> str:
        """The parsed text where there is one, else the raw one."""
        return self._store.read(self.row)

    @cached_property
    def raw(self) -> str | None:
        """The model's whole answer; ``None`` where there is none."""
        return None if self.row.raw_chars is None else self._store.read(self.row, "raw")

    @cached_property
    def parsed(self) -> str | None:
        """The parsed text; ``None`` where there is none."""
        return None if self.row.parsed_chars is None else self._store.read(self.row, "parsed")

    @cached_property
    def prompt(self) -> str | None:
        """The prompt that made it; ``None`` where it is not known."""
        return None if self.row.prompt_path is None else self._store.read(self.row, "prompt")

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the writer attached, from the commit record."""
        return dict(self._store.record(self.row).metadata)

    def __repr__(self) -> str:
        row = self.row
        return (
            f"StoredDocument({row.doc_id!r}, stage={row.stage!r}, task_id={row.task_id!r}, status={row.status.value!r})"
        )


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


def missing_file_error(row: DocumentRow, which: str, error: FileNotFoundError) -> DamagedDocumentError:
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
