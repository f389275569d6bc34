"""A real server on a real store, and a real browser; one of each for all tests of a process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, sync_playwright
from starlette.testclient import TestClient

from doc_io import DocumentStore
from doc_io.web import app
from tests.skips import NO_CHROMIUM
from tests.web.example_store import fill

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 20.0  # seconds


@dataclass
class Server:
    """A running ``doc-io serve``.

    Attributes:
        url: Its address, without a slash at the end.
        process: The program.
    """

    url: str
    process: subprocess.Popen[bytes]


@dataclass
class Watched:
    """A page of a browser, and what must not have happened in it.

    Attributes:
        page: The page.
        troubles: Violations of the content security policy, errors of scripts, dialogs.
        asked: Every address that was asked for.
    """

    page: Page
    troubles: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(docs_root: Path, *options: str, port: int | None = None) -> Iterator[Server]:
    """``doc-io serve`` on a store, until the block ends."""
    port = port or free_port()
    command = [sys.executable, "-c", "from doc_io.cli.main import main; main()"]
    arguments = ["--docs-root", str(docs_root), "serve", "--port", str(port), *options]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, env=dict(os.environ))
    try:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
                break
            time.sleep(0.05)
        yield Server(f"http://localhost:{port}", process)
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentStore]:
    """A store as after some weeks of work; read only."""
    with DocumentStore(tmp_path_factory.mktemp("example") / "docs") as store:
        fill(store, tasks=12)
        yield store


@pytest.fixture(scope="session")
def server(example: DocumentStore) -> Iterator[Server]:
    """The real server on the example."""
    with serving(Path(example.docs_root), "--dagster-url", "http://localhost:3000") as running:
        yield running


@pytest.fixture
def client(example: DocumentStore) -> TestClient:
    """The application on the example, without a browser."""
    return TestClient(app(example), base_url="http://localhost")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip(NO_CHROMIUM)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@contextmanager
def watching(browser: Browser, **options: Any) -> Iterator[Watched]:
    """A new page in a context of its own; everything that must not happen in it is written down."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    page = context.new_page()
    watched = Watched(page)

    def dismiss(dialog: Dialog) -> None:
        watched.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def listen(said: ConsoleMessage) -> None:
        if "Content Security" in said.text:
            watched.troubles.append(said.text)

    page.on("pageerror", lambda error: watched.troubles.append(f"error: {error}"))
    page.on("dialog", dismiss)
    page.on("console", listen)
    page.on("request", lambda request: watched.asked.append(request.url))
    try:
        yield watched
    finally:
        context.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page; the test fails where anything in it ran or left that must not."""
    with watching(browser) as each:
        yield each
    assert each.troubles == []
