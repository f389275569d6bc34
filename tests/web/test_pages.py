"""What each page says, as HTML, JSON and CSV."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from doc_io import Document, DocumentRow, DocumentStore, Status
from doc_io.index.base import Filter
from doc_io.index.sql_index import Index
from doc_io.index.sqlite_file import SqliteFile
from doc_io.maintenance import prune, reindex
from doc_io.maintenance.prune import Policy
from doc_io.web import app
from doc_io.writing.draft import Origin
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.s3 import S3


def pages_of(store: DocumentStore) -> TestClient:
    return TestClient(app(store), base_url="http://localhost")


def newest(store: DocumentStore, **wanted: object) -> DocumentRow:
    return store.select(Filter(**wanted), limit=1)[0]  # type: ignore[arg-type]  # names of its fields


def addresses(store: DocumentStore) -> list[str]:
    row = newest(store, stage="essay")
    old, new = store.history("essay", row.task_id)[1], row
    runs = "run=run-0817-night&run=run-0902-retry"
    return [
        "/", "/?by=model", "/?q=winter", f"/d/{row.doc_id}", f"/d/{row.doc_id}?as=markdown", f"/d/{row.doc_id}/story",
        f"/t/essay/{row.task_id}", f"/compare?a={old.doc_id}&b={new.doc_id}", f"/compare?{runs}", "/failures", "/scores",
        "/scores?by=essay.template_id&group=essay-v1", "/search?q=winter", "/usage", "/usage?by=run",
    ]  # fmt: skip


def test_every_page_is_there_as_html_and_json(client: TestClient, example: DocumentStore) -> None:
    for address in addresses(example):
        path, _, query = address.partition("?")
        page = client.get(address)
        data = client.get(f"{'/board' if path == '/' else path}.json?{query}")

        assert (address, page.status_code, data.status_code) == (address, 200, 200)
        assert len(page.content) < 100_000
        assert data.json()


def test_a_tab_says_which_page_it_is(client: TestClient, example: DocumentStore) -> None:
    row = newest(example, stage="essay")
    titles = {
        f"/d/{row.doc_id}": f"{row.task_id} · essay",
        f"/d/{row.doc_id}/story": f"Story of {row.task_id}",
        f"/t/essay/{row.task_id}": f"{row.task_id} · essay",
        "/search?q=winter": "Search: winter",
        "/usage": "Usage",
    }

    for address, title in titles.items():
        assert f"<title>{title} · doc_io</title>" in client.get(address).text


def test_a_table_is_there_as_csv(client: TestClient) -> None:
    lines = list(csv.DictReader(io.StringIO(client.get("/board.csv?stage=essay").text)))

    assert {line["stage"] for line in lines} == {"essay"}


def test_the_script_is_small(client: TestClient) -> None:
    assert len(client.get("/static/page.js").content) < 15_000


def test_the_board_shows_what_is_not_ok_first(store: DocumentStore) -> None:
    store.save(Document("cut", finish_reason="length"), stage="essay", task_id="bad")
    store.save("fine", stage="essay", task_id="good")

    tasks = pages_of(store).get("/board.json").json()["tasks"]

    assert [each["task_id"] for each in tasks] == ["bad", "good"]


def test_the_board_says_that_an_older_ok_document_is_served(store: DocumentStore) -> None:
    good = store.save("fine", stage="essay", task_id="t")
    store.save(Document("cut", finish_reason="length"), stage="essay", task_id="t")

    cell = pages_of(store).get("/board.json").json()["tasks"][0]["cells"][0]

    assert (cell["document"]["status"], cell["served"]) == ("truncated", good.doc_id)


def test_the_board_says_that_a_parent_was_made_anew(store: DocumentStore) -> None:
    parent = store.save("one", stage="draft", task_id="t")
    store.save("essay", stage="essay", task_id="t", parents=[parent.doc_id])
    store.save("two", stage="draft", task_id="t")

    page = pages_of(store)

    assert [cell["stale"] for cell in page.get("/board.json?stage=essay").json()["tasks"][0]["cells"]] == [True]
    assert "its parent was made anew" in page.get("/").text


def test_columns_of_one_stage_stand_together(store: DocumentStore) -> None:
    for model in ("m1", "m2"):
        for stage in ("draft", "essay"):
            store.save(Document(f"{stage} {model}", model_id=model), stage=stage, task_id=model)

    columns = pages_of(store).get("/board.json?by=model").json()["columns"]

    assert [(each["stage"], each["value"]) for each in columns] == [
        ("draft", "m1"),
        ("draft", "m2"),
        ("essay", "m1"),
        ("essay", "m2"),
    ]


@pytest.mark.parametrize(
    ("query", "tasks"),
    [
        ("status=parse_error", ["b"]),
        ("task=b", ["b"]),
        ("model=m1", ["a"]),
        ("q=whale", ["a"]),
        ("since=1h", ["a", "b"]),
    ],
)
def test_the_board_is_filtered_by_its_address(store: DocumentStore, query: str, tasks: list[str]) -> None:
    store.save(Document("a whale", model_id="m1"), stage="essay", task_id="a")
    store.save(Document("no", model_id="m2", status=Status.PARSE_ERROR), stage="essay", task_id="b")

    found = pages_of(store).get(f"/board.json?{query}").json()["tasks"]

    assert sorted(each["task_id"] for each in found) == tasks


def test_a_document_names_its_latest(store: DocumentStore) -> None:
    old = store.save("one", stage="essay", task_id="t")
    new = store.save("two", stage="essay", task_id="t")
    pages = pages_of(store)

    assert "superseded by" in pages.get(f"/d/{old.doc_id}").text
    assert "the latest ok one" in pages.get(f"/d/{new.doc_id}").text


def test_a_parsers_error_is_shown_at_its_place(store: DocumentStore) -> None:
    row = store.save(
        Document('{"a": 1,}', status=Status.PARSE_ERROR, metadata={"error": "Expecting property name: (char 8)"}),
        stage="essay",
        task_id="t",
    )

    assert '<mark class="tripped" id="tripped">}</mark>' in pages_of(store).get(f"/d/{row.doc_id}").text


def test_a_long_text_comes_in_parts(store: DocumentStore) -> None:
    row = store.save("a" * 200_000 + "the end", stage="essay", task_id="t")
    pages = pages_of(store)

    first = pages.get(f"/d/{row.doc_id}").text

    assert "the end" not in first
    assert f"/d/{row.doc_id}?at=200000" in first
    assert "the end" in pages.get(f"/d/{row.doc_id}?at=200000").text


def test_equal_texts_are_folded_together(store: DocumentStore) -> None:
    for text in ("same", "other", "same"):
        store.save(text, stage="essay", task_id="t")

    assert "1 older attempt with the very same text" in pages_of(store).get("/t/essay/t").text


def test_a_comparison_marks_the_words_that_differ(store: DocumentStore) -> None:
    old = store.save(Document("one small step", prompt="go"), stage="essay", task_id="t")
    new = store.save(Document("one giant step", prompt="go"), stage="essay", task_id="t")

    page = pages_of(store).get(f"/compare?a={old.doc_id}&b={new.doc_id}").text

    assert "<del>small</del>" in page
    assert "<ins>giant</ins>" in page


def test_two_runs_are_compared_task_by_task(store: DocumentStore) -> None:
    for run, texts in (("r1", {"a": "x", "b": "y", "c": "z"}), ("r2", {"a": "x", "b": "Y", "d": "n"})):
        for task, text in texts.items():
            store.save(text, stage="essay", task_id=task, run_id=run)

    pairs = pages_of(store).get("/compare.json?run=r1&run=r2").json()["pairs"]

    assert {each["task_id"]: each["outcome"] for each in pairs} == {
        "a": "same",
        "b": "changed",
        "c": "gone",
        "d": "new",
    }


def test_a_higher_score_is_better(store: DocumentStore) -> None:
    for run, score in (("r1", 3.0), ("r2", 5.0)):
        store.save(Document(str(score), score=score), stage="evaluation", task_id="t", run_id=run)

    assert pages_of(store).get("/compare.json?run=r1&run=r2").json()["counts"] == {"better": 1}


def test_failures_of_one_reason_are_one_cluster(store: DocumentStore) -> None:
    for number in range(5):
        failed = Document(None, status=Status.GEN_ERROR, metadata={"error": f"timed out after {number} s"})
        store.save(failed, stage="essay", task_id=f"t{number}")
    store.save("made good", stage="essay", task_id="t0")

    clusters = pages_of(store).get("/failures.json").json()["clusters"]

    assert [(each["count"], each["tasks"], each["open"]) for each in clusters] == [(5, 5, 4)]


def test_scores_are_compared_by_a_column_of_an_ancestor(store: DocumentStore) -> None:
    for template, score in (("v1", 4.0), ("v2", 8.0)):
        parent = store.save(Document("text", template_id=template), stage="essay", task_id=template)
        judged = Document("score", score=score)
        store.save(judged, stage="evaluation", task_id=template, parents=[parent.doc_id])

    pages = pages_of(store)
    groups = pages.get("/scores.json?stage=evaluation&by=essay.template_id").json()["groups"]
    lowest = pages.get("/scores.json?stage=evaluation&by=essay.template_id&group=v1").json()["worst"]

    assert [(each["group"], each["mean"]) for each in groups] == [("v2", 8.0), ("v1", 4.0)]
    assert [each["score"] for each in lowest] == [4.0]


def test_a_story_goes_from_the_first_prompt_to_the_score(store: DocumentStore) -> None:
    draft = store.save(Document("notes", prompt="write notes"), stage="draft", task_id="t")
    essay = store.save("essay", stage="essay", task_id="t", parents=[draft.doc_id])
    store.save(Document("7", score=7.0), stage="evaluation", task_id="t", parents=[essay.doc_id])

    data = pages_of(store).get(f"/d/{essay.doc_id}/story.json").json()

    assert [(each["document"]["stage"], each["place"]) for each in data["chapters"]] == [
        ("draft", "before"),
        ("essay", "here"),
        ("evaluation", "after"),
    ]


def test_a_wide_lineage_is_folded(store: DocumentStore) -> None:
    root = store.save("root", stage="draft", task_id="t")
    for number in range(30):
        store.save(f"e{number}", stage="essay", task_id=f"t{number}", parents=[root.doc_id])

    page = pages_of(store).get(f"/d/{root.doc_id}/story").text

    assert "30 × essay" in page


def test_names_with_slashes_dots_and_forms_have_addresses_of_their_own(store: DocumentStore) -> None:
    for task in ("a/b", "a.json", "a", "..", ".", "a b?c#d", "été"):
        store.save(f"text of {task}", stage="odd/stage", task_id=task)
    pages = pages_of(store)
    board = pages.get("/").text

    for row in store.select(limit=20):
        link = (
            pages.get(f"/d/{row.doc_id}")
            .text.split('aria-hidden="true">/</span> <a href="')[1]
            .split('"')[0]
            .replace("&amp;", "&")
        )
        assert pages.get(link, headers={"accept": "text/html"}).text.count(row.doc_id) >= 2, link
    assert "a b?c#d" in board


@pytest.mark.parametrize("stage", ["files", "static", "d", "a.json"])
def test_no_name_of_a_stage_hides_the_forms_of_a_page(store: DocumentStore, stage: str) -> None:
    store.save("text", stage=stage, task_id="t.csv")

    assert pages_of(store).get(f"/t/{stage}/t%2Ecsv.json").json()["task_id"] == "t.csv"


@pytest.mark.parametrize("address", ["/board.json?", "/search.json?q=text&", "/compare.json?run=r1&run=r2&"])
def test_behind_the_last_page_is_the_last_page(store: DocumentStore, address: str) -> None:
    for run in ("r1", "r2"):
        store.save(f"text of {run}", stage="essay", task_id="t", run_id=run)
    pages = pages_of(store)

    assert pages.get(f"{address}skip=999999999").json() == pages.get(address).json()


def test_a_page_counts_what_is_new(store: DocumentStore) -> None:
    row = store.save("one", stage="essay", task_id="t")
    store.save("two", stage="essay", task_id="t")

    assert pages_of(store).get(f"/new?since={row.seq}").json() == {"new": 1}


def test_a_lost_index_is_reported_with_what_to_do(store: DocumentStore, tmp_path: Path) -> None:
    index = tmp_path / "other.sqlite"
    index.write_bytes(b"no database" * 100)
    with DocumentStore(store.docs_root, index) as lost:
        answer = pages_of(lost).get("/")

    assert answer.status_code == 503
    assert "doc-io" in answer.text or "db_path" in answer.text


def test_an_index_that_is_lost_under_an_open_page_is_not_an_empty_store(store: DocumentStore) -> None:
    """It says what to do, and goes on when that was done."""
    row = store.save("text", stage="essay", task_id="t")
    pages = pages_of(store)
    assert pages.get("/").status_code == 200
    index = Path(store.index.name)
    for file in index.parent.glob(f"{index.name}*"):
        file.unlink()

    lost = [pages.get(address) for address in ("/", "/new?since=1", f"/d/{row.doc_id}", "/usage.json")]
    with DocumentStore(store.docs_root, index) as again:
        reindex(again)

    assert [(answer.status_code, "doc-io reindex" in answer.text) for answer in lost] == [(503, True)] * 4
    assert pages.get(f"/d/{row.doc_id}").status_code == 200


MISSING = [
    "/",
    "/new?since=1",
    "/d/0123456789abcdef",
    "/t/essay/t",
    "/failures",
    "/scores",
    "/search?q=x",
    "/usage.json",
]


def files_made_by_reading(docs_root: Path, index: Path) -> list[str]:
    """What lies where an index should be, after pages of its store were asked for before and after it was lost."""
    with DocumentStore(docs_root, index) as store:
        pages = pages_of(store)
        for address in MISSING:
            pages.get(address)
        made = sorted(each.name for each in index.parent.glob("*"))
        store.save("text", stage="essay", task_id="t")
        assert pages.get("/").status_code == 200
        shutil.rmtree(index.parent)
        answers = {pages.get(address).status_code for address in MISSING}
    assert answers == {503}
    return made + sorted(each.name for each in index.parent.glob("*"))


def test_a_page_of_a_store_without_its_index_makes_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files_made_by_reading(tmp_path / "docs", tmp_path / "db" / "i.sqlite") == []

    # The control: a look-up that is asked of a file that would be made.
    monkeypatch.setattr(SqliteFile, "reader", SqliteFile.connection)
    assert "i.sqlite" in files_made_by_reading(tmp_path / "other", tmp_path / "second" / "i.sqlite")


@pytest.mark.slow  # a connection is waited for ten seconds
def test_an_index_on_a_server_that_goes_away_comes_back(postgres_server: Postgres, tmp_path: Path) -> None:
    url = postgres_server.new_database()
    name = url.rpartition("/")[2]
    with DocumentStore(tmp_path / "docs", db_url=url) as store, psycopg.connect(postgres_server.url) as other:
        other.autocommit = True
        store.save("text", stage="essay", task_id="t")
        pages = pages_of(store)
        before = pages.get("/").status_code
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        away = pages.get("/")
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        assert (before, away.status_code, pages.get("/").status_code) == (200, 503, 200)
        assert PASSWORD not in away.text


def test_the_address_of_a_document_that_was_pruned_says_so(store: DocumentStore) -> None:
    for number in range(3):
        store.save(Document(f"text {number}", finish_reason="length"), stage="essay", task_id="t")
    rows = store.history("essay", "t")
    prune(store, Policy(keep_failed=1, grace=timedelta(0)), dry_run=False)
    answer = pages_of(store).get(f"/d/{rows[-1].doc_id}")

    assert (answer.status_code, "no document" in answer.text) == (404, True)


def test_reading_writes_nothing_into_the_docs_root(store: DocumentStore) -> None:
    row = store.save(Document("text", prompt="p"), stage="essay", task_id="t")

    def files() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in Path(store.docs_root).rglob("*")}

    before = files()
    for address in ("/", f"/d/{row.doc_id}", f"/d/{row.doc_id}/files/raw.txt", "/t/essay/t", "/search?q=text"):
        assert pages_of(store).get(address).status_code == 200

    assert files() == before


def test_a_damaged_text_is_reported_and_the_rest_is_shown(store: DocumentStore) -> None:
    row = store.save(Document("text", prompt="the prompt"), stage="essay", task_id="t")
    (Path(store.docs_root) / row.doc_dir / "raw.txt").unlink()

    answer = pages_of(store).get(f"/d/{row.doc_id}")

    assert answer.status_code == 200
    assert "the prompt" in answer.text
    assert "doc-io verify" in answer.text


def test_a_branch_is_shown_over_its_parent(store: DocumentStore, tmp_path: Path) -> None:
    production = store.save("made in production", stage="draft", task_id="t")
    with DocumentStore(tmp_path / "branch" / "docs", parent=DocumentStore(store.docs_root)) as branch:
        branch.save("made here", stage="draft", task_id="u")
        pages = pages_of(branch)

        assert "made in production" in pages.get(f"/d/{production.doc_id}").text
        assert pages.get("/board.json").json()["total_tasks"] == 1


def test_an_application_can_be_mounted(store: DocumentStore) -> None:
    row = store.save("text", stage="essay", task_id="t")
    outer = TestClient(Starlette(routes=[Mount("/docs", app(store))]), base_url="http://localhost")

    page = outer.get("/docs/").text

    assert f'href="/docs/d/{row.doc_id}"' in page
    assert outer.get(f"/docs/d/{row.doc_id}").status_code == 200
    assert outer.get(f"/docs/d/{row.doc_id}.json").json()["document"]["doc_id"] == row.doc_id


@pytest.fixture
def remote(postgres_server: Postgres, s3_server: S3) -> Iterator[DocumentStore]:
    """A store on S3 with its index in PostgreSQL."""
    root = f"{s3_server.root}/pages/docs"
    options = s3_server.storage_options
    with DocumentStore(root, db_url=postgres_server.new_database(), storage_options=options) as store:
        yield store


def test_every_page_works_on_s3_and_postgresql(remote: DocumentStore) -> None:
    from tests.web.example_store import fill  # noqa: PLC0415 - only here

    fill(remote, tasks=1)
    pages = pages_of(remote)

    for address in addresses(remote):
        assert (address, pages.get(address).status_code) == (address, 200)


def test_pages_are_paid_for_by_serve_alone() -> None:
    program = "import sys, doc_io, doc_io.cli.main, doc_io.cli.serve; print('starlette' in sys.modules or 'jinja2' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)

    assert said.stdout.strip() == "False"


def test_a_first_search_says_how_far_it_is(store: DocumentStore) -> None:
    for number in range(3):
        store.save(f"winter {number}", stage="essay", task_id=f"t{number}")
    pages = pages_of(store)
    with closing(sqlite3.connect(f"{store.index.name}.search", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # as another program that reads texts for its first search
        waiting = pages.get("/search?q=winter")
        board = pages.get("/?q=winter")
        other.execute("ROLLBACK")

    assert "0 of 3 texts read" in waiting.text
    assert '<meta http-equiv="refresh" content="2">' in waiting.text
    assert "are being read for the first time" in board.text
    assert pages.get("/search?q=winter").text.count("<mark>winter</mark>") == 3


class SlowStore(DocumentStore):
    """A store whose index is far away."""

    @property
    def index(self) -> Index:
        time.sleep(0.03)
        return super().index


def test_counts_that_are_remembered_say_how_old_they_are(store: DocumentStore) -> None:
    store.save("text", stage="essay", task_id="t")
    with SlowStore(store.docs_root) as slow:
        pages = pages_of(slow)
        first = pages.get("/").text
        time.sleep(1)
        second = pages.get("/").text

    assert "Counted" not in first
    assert re.search(r"Counted [1-9] s ago", second)


def test_an_ok_cell_never_says_that_an_older_document_is_served(store: DocumentStore) -> None:
    store.save(Document("fine", template_id="v1"), stage="essay", task_id="t")
    store.save(Document("cut", template_id="v2", finish_reason="length"), stage="essay", task_id="t")

    cells = pages_of(store).get("/board.json?by=template").json()["tasks"][0]["cells"]

    assert {cell["value"]: cell["served"] is not None for cell in cells} == {"v1": False, "v2": True}


def test_did_it_help_is_answered_at_once(store: DocumentStore) -> None:
    """Without a choice it tells scores apart by what differs: here the template of the essays, not the judge's."""
    for number, score in enumerate((4.0, 5.0, 8.0, 9.0)):
        template = "v1" if score < 6 else "v2"
        essay = store.save(Document("text", template_id=template), stage="essay", task_id=f"t{number}")
        judged = Document("score", score=score, template_id="judge")
        store.save(judged, stage="evaluation", task_id=f"t{number}", parents=[essay.doc_id])

    pages = pages_of(store)

    assert pages.get("/scores.json").json()["by"] == "essay.template_id"
    assert "<b>v2</b> scores best: <b>8.5</b> on average, 4 more than <b>v1</b>" in pages.get("/scores").text


def test_a_board_with_many_columns_is_no_larger_than_others(store: DocumentStore) -> None:
    store.save_many(
        (Document("x", model_id=f"model-{model}"), Origin(stage="essay", task_id=f"task-{task}"))
        for task in range(12)
        for model in range(30)
    )
    pages = pages_of(store)

    first = pages.get("/?by=model")

    assert len(first.content) < 100_000
    assert "Tasks 1–10 of 12" in first.text


def test_no_page_without_its_text_weighs_over_100_kb(store: DocumentStore) -> None:
    """With names as long as those of Dagster's runs and of providers' models, and a reason in every cell."""
    run = "7d9f1c3e-aaaa-bbbb-cccc-1234567890ab"
    why = "APITimeoutError: Request timed out after 61.2 s (request req_011CQbxyzabcdefghijklmno)"
    names = {"model_id": "claude-sonnet-4-5-20250929-v1:0", "template_id": "essay-with-headings-v12"}
    failed = Document(None, status=Status.GEN_ERROR, metadata={"error": why}, **names)  # type: ignore[arg-type]  # names of its fields
    tasks = [f"a-task-of-some-length-{number}" for number in range(60)]
    store.save_many(
        (failed, Origin(stage=stage, task_id=task, run_id=f"{run}{task}", experiment_id="an-experiment-of-september"))
        for task in tasks
        for stage in ("outline", "draft", "essay", "evaluation", "translation")
    )
    store.save_many((failed, Origin(stage="essay", task_id=tasks[0], run_id=f"{run}{number}")) for number in range(90))
    pages = pages_of(store)
    one = store.select(limit=1)[0]

    weights = {
        address: len(pages.get(address).content)
        for address in ("/", "/?by=template", "/failures", "/usage?by=run", f"/t/essay/{tasks[0]}", f"/d/{one.doc_id}")
    }

    assert {address: weight for address, weight in weights.items() if weight > 100_000} == {}


def test_a_long_list_comes_a_page_at_a_time(store: DocumentStore) -> None:
    for run in ("r1", "r2"):
        store.save_many((f"{run} {task}", Origin(stage="essay", task_id=f"t{task}", run_id=run)) for task in range(130))
    pages = pages_of(store)

    first = pages.get("/compare?run=r1&run=r2").text

    assert "Pairs 1–120 of 130" in first
    assert "skip=120" in first
    assert len(pages.get("/compare.json?run=r1&run=r2&skip=120").json()["pairs"]) == 10
    assert len(pages.get("/search.json?q=r1&skip=120").json()["hits"]) == 10


@pytest.mark.parametrize("task", ["=1+1", "+1", "-1", "@SUM(1)", "\uff1d1", "a;=1"])
def test_no_cell_of_a_csv_begins_a_formula(store: DocumentStore, task: str) -> None:
    store.save("x", stage="essay", task_id=task)

    line = pages_of(store).get("/board.csv").text.splitlines()[1]

    assert line.split(",")[0] == (f'"{task}"' if task.startswith("a") else f'"\'{task}"')
