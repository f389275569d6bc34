"""The ways to write that are broken at every call: each changes a root and says what was acknowledged, as it is.

Every run of a writer makes the same attempts, so that running it twice is a retry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from doc_io import DocIOError, Document, DocumentStore, Parent, Usage, maintenance
from doc_io.legacy.backfill import backfill
from doc_io.writing.draft import Origin, make_draft, make_drafts
from doc_io.writing.spool import spool as keep
from doc_io.writing.spool import spooled

Acknowledge = Callable[[str, str], None]
"""Told the doc_id and the raw text of what is safe from now on."""

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
PARENTS = [Parent(f"{n:016}", "drafts") for n in range(100)]
"""What both are made from: a list that the index has once."""
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
            row = store.save(
                document, stage="essay", task_id="one", run_id="run", attempt=str(attempt), parents=PARENTS
            )
            acknowledge(row.doc_id, document.raw or "")


def a_store(root: Path) -> None:
    """A store with a document."""
    with open_store(root) as store:
        store.save("the first", stage="essay", task_id="zero", run_id="run", attempt="0")


def save_more(root: Path, acknowledge: Acknowledge) -> None:
    """The same in a store that has a document: an index that loses its last commits can be opened, and lacks them."""
    save(root, acknowledge)


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
            acknowledge(row.doc_id, store.read(row, "raw"))


def spool_folder(root: Path) -> Path:
    """Where texts wait, in a folder that does not exist yet."""
    return root / "machine" / "spool"


def of(attempt: str) -> Origin:
    """Where a spooled document comes from."""
    return Origin(stage="essay", task_id="one", run_id="run", attempt=attempt)


def spool(root: Path, acknowledge: Acknowledge) -> None:
    """Two documents of one step are kept while the store is away, then one of another step."""
    with open_store(root) as store:
        for attempts in (("0", "1"), ("2",)):
            documents = [(FULL if attempt == "0" else CUT_SHORT, of(attempt)) for attempt in attempts]
            keep(spool_folder(root), make_drafts(documents), owner=store.owner)
            for document, origin in documents:
                acknowledge(make_draft(document, origin).doc_id, document.raw or "")


def a_spool(root: Path) -> None:
    """Three texts that wait; one of them was filed already by a recovery that was killed then."""
    spool(root, lambda *_: None)
    with open_store(root) as store:
        store.save_many([(CUT_SHORT, of("1"))])


def recover(root: Path, acknowledge: Acknowledge) -> None:
    """What waits is filed; all of it was acknowledged when it was spooled."""
    for attempt in "012":
        document = FULL if attempt == "0" else CUT_SHORT
        acknowledge(make_draft(document, of(attempt)).doc_id, document.raw or "")
    with open_store(root) as store:
        for filed in maintenance.recover(store, spool_folder(root)):
            if filed.error is not None:
                raise DocIOError(reason=filed.error)
        assert {row.attempt for row in store.history("essay", "one")} == set("012")
        assert spooled(spool_folder(root)) == 0


BEFORE: dict[str, Callable[[Path], None]] = {
    "backfill_copies": old_files,
    "backfill_links": old_files,
    "recover": a_spool,
    "save_more": a_store,
}
"""What a writer's root holds before it begins."""
