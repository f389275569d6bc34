"""Documents with thousands of relatives, thousands of pins: a page of them is shown, and the index is asked as often as for few."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from doc_io import DocumentRow, DocumentStore, Origin, Parent, maintenance
from doc_io.cli.main import group

MANY = 2_000

Ask = Callable[..., tuple[int, Result]]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DocumentStore]:
    """A store at the default place of the working folder, looked at in a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with DocumentStore(tmp_path / "data" / "docs", tmp_path / "data" / "db" / "documents.sqlite") as opened:
        yield opened


@pytest.fixture
def ask(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """``doc-io`` in a terminal, with the number of queries that SQLite says it ran."""
    asked: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(asked.append)
        return connection

    def call(*words: str) -> tuple[int, Result]:
        asked.clear()
        said = CliRunner().invoke(group, list(words), catch_exceptions=False)
        return sum("FROM documents" in each for each in asked), said

    monkeypatch.setattr(sqlite3, "connect", traced)
    monkeypatch.setattr("doc_io.cli.render.in_terminal", lambda: True)
    return call


def copies(store: DocumentStore, row: DocumentRow, ids: list[str], parents: Sequence[Parent] = ()) -> None:
    """Rows like one that is there, under other ids and tasks; they have no files."""
    store.index.insert_placed(({**row.as_dict(), "doc_id": each, "task_id": each}, parents) for each in ids)


def many(store: DocumentStore, count: int) -> list[str]:
    """So many rows, whose ids differ from the fifth character on."""
    ids = [f"{number:05}" + "a" * 11 for number in range(count)]
    copies(store, store.save("text", stage="draft", task_id="t"), ids)
    return ids


def test_of_thousands_of_parents_and_children_a_page_is_shown(store: DocumentStore, ask: Ask) -> None:
    """And the index is asked no more often than for one of each."""
    parents = many(store, MANY)
    read = tuple(Parent(each, "drafts") for each in parents)
    essay = store.save_many([("essay", Origin("essay", "t", parents=read))])[0]
    copies(store, essay, [f"{n:05}" + "b" * 11 for n in range(MANY)], parents=[Parent(essay.doc_id)])
    few = store.save("score", stage="note", task_id="t", parents=[essay.doc_id])
    store.save("score", stage="note", task_id="u", parents=[few.doc_id])

    asked_for_many, said = ask("show", essay.doc_id)
    asked_for_one, _ = ask("show", few.doc_id)

    assert asked_for_many == asked_for_one < 10
    assert said.stdout.count("  drafts\n") == 50
    assert said.stdout.count("\n") < 130
    assert "There are more parents and children: with --json, or into a pipe." in said.stderr
    whole = json.loads(ask("show", essay.doc_id, "--json")[1].stdout)
    assert (len(whole["parents"]), len(whole["children"])) == (MANY, MANY + 1)


def test_thousands_of_pins_are_one_query(store: DocumentStore, ask: Ask) -> None:
    """Each with its short id."""
    ids = many(store, MANY)
    maintenance.pin(store, ids[0])
    asked_for_one, _ = ask("pins")
    for each in ids:  # not by `pin`, which waits for the disk
        (Path(store.docs_root) / ".doc_io" / "pins" / each).write_text('{"note": "good"}')

    asked_for_many, said = ask("pins")

    assert asked_for_many == asked_for_one < 6
    assert [line.split()[0] for line in said.stdout.splitlines() if line.endswith("good")] == [each[:6] for each in ids]


def test_ids_are_as_long_as_the_most_alike_need(store: DocumentStore, ask: Ask) -> None:
    """Also where the one that is alike is not shown; and what is shown can be typed."""
    ids = ["abcdefg1aaaaaaaa", "abcdefg2aaaaaaaa", "zzzzzzzzzzzzzzzz"]
    copies(store, store.save("text", stage="draft", task_id="t"), ids)
    maintenance.pin(store, ids[0])
    maintenance.pin(store, ids[2])

    shown = [line.split()[0] for line in ask("pins")[1].stdout.splitlines() if "draft" in line]

    assert shown == ["abcdefg1", "zzzzzzzz"]
    assert [store.find(each).doc_id for each in shown] == [ids[0], ids[2]]


def test_the_id_of_what_is_not_in_the_store_is_shown_whole(store: DocumentStore, ask: Ask) -> None:
    """A start of it could be that of another; the others are short all the same."""
    missing = "abcdef0000000000"
    copies(store, store.save("text", stage="draft", task_id="t"), ["abcdefg1aaaaaaaa"])
    for each in ("abcdefg1aaaaaaaa", missing):
        store.storage.put(f".doc_io/pins/{each}", b"{}")

    lines = ask("pins")[1].stdout.splitlines()

    assert [line.split()[0] for line in lines[-2:]] == [missing, "abcdef"]


def test_of_many_groups_of_usage_a_terminal_shows_those_with_most_tokens(store: DocumentStore, ask: Ask) -> None:
    """The sum is over all."""
    row = store.save("text", stage="draft", task_id="t")
    rows = [{**row.as_dict(), "doc_id": f"{n:016}", "run_id": f"run-{n}", "usage_prompt_tokens": n} for n in range(80)]
    store.index.insert_placed((each, []) for each in rows)

    said = ask("usage", "--by", "run")[1]

    assert "run-31" in said.stdout
    assert "run-29 " not in said.stdout
    assert f"Together {sum(range(80)):,} tokens." in said.stdout
    assert "Of 31 more with fewer tokens only the sum is shown (-n)." in said.stderr
    assert "run-29 " in ask("usage", "--by", "run", "-n", "60")[1].stdout
