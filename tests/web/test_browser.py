"""The pages as a person uses them: in Chromium, against the real server, by mouse and by keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from doc_io import Document, DocumentStore
from doc_io.index.base import Filter
from tests.skips import NO_AXE
from tests.web.conftest import PATIENCE, Server, Watched, free_port, serving, watching

POLL = 4000  # milliseconds after which a page asks for what is new

AXE = os.environ.get("DOC_IO_AXE", "")


def click(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()


def row_of(example: DocumentStore, stage: str = "essay") -> Any:
    """A document whose task has at least two attempts."""
    return next(row for row in example.select(Filter(stage=stage)) if row.lineage_prev_doc_id)


def test_every_page_is_reached_by_clicking_from_the_board(watched: Watched, server: Server) -> None:
    page = watched.page
    page.goto(server.url)
    expect(page.get_by_role("table")).to_be_visible()
    for name, heading in (("Failures", "Failures"), ("Did it help?", "Did it help?"), ("Usage", "Usage")):
        click(page, name)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    click(page, "Board")
    page.locator("a.cell").first.click()
    expect(page.get_by_role("heading", name="Where it comes from")).to_be_visible()
    click(page, "Story")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Story of")
    page.go_back()
    page.locator("h1 a").last.click()
    expect(page.get_by_role("region", name="Attempts")).to_be_visible()
    page.get_by_role("button", name="Compare a and b").click()
    expect(page.get_by_role("link", name="Side by side")).to_be_visible()
    page.get_by_role("searchbox").fill("winter")
    page.keyboard.press("Enter")
    expect(page.locator(".hits mark").first).to_be_visible()


@pytest.mark.parametrize(
    ("moment", "steps", "seen"),
    [
        ("what is red and why", [], "td.because:not(:empty)"),
        ("did the new prompt help", ["Did it help?"], ".answer"),
        ("what did it say before", ["a.cell:not(.ok)", "a.button:has-text('Compare with')"], ".line"),
        ("why do they fail", ["Failures"], "article.cluster"),
        ("from prompt to score", ["a.cell.ok", "Story"], ".chapter"),
    ],
)  # fmt: skip
def test_each_question_is_at_most_two_clicks_away(
    watched: Watched, server: Server, moment: str, steps: list[str], seen: str
) -> None:
    page = watched.page
    page.goto(server.url)
    for step in steps:
        if step.startswith("a."):
            page.locator(step).first.click()
        else:
            click(page, step)

    expect(page.locator(seen).first).to_be_visible()
    assert len(steps) <= 2, moment


def test_two_attempts_are_compared_by_keyboard_alone(watched: Watched, server: Server, example: DocumentStore) -> None:
    page = watched.page
    page.goto(f"{server.url}/d/{row_of(example).doc_id}")
    page.keyboard.press("c")
    page.wait_for_url("**/compare?**")
    page.keyboard.press("j")

    assert page.evaluate("document.activeElement.classList.contains('change')")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("winter")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=winter")


def test_keys_switch_to_markdown_and_to_the_prompt(watched: Watched, server: Server, example: DocumentStore) -> None:
    page = watched.page
    page.goto(f"{server.url}/d/{row_of(example).doc_id}")
    page.keyboard.press("r")
    page.wait_for_url("**as=markdown")
    page.keyboard.press("p")

    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_reason_of_a_cell_is_shown_on_focus(watched: Watched, server: Server) -> None:
    page = watched.page
    page.goto(server.url)
    failed = page.locator("a.cell:not(.ok)").first
    page.get_by_role("link", name="Board", exact=True).focus()
    while not failed.evaluate("node => node === document.activeElement"):
        page.keyboard.press("Tab")

    expect(failed.locator(".why")).to_have_css("opacity", "1")


def test_a_text_is_copied_exactly(browser: Browser, server: Server, example: DocumentStore) -> None:
    row = row_of(example)
    with watching(browser, permissions=["clipboard-read", "clipboard-write"]) as watched:
        watched.page.goto(f"{server.url}/d/{row.doc_id}")
        watched.page.get_by_role("button", name="Copy").first.click()
        expect(watched.page.get_by_role("button", name="Copied")).to_be_visible()

        assert watched.page.evaluate("navigator.clipboard.readText()") == example.read(row, "raw")


def test_everything_but_keys_works_without_script(browser: Browser, server: Server) -> None:
    with watching(browser, java_script_enabled=False) as watched:
        page = watched.page
        page.goto(server.url)
        page.get_by_label("Status").select_option("parse_error")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**status=parse_error**")
        page.locator("a.cell.parse_error").first.click()
        expect(page.locator("mark.tripped")).to_be_visible()
        expect(page.get_by_role("button", name="Copy").first).not_to_be_visible()


def test_no_page_is_wider_than_a_phone(watched: Watched, server: Server, example: DocumentStore) -> None:
    row = row_of(example)
    document = f"/d/{row.doc_id}"
    compare = f"/compare?a={row.lineage_prev_doc_id}&b={row.doc_id}"
    watched.page.set_viewport_size({"width": 400, "height": 800})
    widths = {}
    for address in (
        *("/", "/?by=model", "/failures", "/usage?by=run", "/scores", "/search?q=winter", "/d/none"),
        *(document, f"{document}/story", compare, f"{compare}&view=inline", f"/t/essay/{row.task_id}"),
        "/compare?run=run-0817-night&run=run-0902-retry",
    ):
        watched.page.goto(f"{server.url}{address}", wait_until="domcontentloaded")
        widths[address] = watched.page.evaluate("document.documentElement.scrollWidth")

    assert {address: width for address, width in widths.items() if width > 400} == {}


def test_new_documents_are_told_without_a_reload(browser: Browser, store: DocumentStore) -> None:
    store.save("one", stage="essay", task_id="t")
    port = free_port()
    with watching(browser) as watched:
        page = watched.page
        page.clock.install()
        with serving(Path(store.docs_root), port=port) as server:
            page.goto(server.url)
            store.save("two", stage="essay", task_id="t")
            store.save("three", stage="essay", task_id="u")
            page.clock.fast_forward(POLL)
            expect(page.locator("#new")).to_have_text("2 new documents", timeout=PATIENCE * 1000)
        # The server is gone and comes back: the open page says so, and goes on.
        page.clock.fast_forward(POLL)
        expect(page.locator("#new")).to_contain_text("does not answer", timeout=PATIENCE * 1000)
        with serving(Path(store.docs_root), port=port):
            page.clock.fast_forward(POLL)
            expect(page.locator("#new")).to_have_text("2 new documents", timeout=PATIENCE * 1000)
            page.get_by_role("link", name="2 new documents").click()
            expect(page.locator("tbody tr")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_finding_of_axe(browser: Browser, server: Server, example: DocumentStore, scheme: str) -> None:
    if not AXE:
        pytest.skip(NO_AXE)
    row = row_of(example)
    addresses = ["/", f"/d/{row.doc_id}", f"/compare?a={row.lineage_prev_doc_id}&b={row.doc_id}"]
    more = [
        "/?by=model", "/failures", "/scores", "/usage?by=run", "/search?q=winter", "/d/none",
        f"/d/{row.doc_id}/story", f"/t/essay/{row.task_id}",
        "/compare?run=run-0817-night&run=run-0902-retry",
    ]  # fmt: skip
    found: list[str] = []
    with watching(browser, color_scheme=scheme, bypass_csp=True) as watched:
        run: Callable[[str], Any] = watched.page.evaluate
        for address in addresses if scheme == "dark" else addresses + more:
            watched.page.goto(f"{server.url}{address}")
            run(Path(AXE).read_text(encoding="utf-8"))
            found += [f"{address}: {each['id']}: {each['nodes'][0]['html']}" for each in run("axe.run()")["violations"]]

    assert found == []


def test_a_printed_document_has_its_whole_text_and_prompt_and_no_controls(
    watched: Watched, store: DocumentStore
) -> None:
    lines = "\n".join(f"line {number}" for number in range(200))
    row = store.save(Document(lines, prompt=lines), stage="essay", task_id="t")
    page = watched.page
    with serving(Path(store.docs_root)) as server:
        page.goto(f"{server.url}/d/{row.doc_id}")
        page.emulate_media(media="print")

        for hidden in ("header.top", "footer", ".steps", "button.copy"):
            expect(page.locator(hidden).first).to_be_hidden()
        cut = page.evaluate(
            "[...document.querySelectorAll('pre.text')].filter(each => each.scrollHeight > each.clientHeight + 1).length"
        )
        assert (page.locator("pre.text").count(), cut) == (2, 0)
        assert page.pdf(format="A4").count(b"/Type /Page\n") >= 4


def test_a_deep_link_shows_what_was_shared(watched: Watched, server: Server, example: DocumentStore) -> None:
    row = row_of(example)
    page = watched.page
    page.goto(f"{server.url}/compare?a={row.lineage_prev_doc_id}&b={row.doc_id}&view=inline&only=1#raw-1")

    expect(page.locator("#raw-1")).to_be_in_viewport()
    assert page.locator(".inline").count() > 0


def test_many_readers_meet_no_error_while_a_pipeline_writes(store: DocumentStore) -> None:
    for number in range(20):
        store.save(Document(f"text {number}", prompt="p"), stage="essay", task_id=f"t{number}")
    row = store.select(limit=1)[0]
    with serving(Path(store.docs_root)) as server, ThreadPoolExecutor(50) as readers:

        def read(number: int) -> int:
            address = ("/", f"/d/{row.doc_id}", "/failures", "/usage", "/t/essay/t1")[number % 5]
            with urlopen(f"{server.url}{address}", timeout=60) as answer:  # noqa: S310 - our own server
                return int(answer.status)

        answers = [readers.submit(read, number) for number in range(150)]
        for number in range(20):
            store.save(f"new {number}", stage="essay", task_id=f"t{number}")
        assert {answer.result() for answer in answers} == {200}
