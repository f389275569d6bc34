"""Documents that were made before they are saved: `created_at` of `save` and `save_many`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from doc_io import DocumentStore, Origin, maintenance
from doc_io.errors import InvalidDocumentError

OLD = "2024-01-31T12:00:00.000000Z"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store."""
    with DocumentStore(tmp_path / "docs", tmp_path / "documents.sqlite") as store:
        yield store


@pytest.mark.parametrize(
    "given",
    [
        OLD,
        "2024-01-31T13:00:00+01:00",
        datetime(2024, 1, 31, 12, tzinfo=timezone.utc),
        datetime(2024, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_an_import_has_the_time_that_it_is_given(store: DocumentStore, given: str | datetime) -> None:
    """In UTC, in the form of every other row."""
    assert store.save("old", stage="draft", task_id="t", created_at=given).created_at == OLD


def test_an_old_document_does_not_hide_a_newer_one(store: DocumentStore) -> None:
    """And it has its place in the history, whichever came first into the store."""
    new = store.save("new", stage="draft", task_id="t")
    middle = store.save("middle", stage="draft", task_id="t", created_at="2024-06-01T00:00:00Z")
    old = store.save("old", stage="draft", task_id="t", created_at=OLD)

    assert store.latest("draft", "t") == new
    assert [row.doc_id for row in store.history("draft", "t")] == [new.doc_id, middle.doc_id, old.doc_id]
    assert (old.lineage_prev_doc_id, store.latest("draft", "t", as_of=OLD)) == (None, old)


def test_what_is_saved_after_an_import_comes_after_it(store: DocumentStore) -> None:
    old = store.save("old", stage="draft", task_id="t", created_at=OLD)
    new = store.save("new", stage="draft", task_id="t")

    assert new.lineage_prev_doc_id == old.doc_id


def test_several_of_one_task_come_in_the_order_of_their_times(store: DocumentStore) -> None:
    """Those of one moment in the order given."""
    origins = [Origin("draft", "t", created_at=created_at) for created_at in ("2024-06-01T00:00:00Z", OLD, OLD, None)]
    rows = store.save_many(zip(["c", "a", "b", "d"], origins, strict=True))

    history = store.history("draft", "t")
    assert [store.read(row) for row in reversed(history)] == ["a", "b", "c", "d"]
    assert [row.doc_id for row in store.history("draft", "t")[:-1]] == [rows[3].doc_id, rows[0].doc_id, rows[2].doc_id]
    assert [row.lineage_prev_doc_id for row in history[1:]] == [rows[2].doc_id, rows[1].doc_id, None]


def test_an_import_that_is_run_again_adds_nothing(store: DocumentStore) -> None:
    """The same attempt with the same content is one document."""
    first = store.save("old", stage="draft", task_id="t", created_at=OLD, run_id="import", attempt="1")

    again = store.save("old", stage="draft", task_id="t", created_at=OLD, run_id="import", attempt="1")

    assert again == first
    assert len(store.history("draft", "t")) == 1


def test_a_rebuilt_index_has_the_same_times_and_places(store: DocumentStore) -> None:
    store.save("new", stage="draft", task_id="t")
    store.save("old", stage="draft", task_id="t", created_at=OLD)
    before = [row.as_dict() for row in store.history("draft", "t")]

    maintenance.reindex(store)

    assert [{**row.as_dict(), "seq": 0} for row in store.history("draft", "t")] == [{**row, "seq": 0} for row in before]
    assert list(maintenance.verify(store)) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("2024-01-31T12:00:00", "no zone"),
        ("yesterday", "created_at"),
        ("2999-01-01T00:00:00Z", "in the future"),
        (17, "created_at"),
    ],
)
def test_a_time_that_cannot_be_is_refused_before_anything_is_written(
    store: DocumentStore, given: object, says: str
) -> None:
    with pytest.raises(InvalidDocumentError, match=says):
        store.save("old", stage="draft", task_id="t", created_at=given)  # type: ignore[arg-type] # that is the point

    assert store.history("draft", "t") == []
