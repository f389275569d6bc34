"""What was renamed after a backfill is known again by the next one."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from doc_io import Document, DocumentStore, maintenance
from doc_io.legacy import backfill, backfill_pickles
from tests.legacy.test_backfill import put


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    """A store with one old draft, whose asset was renamed afterwards."""
    store = DocumentStore(tmp_path / "docs")
    put(tmp_path / "old", "3_generation/draft_responses_raw/t_v1.txt", "raw 1")
    backfill(store, tmp_path / "old")
    return store


def texts(store: DocumentStore) -> list[tuple[str, str, str]]:
    """Stage, task and text of each document."""
    return sorted((row.stage, row.task_id, store.read(row)) for row in store.index.scan())


@pytest.mark.parametrize("new", [("first", None), ("draft", "u"), ("first", "u")])
def test_a_file_that_came_since_is_filed_and_the_renamed_one_is_not_filed_again(
    store: DocumentStore, tmp_path: Path, new: tuple[str, str | None]
) -> None:
    """A parsed text is paired with the newest raw one, which is there under its new name."""
    stage, task = new
    maintenance.rename(store, "draft", stage, task_id=None if task is None else "t", new_task_id=task)
    put(tmp_path / "old", "3_generation/draft_responses/t_v1.txt", "parsed 1")
    backfill(store, tmp_path / "old")
    put(tmp_path / "old", "3_generation/draft_responses_raw/t_v2.txt", "raw 2", time=1_700_000_500)
    backfill(store, tmp_path / "old")

    assert backfill(store, tmp_path / "old").documents == 0
    assert texts(store) == sorted([(stage, task or "t", "raw 1"), ("draft", "t", "parsed 1"), ("draft", "t", "raw 2")])
    assert list(maintenance.verify(store, full=True)) == []


def test_what_is_written_beside_a_legacy_file_and_renamed_is_not_filed_again(tmp_path: Path) -> None:
    """As ``rollout`` writes it: known by the version and the hash of the file."""
    store = DocumentStore(tmp_path / "docs")
    put(tmp_path / "old", "3_generation/draft_responses_raw/t_v1.txt", "both")
    row = store.save(Document("both", metadata={"legacy_raw_version": 1}), stage="draft", task_id="t")
    maintenance.rename(store, "draft", "first")

    assert backfill(store, tmp_path / "old").documents == 0
    assert [each.doc_id for each in store.index.scan()] == [row.doc_id]


def test_the_pickle_of_a_renamed_asset_is_not_filed_again(tmp_path: Path) -> None:
    """Its task was its key, and changed with it."""
    store = DocumentStore(tmp_path / "docs")
    (tmp_path / "pickles").mkdir()
    (tmp_path / "pickles" / "draft").write_bytes(pickle.dumps("a text"))
    backfill_pickles(store, tmp_path / "pickles")
    maintenance.rename(store, "draft", "first")

    assert backfill_pickles(store, tmp_path / "pickles").documents == 0
    assert texts(store) == [("first", "first", "a text")]
