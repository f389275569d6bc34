"""A lineage is one query a level, reaches each document once and stops at its limit; the same on both engines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from doc_io import DocumentStore, Parent, reports
from doc_io.cli.main import group
from tests.reports.rows import insert, row
from tests.servers.postgres import Postgres

CHILDREN = 20_000


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def wide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentStore]:
    """One document with 20,000 children."""
    server: Postgres | None = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    folder = tmp_path_factory.mktemp("wide")
    (folder / "docs").mkdir()
    with DocumentStore(
        folder / "docs", None if server else folder / "rows.sqlite", db_url=server.new_database() if server else None
    ) as store:
        children = (
            (row(f"c{n:05}", "child", f"{n}", parent_doc_id="root"), (Parent("root", "given"),))
            for n in range(CHILDREN)
        )
        insert(store, [(row("root", "parent", "t"), ()), *children])
        yield store


def test_twenty_thousand_children_take_a_second(wide: DocumentStore) -> None:
    """All of them, with their edges; four of this process here."""
    started = time.process_time()  # this machine may be busy

    graph = reports.lineage(wide, "root", limit=CHILDREN + 1)

    assert time.process_time() - started < 4
    assert (len(graph.rows), len(graph.edges), graph.complete) == (CHILDREN + 1, CHILDREN, True)
    assert len(graph.children("root")) == CHILDREN


@pytest.mark.parametrize("limit", [1, 10, CHILDREN])
def test_the_limit_holds(wide: DocumentStore, limit: int) -> None:
    """The oldest children are among them."""
    graph = reports.lineage(wide, "root", limit=limit)

    assert len(graph.rows) == limit
    assert [edge.child for edge in graph.edges] == [f"c{n:05}" for n in range(limit - 1)]
    assert not graph.complete


def test_a_limit_that_is_just_enough_is_complete(store: DocumentStore) -> None:
    """One document less is not."""
    first = store.save("1", stage="a", task_id="t").doc_id
    second = store.save("2", stage="b", task_id="t", parents=[first]).doc_id
    store.save("3", stage="c", task_id="t", parents=[second, first])

    assert reports.lineage(store, first, limit=3).complete
    assert not reports.lineage(store, first, limit=2).complete


def test_a_chain_of_diamonds_has_each_edge_once(store: DocumentStore) -> None:
    """Of 2 to the 12th ways through it."""
    top = store.save("top", stage="s", task_id="top").doc_id
    bottom = top
    for level in range(12):
        sides = [store.save(side, stage="s", task_id=f"{level}{side}", parents=[bottom]).doc_id for side in "lr"]
        bottom = store.save("joint", stage="s", task_id=f"{level}", parents=sides).doc_id

    up, down = reports.lineage(store, bottom), reports.lineage(store, top)

    assert len(up.rows) == len(down.rows) == 37
    assert len(up.edges) == len(set(up.edges)) == 48
    assert set(down.edges) == set(up.edges)
    assert up.complete


def test_a_tree_draws_what_is_shared_once(store: DocumentStore, tmp_path: Path) -> None:
    """Its lines grow with the documents and not with the ways between them; the limit holds for them too."""
    bottom = store.save("top", stage="s", task_id="top").doc_id
    for level in range(12):
        sides = [store.save(side, stage="s", task_id=f"{level}{side}", parents=[bottom]).doc_id for side in "lr"]
        bottom = store.save("joint", stage="s", task_id=f"{level}", parents=sides).doc_id
    place = ["--docs-root", store.docs_root, "--db", store.index.name]

    whole = CliRunner().invoke(group, [*place, "lineage", bottom])
    short = CliRunner().invoke(group, [*place, "lineage", bottom, "--limit", "5"])

    assert whole.exit_code == 0, whole.output
    assert len(whole.output.splitlines()) == 1 + 1 + 48
    assert "(see above)" in whole.output
    assert len(short.output.splitlines()) < 10
    found = CliRunner().invoke(group, [*place, "lineage", bottom, "--limit", "5", "--json"])
    assert not json.loads(found.output)["complete"]


def test_a_parent_that_only_the_row_names_is_followed(store: DocumentStore) -> None:
    """And one that is not in the store is an edge without a row."""
    insert(store, [(row("p", "s", "1"), ()), (row("c", "s", "2", parent_doc_id="p"), ())])
    insert(store, [(row("x", "s", "3"), (Parent("lost", "given"),))])

    assert reports.lineage(store, "p").edges == (("p", "c", ""),)
    lost = reports.lineage(store, "x")
    assert (lost.edges, list(lost.rows)) == ((("lost", "x", "given"),), ["x"])
