"""The ways to write that are broken at every call: each changes a root and says what was acknowledged, as it is.

Every run of a writer makes the same attempts, so that running it twice is a retry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from doc_io import Document, DocumentRow, DocumentStore, Usage
from doc_io.legacy.backfill import backfill

Acknowledge = Callable[[DocumentRow, str], None]

FULL = Document(
    "the whole answer, ünïcode and \0 included\n" * 40,
    parsed="the answer",
    prompt="write an answer",
    template_id="plain",
    model_id="model-1",
    usage=Usage(10, 20, 30),
    metadata={"provider": {"id": "x"}},
    extras={"notes/../../odd name": "extra", "bytes": b"\0\1"},
)
CUT_SHORT = Document("half an ans", finish_reason="length", template_id="plain", model_id="model-1")


def docs(root: Path) -> Path:
    """The docs root, with folders above it that do not exist yet."""
    return root / "data" / "docs"


def database(root: Path) -> Path:
    """The index, in a folder of its own that does not exist yet."""
    return root / "data" / "db" / "documents.sqlite"


def open_store(root: Path) -> DocumentStore:
    """The store of a root."""
    return DocumentStore(docs(root), database(root))


def save(root: Path, acknowledge: Acknowledge) -> None:
    """A document with every file there is, then a failed one of the same key: of all calls there are new folders and old ones."""
    with open_store(root) as store:
        for attempt, document in enumerate((FULL, CUT_SHORT)):
            row = store.save(document, stage="essay", task_id="one", run_id="run", attempt=str(attempt))
            acknowledge(row, document.raw or "")


def old_files(root: Path) -> None:
    """What a backfill starts from: two versions of a raw text, one of them parsed, and a text of another task."""
    for name, text in (
        ("raw/a_v1.txt", "first"),
        ("raw/a_v2.txt", "second"),
        ("parsed/a_v2.txt", "2"),
        ("raw/b.txt", "x"),
    ):
        kind, _, file = name.partition("/")
        path = root / "old" / "3_generation" / f"draft_responses_{kind}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def backfill_copies(root: Path, acknowledge: Acknowledge) -> None:
    """A backfill of old files, copied."""
    _backfill(root, acknowledge, link=False)


def backfill_links(root: Path, acknowledge: Acknowledge) -> None:
    """A backfill of old files, hard-linked."""
    _backfill(root, acknowledge, link=True)


def _backfill(root: Path, acknowledge: Acknowledge, *, link: bool) -> None:
    with open_store(root) as store:
        report = backfill(store, root / "old", link=link)
        assert not report.bad_files
        rows = list(store.index.scan())
        assert len(rows) == 3
        for row in rows:
            acknowledge(row, store.read(row, "raw"))


BEFORE: dict[str, Callable[[Path], None]] = {"backfill_copies": old_files, "backfill_links": old_files}
"""What a writer's root holds before it begins."""
