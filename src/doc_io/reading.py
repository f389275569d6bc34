"""Reading a document: which file holds which text, and whether its bytes are what was saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from doc_io.commit_record import (
    PARSED_NAME,
    RAW_NAME,
    RECORD_NAME,
    CommitRecord,
    CommitRecordError,
    decode,
    decode_text,
)
from doc_io.document import DocumentRow
from doc_io.errors import DamagedDocumentError, MissingTextError
from doc_io.storage.base import Storage

if TYPE_CHECKING:
    from upath import UPath


Which = Literal["text", "raw", "parsed", "prompt"]
"""Which text of a document: ``text`` is the parsed one where there is one, else the raw one."""


class StoredDocument:
    """What an input may be annotated with, to get more of a document than its text.

    Each text is read at its first use and kept as long as the object is; until then it costs no more than the row.
    A document that has lost a file raises `DamagedDocumentError` at that use.

    Args:
        row: The row of the index.
        storage: Where its files are.
    """

    def __init__(self, row: DocumentRow, storage: Storage) -> None:
        self.row = row
        self._storage = storage

    @property
    def doc_id(self) -> str:
        """This version."""
        return self.row.doc_id

    @property
    def doc_dir(self) -> UPath:
        """Its folder, to open or to list."""
        return self._storage.upath(self.row.doc_dir)

    @cached_property
    def text(self) -> str:
        """The parsed text where there is one, else the raw one."""
        return read_text(self._storage, self.row)

    @cached_property
    def raw(self) -> str | None:
        """The model's whole answer; ``None`` where there is none."""
        return None if self.row.raw_chars is None else read_text(self._storage, self.row, "raw")

    @cached_property
    def parsed(self) -> str | None:
        """The parsed text; ``None`` where there is none."""
        return None if self.row.parsed_chars is None else read_text(self._storage, self.row, "parsed")

    @cached_property
    def prompt(self) -> str | None:
        """The prompt that made it; ``None`` where it is not known."""
        return None if self.row.prompt_path is None else read_text(self._storage, self.row, "prompt")

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the writer attached, from the commit record."""
        return dict(read_record(self._storage, self.row).metadata)

    def __repr__(self) -> str:
        row = self.row
        return (
            f"StoredDocument({row.doc_id!r}, stage={row.stage!r}, task_id={row.task_id!r}, status={row.status.value!r})"
        )


def read_bytes(storage: Storage, row: DocumentRow, which: Which = "text") -> bytes:
    """The bytes of a text's file; errors as for `read_text`."""
    try:
        return storage.read(path_of(row, which))
    except FileNotFoundError as error:
        raise missing_file_error(row, which, error) from None


def read_text(storage: Storage, row: DocumentRow, which: Which = "text") -> str:
    """A text of a document, exactly as it was saved.

    Raises:
        MissingTextError: It has no such text.
        DamagedDocumentError: The file is missing, or is not what was saved.
    """
    return text_of(row, which, read_bytes(storage, row, which))


def read_texts(storage: Storage, rows: Iterable[DocumentRow], which: Which = "text") -> dict[str, str]:
    """The texts of many documents by doc_id, read the fastest way this storage has; errors as for `read_text`."""
    requested = list(rows)
    texts = {}
    for row, data in zip(requested, storage.read_many([path_of(row, which) for row in requested]), strict=True):
        if isinstance(data, bytes):
            texts[row.doc_id] = text_of(row, which, data)
        elif isinstance(data, FileNotFoundError):
            raise missing_file_error(row, which, data)
        else:
            raise data
    return texts


def read_files(
    storage: Storage, rows: Iterable[DocumentRow], texts: Sequence[Which]
) -> Iterator[tuple[DocumentRow, list[bytes | OSError | None]]]:
    """The files of several texts of many documents, one document after the other.

    Args:
        storage: Where they are.
        rows: Which documents.
        texts: Which texts of each.

    Yields:
        A row with the bytes of each text, or why it cannot be read; ``None`` for a text that the document does not have.
    """
    paths = [(row, [_path_or_none(row, which) for which in texts]) for row in rows]
    files = storage.read_many([path for _, of_row in paths for path in of_row if path is not None])
    for row, of_row in paths:
        yield row, [None if path is None else next(files) for path in of_row]


def read_record(storage: Storage, row: DocumentRow) -> CommitRecord:
    """The commit record of a document, as it is on disk.

    Raises:
        DamagedDocumentError: It is missing or not valid.
    """
    try:
        return decode(storage.read(f"{row.doc_dir}/{RECORD_NAME}"))
    except FileNotFoundError as error:
        raise missing_file_error(row, RECORD_NAME, error) from None
    except CommitRecordError as error:
        raise DamagedDocumentError(doc_id=row.doc_id, doc_dir=row.doc_dir, reason=error) from None


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
    lengths = {"raw": row.raw_chars, "parsed": row.parsed_chars, "prompt": row.prompt_path}
    existing = ", ".join(name for name, value in lengths.items() if value is not None)
    hint = f"What it has: {existing}." if existing else "It has no text at all."
    named = which if which == "text" else f"{which} text"
    raise MissingTextError(doc_id=row.doc_id, status=row.status, which=named, hint=hint)


def _path_or_none(row: DocumentRow, which: Which) -> str | None:
    try:
        return path_of(row, which)
    except MissingTextError:
        return None


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
        doc_id=row.doc_id, doc_dir=row.doc_dir, reason=f"the file of its {_file(row, which)} text is missing"
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
