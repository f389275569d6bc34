"""Rows without documents, for questions that only the index answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doc_io import DocumentStore, Parent
from doc_io.document import COLUMNS

_REQUIRED = {"attempt": "1", "status": "ok", "meta_small": {}}


def row(doc_id: str, stage: str, task_id: str, number: int = 0, **columns: object) -> dict[str, Any]:
    """A row; ``number`` says how late it was made, in microseconds. What is not given is not known."""
    known = {"logical_key_id": doc_id, "doc_dir": f"{stage}/{doc_id}/{doc_id}"}
    made = {"created_at": f"2026-01-01T00:00:00.{number:06}Z"}
    given = {"doc_id": doc_id, "stage": stage, "task_id": task_id}
    return dict.fromkeys(COLUMNS[1:]) | _REQUIRED | known | made | given | columns


def insert(store: DocumentStore, rows: Iterable[tuple[Mapping[str, Any], Sequence[Parent]]]) -> None:
    """Put them into the index of a store."""
    store.index.insert_placed(rows)
