"""Texts and names that would act if they could: nothing runs, nothing leaves, everything is shown as it is."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser
from starlette.testclient import TestClient

from doc_io import Document, DocumentStore, Parent, Status
from doc_io.escaping import is_unshown
from doc_io.index.base import Filter
from doc_io.reports.diff import Change, diff_texts
from doc_io.web import app
from doc_io.web.aligned import laid_out, rows
from doc_io.web.shown import markdown, marked
from doc_io.writing.draft import Origin
from tests.web.conftest import Server, Watched, serving, watching

SCRIPT = "<script>document.title='ran'</script>"
HANDLER = "<img src=x onerror=\"document.title='ran'\">"
FRAME = "<iframe src='https://evil.example/'></iframe><style>@import 'https://evil.example/x.css';</style>"
LINKS = (
    "[click](javascript:document.title='ran') ![pixel](https://evil.example/p.png) <https://evil.example> "
    "[r]: https://evil.example 'x'\n\n[r]\n\n```\"onmouseover=document.title='ran'\ncode\n```\n\n&#x202e;evil"
)
CHARACTERS = "\x1b[31mred\x1b]0;title\x07 \u202eevil\u202c zero\u200bwidth \ud800 lone \x00 nul \x7f \r bell\x07"
CLOSING = "</pre></main></body></html>\"'><svg onload=\"document.title='ran'\">{{ 7 * 7 }}{% raw %}"
TEXTS = {
    "script": SCRIPT, "handler": HANDLER, "frame": FRAME, "links": LINKS, "characters": CHARACTERS, "closing": CLOSING,
}  # fmt: skip

ATTEMPTS = 10_000

LIVE = """() => [...document.querySelectorAll(
    "main script, main img, main iframe, main style, main [onerror], main [onload], main a[href^='javascript:' i]"
)].map(each => each.outerHTML).concat(document.title === "ran" ? ["it ran"] : [])"""
"""Everything in a page that would act."""


def fill_hostile(store: DocumentStore) -> None:
    """Texts, prompts, metadata, extras and every name that a writer can choose."""
    for number, text in enumerate(TEXTS.values()):
        name = text.replace("\0", "").encode("utf-8", "replace").decode()
        for attempt in range(2):
            store.save(
                Document(
                    f"{text}\n{attempt}", prompt=text, parsed=f"{text}!", template_id=name, model_id=name, metadata={"note": text, name: name},
                    extras={name or "x": text}, finish_reason="stop",
                ),
                stage=f"stage {name}", task_id=name, run_id=name, experiment_id=name, asset_key=name,
            )  # fmt: skip
        store.save(
            Document(text, status=Status.PARSE_ERROR, parser="p", metadata={"error": f"{name} (char {number})"}),
            stage=f"stage {name}",
            task_id=name,
            run_id=name,
        )
    store.save("x" * 5_000_000, stage="long", task_id="one line")


def crowd(store: DocumentStore) -> None:
    """A task with 10,000 attempts, and a document of which 999 were made."""
    store.save_many(
        (f"text {number}", Origin(stage="crowded", task_id=SCRIPT, attempt=str(number))) for number in range(ATTEMPTS)
    )
    root = store.save("root", stage="draft", task_id="root")
    made = [
        ("made", Origin(stage="essay", task_id=f"e{number}", parents=(Parent(root.doc_id),))) for number in range(333)
    ]
    essays = store.save_many(made)
    made = [
        ("made", Origin(stage=HANDLER, task_id=f"j{number}", parents=(Parent(essays[number // 2].doc_id),)))
        for number in range(666)
    ]
    store.save_many(made)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentStore]:
    """The store; in memory where there is such a folder, as it has ten thousand documents."""
    memory = Path("/dev/shm")  # noqa: S108 - named by the kernel
    folder = Path(mkdtemp(dir=memory)) if memory.exists() else tmp_path_factory.mktemp("hostile")
    try:
        with DocumentStore(folder / "docs") as store:
            crowd(store)
            fill_hostile(store)
            yield store
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def hostile_server(hostile: DocumentStore) -> Iterator[Server]:
    """The real server on it."""
    with serving(Path(hostile.docs_root)) as running:
        yield running


def addresses(store: DocumentStore) -> list[str]:
    found = ["/", "/?by=model", "/?by=template", "/failures", "/scores", "/usage?by=run", "/search?q=red+evil"]
    for row in store.select(limit=3 * len(TEXTS) + 2):  # of the crowd one is enough
        if row.status is Status.PARSE_ERROR or row.lineage_prev_doc_id is None:
            found.append(f"/d/{row.doc_id}")
            continue
        found += [f"/d/{row.doc_id}?as=markdown", f"/d/{row.doc_id}/story"]
        found.append(f"/compare?a={row.lineage_prev_doc_id}&b={row.doc_id}")
    return found


def test_nothing_hostile_runs_or_leaves_a_page(
    browser: Browser, hostile: DocumentStore, hostile_server: Server
) -> None:
    with watching(browser) as watched:
        for address in addresses(hostile):
            answer = watched.page.goto(f"{hostile_server.url}{address}", wait_until="domcontentloaded")
            assert answer is not None
            assert answer.status == 200, address
            assert watched.page.evaluate(LIVE) == [], address

    assert watched.troubles == []
    assert {url.split("/")[2] for url in watched.asked} == {hostile_server.url.split("/")[2]}


def test_a_page_that_let_text_through_would_be_caught(browser: Browser, hostile_server: Server) -> None:
    """The negative control: the same look at a page in which a text does act."""
    with watching(browser) as watched:
        watched.page.goto(hostile_server.url)
        watched.page.evaluate(
            "text => document.querySelector('main').insertAdjacentHTML('beforeend', text)", HANDLER + FRAME
        )
        watched.page.wait_for_timeout(300)

        live = watched.page.evaluate(LIVE)

    assert (len(watched.troubles) > 0, len(live) > 0) == (True, True)


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_shown_letter_by_letter(
    browser: Browser, hostile: DocumentStore, hostile_server: Server, name: str
) -> None:
    row = next(row for row in hostile.select(limit=100) if hostile.read(row, "raw") == f"{TEXTS[name]}\n1")
    with watching(browser) as watched:
        watched.page.goto(f"{hostile_server.url}/d/{row.doc_id}")
        shown = watched.page.locator("article .column .text").first.evaluate(
            "node => [...node.childNodes].filter(each => each.nodeType === 3).map(each => each.textContent).join('')"
        )

    assert shown == "".join(c for c in f"{TEXTS[name]}\n1" if c in "\n\t" or not is_unshown(c))


def test_characters_that_hide_are_shown_as_signs() -> None:
    assert 'title="U+202E right-to-left override">U+202E</span>' in marked("\u202e")
    assert ">␛</span>" in marked("\x1b")
    assert ">U+D800</span>" in marked("\ud800")


@settings(max_examples=40)
@given(st.text(max_size=60))
def test_no_text_becomes_a_tag(text: str) -> None:
    shown = str(marked(text))

    assert shown.count("<") == 2 * shown.count('<span class="sign"')
    assert not any(is_unshown(character) for character in shown if character not in "\n\t")


@settings(max_examples=60)
@given(st.text(alphabet=st.sampled_from("[]()<>!:/&;#x`*_~ \n-|javscript\"'=\u202e\x00")))
def test_no_markdown_becomes_a_link_an_image_or_html(text: str) -> None:
    shown = str(markdown(text)).lower()

    assert "<a" not in shown
    assert "<img" not in shown
    assert "href" not in shown
    assert "\u202e" not in shown


@given(st.text(alphabet="ab \n", max_size=60), st.text(alphabet="ab \n", max_size=60))
def test_two_sides_of_a_comparison_are_the_two_texts(old: str, new: str) -> None:
    """Joining words that changed together loses and adds nothing."""
    found = list(rows(diff_texts(old, new)))

    assert "".join(change.text for row in found for change in row.left) == old
    assert "".join(change.text for row in found for change in row.right) == new


def test_files_are_text_or_a_download_and_sandboxed(hostile: DocumentStore) -> None:
    client = TestClient(app(hostile), base_url="http://localhost")
    row = next(
        row
        for row in hostile.select(limit=100)
        if row.status is Status.OK and hostile.read(row, "raw").startswith(SCRIPT)
    )
    files = [each["name"] for each in client.get(f"/d/{row.doc_id}.json").json()["files"]]
    extra = next(name for name in files if name.startswith("extras/"))

    text = client.get(f"/d/{row.doc_id}/files/raw.txt")
    download = client.get(f"/d/{row.doc_id}/files/{extra.replace('%', '%25')}")

    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in text.headers["content-security-policy"]
    assert download.headers["content-disposition"].startswith("attachment")


def test_a_comparison_of_two_large_texts_is_bounded(store: DocumentStore) -> None:
    one = "\n".join(f"line {number} of many" for number in range(200_000))
    old = store.save(one, stage="essay", task_id="t")
    new = store.save(one.replace("line 7", "Line 7"), stage="essay", task_id="t")
    client = TestClient(app(store), base_url="http://localhost")

    answer = client.get(f"/compare?a={old.doc_id}&b={new.doc_id}")

    assert answer.status_code == 200
    assert len(answer.content) < 1_500_000


def test_of_millions_of_equal_lines_the_number_is_shown() -> None:
    """They are neither rows nor in memory one by one."""
    same = "\n" * 3_000_000
    started = time.process_time()

    shown, changes, whole = laid_out([Change("same", f"a\n{same}b\n"), Change("added", "c")], only_changes=True)

    assert ([row.folded for row in shown], changes, whole) == ([3_000_001, 0, 0], 1, True)
    assert time.process_time() - started < 1


def test_a_comparison_of_two_huge_lines_is_bounded(store: DocumentStore) -> None:
    one = " ".join(f"word{number % 40_000}" for number in range(500_000))
    old = store.save(one, stage="essay", task_id="t")
    new = store.save(one.replace("word77 ", "Word77 "), stage="essay", task_id="t")
    client = TestClient(app(store), base_url="http://localhost")

    answer = client.get(f"/compare?a={old.doc_id}&b={new.doc_id}")

    assert answer.status_code == 200
    assert len(answer.content) < 1_500_000


def test_ten_thousand_attempts_come_a_page_at_a_time(
    watched: Watched, hostile: DocumentStore, hostile_server: Server
) -> None:
    newest = hostile.history("crowded", SCRIPT, limit=81)
    page = watched.page
    page.goto(f"{hostile_server.url}/d/{newest[0].doc_id}")
    page.get_by_role("link", name="attempt 10,000 of 10,000").click()
    assert page.locator("tbody tr[data-item]").count() == 80
    page.get_by_role("link", name="older attempts").click()

    assert page.locator("tbody tr[data-item] input[name=a]").first.get_attribute("value") == newest[80].doc_id


def test_the_last_page_of_attempts_names_no_older_ones(store: DocumentStore) -> None:
    origins = (Origin(stage="essay", task_id="t", attempt=str(number)) for number in range(160))
    store.save_many((f"text {number}", origin) for number, origin in enumerate(origins))
    client = TestClient(app(store), base_url="http://localhost")

    first = client.get("/t/essay/t.json").json()["attempts"]
    last = client.get(f"/t/essay/t?after={first[-1]['doc_id']}")

    assert (len(first), last.status_code) == (80, 200)
    assert "older attempts" not in last.text


def test_a_document_beyond_the_first_page_names_the_one_before(store: DocumentStore) -> None:
    origins = (Origin(stage="essay", task_id="t", attempt=str(number)) for number in range(120))
    rows = store.save_many((f"text {number}", origin) for number, origin in enumerate(origins))
    client = TestClient(app(store), base_url="http://localhost")

    assert f"/compare?a={rows[4].doc_id}&amp;b={rows[5].doc_id}" in client.get(f"/d/{rows[5].doc_id}").text


def test_a_lineage_of_a_thousand_documents_is_folded(
    watched: Watched, hostile: DocumentStore, hostile_server: Server
) -> None:
    root = hostile.select(Filter(stage="draft"), limit=1)[0]
    watched.page.goto(f"{hostile_server.url}/d/{root.doc_id}/story")

    graph = watched.page.locator("svg.graph")
    assert watched.page.get_by_text("1,000 documents").is_visible()
    assert graph.locator("a").count() < 20
    assert graph.get_by_text("333 × essay").is_visible()
