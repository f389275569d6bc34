"""Reuse: an asset may return the document that is stored already, instead of paying for another one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from doc_io.document import OK, Document, DocumentRow

if TYPE_CHECKING:
    from doc_io.dagster.identity import OutputInfo
    from doc_io.reading import StoredDocument
    from doc_io.store import DocumentStore

FORCE_TAG = "doc_io/force"
"""The run tag that makes every asset generate anew: ``true`` for all, or the names of stages with commas between."""


@dataclasses.dataclass(frozen=True)
class ReusedDocument(Document):
    """A stored document that an asset returns as it is: nothing is written for it.

    Attributes:
        row: Its row in the index.
    """

    row: DocumentRow = dataclasses.field(kw_only=True)

    @classmethod
    def of(cls, stored: StoredDocument) -> ReusedDocument:
        """A stored document as something that an asset may return."""
        row = stored.row
        return cls(
            stored.raw,
            parsed=stored.parsed,
            prompt=stored.prompt,
            status=row.status,
            template_id=row.template_id,
            model_id=row.model_id,
            parent_doc_id=row.parent_doc_id,
            usage=row.usage,
            row=row,
        )


def find_reusable(
    store: DocumentStore, output: OutputInfo, key: str, task_id: str, prompt: str | None
) -> ReusedDocument | None:
    """The newest ok document of a logical key and task, unless the run's tag asks for a new one.

    Args:
        store: Where to look.
        output: What Dagster knows of the output.
        key: The logical key.
        task_id: What it was made for; two tasks with one parent share a logical key.
        prompt: What it must have been made from, to the letter. Default: any prompt.
    """
    forced = output.tags.get(FORCE_TAG, "")
    if forced.lower() in ("true", "1", "yes") or output.stage in (name.strip() for name in forced.split(",")):
        return None
    row = store.index.latest_by_logical(key, OK)
    if row is not None and row.task_id != task_id:
        row = next((each for each in store.history(output.stage, task_id) if _fits(each, key)), None)
    if row is None:
        return None
    stored = store.stored(row)
    return ReusedDocument.of(stored) if prompt is None or prompt == stored.prompt else None


def _fits(row: DocumentRow, key: str) -> bool:
    return row.status in OK and row.logical_key_id == key
