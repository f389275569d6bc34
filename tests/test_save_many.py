"""Many documents at once: the same promises as one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from doc_io import Document, DocumentStore, InvalidDocumentError, Origin
from doc_io.index.sqlite import SqliteIndex


def origin(task_id: str, attempt: str = "step") -> Origin:
    """Where a draft of a run comes from; its attempt has a name, so that it can be sent again."""
    return Origin(stage="draft", task_id=task_id, run_id="run", attempt=attempt)


def documents_in(store: DocumentStore) -> int:
    """How many documents lie on disk."""
    return sum(1 for _ in Path(store.docs_root).rglob("metadata.json"))


def test_the_rows_come_back_in_the_order_given(store: DocumentStore) -> None:
    """Whoever sent the texts can tell which row is whose."""
    rows = store.save_many([(f"text {number}", origin(f"t{number}")) for number in range(20)])

    assert [row.task_id for row in rows] == [f"t{number}" for number in range(20)]
    assert [store.read(row) for row in rows] == [f"text {number}" for number in range(20)]


def test_more_documents_than_may_be_open_at_a_time_are_all_written(store: DocumentStore) -> None:
    """They are made durable in batches of a bounded number of files."""
    document = Document("raw", parsed="parsed", prompt="prompt", extras={"a": "1", "b": "2"})

    store.save_many([(document, origin(f"t{number}")) for number in range(70)])

    assert documents_in(store) == 70
    assert len(store.latest_many("draft", [f"t{number}" for number in range(70)])) == 70


def test_the_same_attempts_sent_again_are_the_same_documents(store: DocumentStore) -> None:
    """A run that is repeated after a lost connection must not double its documents."""
    sent = [("a", origin("t1")), ("b", origin("t2"))]
    first = store.save_many(sent)

    assert store.save_many([*sent, ("c", origin("t3"))])[:2] == first
    assert documents_in(store) == 3


def test_an_attempt_twice_in_one_call_is_one_document(store: DocumentStore) -> None:
    """As it is in two calls."""
    one, other = store.save_many([("a", origin("t")), ("a", origin("t"))])

    assert one == other
    assert documents_in(store) == 1


def test_another_text_under_the_same_attempt_is_another_document(store: DocumentStore) -> None:
    """Both were paid for."""
    rows = store.save_many([("a", origin("t")), ("b", origin("t"))])

    assert [store.read(row) for row in rows] == ["a", "b"]
    assert store.history("draft", "t") == rows[::-1]


def test_a_batch_asks_the_index_once_for_all_heads(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks it has: one question, one transaction."""
    asked: list[str] = []

    def counted(name: str) -> None:
        method = getattr(SqliteIndex, name)

        def ask(index: SqliteIndex, given: object) -> object:
            asked.append(name)
            return method(index, given)

        monkeypatch.setattr(SqliteIndex, name, ask)

    counted("heads")
    counted("insert")
    store.save_many([(str(number), origin(f"t{number % 7}", str(number))) for number in range(50)])

    assert asked == ["heads", "insert"]


def test_versions_of_one_task_in_one_call_follow_each_other(store: DocumentStore) -> None:
    """Time and lineage are those of the order given, as if each had been saved alone."""
    rows = store.save_many([(text, origin("t", attempt=text)) for text in ("a", "b", "c")])

    assert store.history("draft", "t") == rows[::-1]
    assert [row.lineage_prev_doc_id for row in rows] == [None, rows[0].doc_id, rows[1].doc_id]
    assert rows[0].created_at < rows[1].created_at < rows[2].created_at


def test_a_document_that_cannot_be_stored_keeps_all_of_them_out(store: DocumentStore) -> None:
    """Every one is checked before the first is written."""
    with pytest.raises(InvalidDocumentError):
        store.save_many([("a", origin("t1")), ("b", origin("t2\0"))])

    assert documents_in(store) == 0


def test_nothing_to_save_is_nothing_saved(store: DocumentStore) -> None:
    """A run over no partitions is no error."""
    assert store.save_many([]) == []
