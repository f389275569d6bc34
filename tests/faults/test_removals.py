"""A pruning meets somebody who sends an old attempt again: what was acknowledged then is not taken away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from doc_io import DocIOError, DocumentRow, DocumentStore, maintenance
from doc_io.index.sqlite import SqliteIndex
from doc_io.maintenance import removal
from doc_io.maintenance.prune import Policy
from doc_io.storage.base import Extent
from doc_io.storage.local import LocalStorage

NOW = Policy(grace=timedelta())
AN_HOUR = Policy(grace=timedelta(hours=1))
IN_VAIN = 1.0  # seconds that a writer is waited for who is kept out
AS_LONG_AS_IT_TAKES = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """With an attempt that a newer one has superseded."""
    with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as opened:
        for attempt in "12":
            save(opened, attempt)
        yield opened


def save(store: DocumentStore, attempt: str) -> DocumentRow:
    """One attempt, made or sent again."""
    return store.save(f"text {attempt}", stage="essay", task_id="t", run_id="r", attempt=attempt)


def prune_while_it_is_sent_again(store: DocumentStore, monkeypatch: pytest.MonkeyPatch, patience: float) -> DocumentRow:
    """Send attempt 1 again just when its row is gone and its files are not; the row that came of it."""
    rows: list[DocumentRow] = []
    writers: list[threading.Thread] = []
    remove_many = LocalStorage.remove_many

    def remove_late(storage: LocalStorage, folders: Sequence[str]) -> None:
        writer = threading.Thread(target=lambda: rows.append(save(store, "1")))
        writers.append(writer)
        writer.start()
        writer.join(patience)
        remove_many(storage, folders)

    monkeypatch.setattr(LocalStorage, "remove_many", remove_late)
    maintenance.prune(store, NOW, dry_run=False)
    [writer] = writers
    writer.join()
    [row] = rows
    return row


def test_an_attempt_sent_again_while_it_is_pruned_is_there_afterwards(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer waits for the removal, and then writes it anew."""
    row = prune_while_it_is_sent_again(store, monkeypatch, IN_VAIN)

    assert store.get(row.doc_id) == row
    assert store.read(row) == "text 1"


def test_without_turns_it_would_be_lost(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(SqliteIndex, "repair_lock", lambda _: nullcontext())
    row = prune_while_it_is_sent_again(store, monkeypatch, AS_LONG_AS_IT_TAKES)

    with pytest.raises(DocIOError):
        store.read(row)


def end_a_removal_while_it_is_written_anew(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> DocumentRow:
    """A pruning was killed before its tombstone went; the attempt's files are there again, its row is about to be."""
    [first] = [row for row in store.history("essay", "t") if row.attempt == "1"]
    store.storage.put(".doc_io/removals/interrupted", json.dumps([[first.doc_id, first.doc_dir]]).encode())
    store.index.remove([first.doc_id])
    store.storage.remove(first.doc_dir)
    insert, ended = SqliteIndex.insert, list[bool]()

    def insert_late(index: SqliteIndex, rows: Sequence[Any]) -> list[DocumentRow]:
        if not ended:
            ended.append(True)
            maintenance.prune(store, AN_HOUR, dry_run=False)
        return insert(index, rows)

    monkeypatch.setattr(SqliteIndex, "insert", insert_late)
    return save(store, "1")


def test_the_end_of_an_interrupted_removal_spares_what_is_being_written_anew(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are younger than the grace period, though it has no row yet."""
    row = end_a_removal_while_it_is_written_anew(store, monkeypatch)

    assert store.read(row) == "text 1"
    assert removal.under_way(store.storage) == []


def test_without_a_look_at_its_age_it_would_be_lost(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(LocalStorage, "extents", lambda _storage, folders: [Extent(1.0, 0)] * len(folders))  # 1970
    row = end_a_removal_while_it_is_written_anew(store, monkeypatch)

    with pytest.raises(DocIOError):
        store.read(row)
