"""Cost at list price: where the model's price is known, and nowhere else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from doc_io import Document, DocumentStore, Filter, Usage, reports
from doc_io.cli.main import group
from doc_io.prices import price_of
from doc_io.web import app
from tests.servers.postgres import Postgres

FLAT, TIERED = "gpt-4o-2024-08-06", "gemini-2.5-pro"


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocumentStore]:
    """Two answers of a model with one price, two of a model whose long prompts cost more, and others."""
    server: Postgres | None = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    with DocumentStore(tmp_path / "docs", db_url=server.new_database() if server else None) as opened:
        for number, (model, usage) in enumerate(
            [
                (FLAT, Usage(1_000_000, 1000)),
                (FLAT, Usage(1_000_000, 1000)),
                (TIERED, Usage(1000, 1000)),
                (TIERED, Usage(300_000, 1000)),
                ("a model that nobody sells", Usage(10, 10)),
                (None, Usage(10, 10)),
                (FLAT, Usage(10)),
                (FLAT, None),
            ]
        ):
            opened.save(Document("text", model_id=model, usage=usage), stage="draft", task_id=str(number % 2))
        yield opened


def test_a_group_costs_what_its_documents_cost_together(store: DocumentStore) -> None:
    """Long prompts at their own price; a model without a price, and counts that are not known, cost nothing that is known."""
    flat, tiered = price_of(FLAT), price_of(TIERED)
    assert flat is not None
    assert tiered is not None
    assert tiered.of(300_000, 0) > 300 * tiered.of(1000, 0)
    costs = {each.group: each.cost for each in reports.usage(store, "model_id")}

    assert costs == {
        FLAT: pytest.approx(2 * flat.of(1_000_000, 1000)),
        TIERED: pytest.approx(tiered.of(1000, 1000) + tiered.of(300_000, 1000)),
        "a model that nobody sells": None,
        None: None,
    }
    [stage] = reports.usage(store, "stage")
    assert stage.cost == pytest.approx(costs[FLAT] + costs[TIERED])  # type: ignore[operator] # known, as said above
    assert [each.cost for each in reports.usage(store, "stage", Filter(model_id="a model that nobody sells"))] == [None]


def test_a_comparison_has_the_cost_of_each_document(store: DocumentStore) -> None:
    """Of those that have one."""
    flat = price_of(FLAT)
    assert flat is not None
    groups = {each.group: each.cost for each in reports.compare(store, "draft", "model_id", attempts="all")}
    costs = groups[FLAT]

    assert costs is not None
    assert costs.count == 2
    assert costs.median == pytest.approx(flat.of(1_000_000, 1000))
    assert groups[None] is None
    assert groups["a model that nobody sells"] is None


@pytest.mark.parametrize("name", ["openai/gpt-4o", "openrouter/openai/gpt-4o", "gpt-4o"])
def test_a_router_s_name_of_a_model_has_its_price(name: str) -> None:
    assert price_of(name) == price_of("gpt-4o") is not None


@pytest.mark.parametrize(
    "name", ["", "m", "/", "a/b/c", "\ud800", "gpt-4o\x00", "text-embedding-3-small", "x" * 10_000]
)
def test_what_has_no_price_is_not_free(name: str) -> None:
    assert price_of(name) is None


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_command_line_shows_dollars_where_they_are_known(store: DocumentStore) -> None:
    where = ["--docs-root", store.docs_root]
    shown = CliRunner().invoke(group, [*where, "usage"], catch_exceptions=False).output
    compared = CliRunner().invoke(group, [*where, "compare", "draft", "--by", "model"], catch_exceptions=False).output

    assert shown.splitlines()[0].split("\t") == ["model", "documents", "prompt", "completion", "cost_usd", "unpriced"]
    assert f"{FLAT}\t4\t2000010\t2000\t5.02\t2" in shown
    assert "cost_usd" in compared.splitlines()[0]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_sum_says_how_many_documents_it_leaves_out(store: DocumentStore) -> None:
    """In JSON and in a table."""
    where = ["--docs-root", store.docs_root, "usage", "--by", "stage"]
    [said] = json.loads(CliRunner().invoke(group, [*where, "--json"], catch_exceptions=False).output)
    table = CliRunner().invoke(group, where, catch_exceptions=False).output

    assert (said["documents"], said["priced"], said["unpriced"]) == (8, 4, 4)
    assert table.splitlines()[1].split("\t")[1::4] == ["8", "4"]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_page_of_usage_says_how_many_documents_a_sum_leaves_out(store: DocumentStore) -> None:
    """Beside the sum; nothing where it leaves out none."""
    client = TestClient(app(store), base_url="http://localhost")

    assert "without 4 of them, which have no known price" in client.get("/usage?by=day").text
    assert "no known price" not in client.get(f"/usage?by=day&model={TIERED}").text


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_person_is_told_which_prices_are_not_known(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """By model; and a pipe is told nothing."""
    command = [*("--docs-root", store.docs_root), "usage", "--by", "day"]

    assert CliRunner().invoke(group, command, catch_exceptions=False).stderr == ""
    monkeypatch.setattr("doc_io.cli.render.in_terminal", lambda: True)

    def said(*words: str) -> str:
        return CliRunner().invoke(group, [*command, *words], catch_exceptions=False).stderr

    assert said() == "4 of 8 documents have no known price: there is none for a model that nobody sells.\n"
    assert said("--model", "a model that nobody sells").startswith("1 of 1 document has no known price: there is none")
    assert said("--model", FLAT) == "2 of 4 documents have no known price: a model or a token count is not known.\n"
    assert said("--model", TIERED) == ""
    together = CliRunner().invoke(group, command).stdout.splitlines()[-1]
    assert re.fullmatch(r"Together [\d,]+ tokens, [\d.]+ USD at list price\.", together)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_person_without_prices_is_told_how_to_get_them(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once."""
    monkeypatch.setattr("doc_io.cli.render.in_terminal", lambda: True)
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    price_of.cache_clear()
    said = CliRunner().invoke(group, ["--docs-root", store.docs_root, "usage"], catch_exceptions=False)
    price_of.cache_clear()

    assert said.stderr == "What they cost at list price: pip install 'doc-io[prices]'\n"


def test_without_the_library_the_counts_are_the_same(tmp_path: Path) -> None:
    """And no network is needed with it."""
    script = (
        "import socket, sys\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "if sys.argv[2] == 'without': sys.modules['genai_prices'] = None\n"
        "from doc_io import Document, DocumentStore, Usage, reports\n"
        "with DocumentStore(sys.argv[1]) as store:\n"
        "    store.save(Document('x', model_id='gpt-4o', usage=Usage(1000, 100)), stage='s', task_id='t')\n"
        "    [spent] = reports.usage(store)\n"
        "    print(spent[:4], spent.cost)\n"
    )
    said = {}
    for name in ("with", "without"):
        command = [sys.executable, "-c", script, str(tmp_path / name / "docs"), name]
        said[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert said == {"with": "('gpt-4o', 1, 1000, 100) 0.0035", "without": "('gpt-4o', 1, 1000, 100) None"}
