"""Pictures of the demo and of a tour in Dagster's UI, taken in headless Chromium.

``python -m docs.screenshots`` after ``make demo``.

Needs Debian's ``chromium`` and ``chromium-driver``, and ``selenium`` from PyPI.
"""  # noqa: INP001 - a script of its own

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from doc_io import DocumentRow, DocumentStore, Status
from docs import tour
from examples.essay_pipeline.corpus import longest
from examples.essay_pipeline.demo import DAGSTER_HOME, PARTITIONS

IMAGES = Path(__file__).resolve().parent / "images"
PATIENCE = 60  # seconds; the first page of the UI is megabytes of script


def main() -> None:
    """Every picture."""
    IMAGES.mkdir(exist_ok=True)
    of_the_pages()
    of_the_demo()
    of_the_tour()


def of_the_demo() -> None:
    """One picture of a document's materialization, one of a failed step that links what it kept."""
    with DocumentStore("data/docs", "data/db/documents.sqlite") as store:
        good = _newest(store, "evaluation", Status.OK)
        cut = _newest(store, "essay", Status.TRUNCATED)
    with _webserver("examples/essay_pipeline/definitions.py", DAGSTER_HOME) as url, _browser() as browser:
        page = f"{url}/assets/evaluation?view=partitions&partition={good.task_id}"
        _shoot(browser, page, good.doc_id, IMAGES / "materialization.png")
        _shoot(browser, f"{url}/runs/{cut.run_id}?logs=type%3ASTEP_FAILURE", cut.doc_dir, IMAGES / "failed_step.png")


def of_the_pages() -> None:
    """Board, document, comparison, story and scores, as `doc-io serve` shows the demo's store."""
    docs_root = "data/docs"
    with DocumentStore(docs_root) as store:
        good = _newest(store, "evaluation", Status.OK)
        essay = _newest(store, "essay", Status.OK)
    shots = {
        "board": ("/", "Why", 950),
        "document": (f"/d/{essay.doc_id}", essay.doc_id, 1240),
        "compare": (f"/compare?a={essay.lineage_prev_doc_id}&b={essay.doc_id}", "Facts and metadata", 1060),
        "story": (f"/d/{good.doc_id}/story", "Lineage", 1240),
        "scores": ("/scores", "scores best", 600),
    }
    with _pages(docs_root) as url, _browser() as browser:
        for name, (address, wanted, height) in shots.items():
            browser.set_window_size(1280, height)
            _shoot(browser, f"{url}{address}", wanted, IMAGES / f"page_{name}.png")


def of_the_tour() -> None:
    """Checks green and red, numbers over attempts, a backfill in one run, and what is stale after a regeneration."""
    home = tour.ROOT / "dagster_home"
    shutil.rmtree(tour.ROOT, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n", encoding="utf-8")
    with DagsterInstance.from_config(str(home)) as instance:
        tour.make(instance)
    with _webserver("docs/tour.py", home) as url, _browser() as browser:
        for name, view, wanted, opened in (
            ("checks", "essay?view=checks", "content_hash_matches", None),
            ("plots", "draft?view=overview", "raw_chars", "Plots"),
            ("single_run", "portrait?view=partitions&partition=cats", "A portrait of cats", None),
            ("stale", "essay?view=overview", "Unsynced", "Unsynced"),
        ):
            _shoot(browser, f"{url}/assets/{view}", wanted, IMAGES / f"{name}.png", opened)


def _newest(store: DocumentStore, stage: str, status: Status) -> DocumentRow:
    """The newest document of a stage with a status, whatever its package."""
    rows = [row for task in longest(PARTITIONS) for row in store.history(stage, task) if row.status == status]
    return max(rows, key=lambda row: row.seq)


@contextmanager
def _webserver(definitions: str, home: Path) -> Iterator[str]:
    """Dagster's UI on definitions and an instance, at the URL given; ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = str(Path(sys.executable).parent / "dagster-webserver")
    server = subprocess.Popen(  # noqa: S603 - a program of this virtual environment
        [program, "-h", "127.0.0.1", "-p", port, "-f", definitions],
        env={**os.environ, "DAGSTER_HOME": str(home.resolve())},
    )
    try:
        _wait_for(server, int(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE)


@contextmanager
def _pages(docs_root: str) -> Iterator[str]:
    """`doc-io serve` on a store, at the URL given; ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = [sys.executable, "-c", "from doc_io.cli.main import main; main()"]
    server = subprocess.Popen([*program, "--docs-root", docs_root, "serve", "--port", port])  # noqa: S603 - this program
    try:
        _wait_for(server, int(port))
        yield f"http://localhost:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(PATIENCE * 10):
        if server.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    message = f"dagster-webserver did not answer on port {port} within {PATIENCE} s (exit code {server.poll()})"
    raise RuntimeError(message)


@contextmanager
def _browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    # Chromium's sandbox does not start for root, and containers mostly run as root; only our own page is opened.
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1560,1240"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


def _shoot(browser: webdriver.Chrome, page: str, wanted: str, image: Path, opened: str | None = None) -> None:
    """Take a picture of a page, once the text that it is taken for is really on it, and what is to be opened open."""
    browser.get(page)
    WebDriverWait(browser, PATIENCE, ignored_exceptions=[WebDriverException]).until(
        lambda there: wanted in there.find_element(By.TAG_NAME, "body").text
    )
    for shortened in browser.find_elements(By.XPATH, "//*[text()='View full message']"):
        browser.execute_script("arguments[0].click()", shortened)
    if opened is not None:
        time.sleep(1)
        browser.find_element(By.XPATH, f"//*[contains(text(), '{opened}')]").click()
    time.sleep(2)  # what still slides into place
    browser.save_screenshot(str(image))
    sys.stdout.write(f"{image}\n")


if __name__ == "__main__":
    main()
