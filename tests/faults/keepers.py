"""The ways to write that keep a store in order: each begins with documents that were acknowledged long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from doc_io import Document, DocumentStore, maintenance
from doc_io.maintenance.prune import Policy
from doc_io.maintenance.verify import NOTES
from tests.faults.writers import FULL, Acknowledge, database, docs, open_store

KEPT = {"parent", "child", "latest"}
"""Of the attempts of `a_store`, those that a pruning may not touch."""


def a_store(root: Path) -> None:
    """An old ok document that something was made from, one that nothing was, the latest ok one, and two failures."""
    with open_store(root) as store:
        parent = store.save(FULL, stage="draft", task_id="t", run_id="r", attempt="parent")
        store.save(FULL, stage="draft", task_id="t", run_id="r", attempt="old")
        store.save(
            Document("made of it"), stage="essay", task_id="t", run_id="r", attempt="child", parents=[parent.doc_id]
        )
        for attempt in ("failed 1", "failed 2"):
            store.save(
                Document("half", finish_reason="length"), stage="draft", task_id="t", run_id="r", attempt=attempt
            )
        store.save(FULL, stage="draft", task_id="t", run_id="r", attempt="latest")


def a_source(root: Path) -> None:
    """The same store in another folder, to be copied."""
    a_store(root / "source")


def rows_without(root: Path) -> None:
    """The same documents, all of whose rows are lost, and what a writer left that was killed long ago."""
    a_store(root)
    for path in database(root).parent.iterdir():
        path.unlink()
    (docs(root) / "draft" / "0123456789abcdef" / ".tmp-fedcba9876543210-0000").mkdir(parents=True)


def reindex(root: Path, acknowledge: Acknowledge) -> None:
    """The index is made anew from the files."""
    with open_store(root) as store:
        _acknowledge_all(store, acknowledge)
        assert not maintenance.reindex(store).rejected
        assert store.history("draft", "t")[0].attempt == "latest"


def prune(root: Path, acknowledge: Acknowledge) -> None:
    """All goes that may go."""
    with open_store(root) as store:
        for row in store.index.scan():
            if row.attempt in KEPT:
                acknowledge(row.doc_id, store.read(row, "raw"))
        maintenance.prune(store, Policy(keep_failed=0, grace=timedelta()), dry_run=False)
        assert {row.attempt for row in store.index.scan()} == KEPT


def rename(root: Path, acknowledge: Acknowledge) -> None:
    """A stage gets another name."""
    with open_store(root) as store:
        _acknowledge_all(store, acknowledge)
        if store.history("draft", "t"):  # else the first try did it
            maintenance.rename(store, "draft", "first_draft")
        assert len(store.history("first_draft", "t")) == 5
        assert not [each for each in maintenance.verify(store, grace=0) if each.kind not in NOTES]


def copy(root: Path, acknowledge: Acknowledge) -> None:
    """Every document of one store comes to another."""
    with open_store(root / "source") as source, open_store(root) as target:
        assert not maintenance.copy(source, target).rejected
        _acknowledge_all(target, acknowledge)


def repair(root: Path, acknowledge: Acknowledge) -> None:
    """Documents without rows get them."""
    with open_store(root) as store:
        for _ in maintenance.repair(store, maintenance.verify(store, grace=0), dry_run=False):
            pass
        assert len(list(store.index.scan())) == 6
        _acknowledge_all(store, acknowledge)


def _acknowledge_all(store: DocumentStore, acknowledge: Acknowledge) -> None:
    for row in store.index.scan():
        acknowledge(row.doc_id, store.read(row, "raw"))


BEFORE: dict[str, Callable[[Path], None]] = {
    "reindex": a_store,
    "prune": a_store,
    "rename": a_store,
    "copy": a_source,
    "repair": rows_without,
}
"""What a keeper's root holds before it begins."""
