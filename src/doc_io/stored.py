"""A document to read: its row at once, its texts when they are asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upath import UPath

    from doc_io.document import DocumentRow
    from doc_io.store import DocumentStore


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
