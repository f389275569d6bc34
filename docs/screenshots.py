"""Pictures of the demo in Dagster's UI, taken in headless Chromium: ``python -m docs.screenshots`` after ``make demo``.

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

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from doc_io import DocumentRow, DocumentStore, Status
from examples.essay_pipeline.corpus import longest
from examples.essay_pipeline.demo import DAGSTER_HOME, PARTITIONS

IMAGES = Path(__file__).resolve().parent / "images"
PATIENCE = 60  # seconds; the first page of the UI is megabytes of script


def main() -> None:
    """One picture of a document's materialization, one of a failed step that links what it kept."""
    with DocumentStore("data/docs", "data/db/documents.sqlite") as store:
        good = _newest(store, "evaluation", Status.OK)
        cut = _newest(store, "essay", Status.TRUNCATED)
    IMAGES.mkdir(exist_ok=True)
    with _webserver() as url, _browser() as browser:
        page = f"{url}/assets/evaluation?view=partitions&partition={good.task_id}"
        _shoot(browser, page, good.doc_id, IMAGES / "materialization.png")
        _shoot(browser, f"{url}/runs/{cut.run_id}?logs=type%3ASTEP_FAILURE", cut.doc_dir, IMAGES / "failed_step.png")


def _newest(store: DocumentStore, stage: str, status: Status) -> DocumentRow:
    """The newest document of a stage with a status, whatever its package."""
    rows = [row for task in longest(PARTITIONS) for row in store.history(stage, task) if row.status == status]
    return max(rows, key=lambda row: row.seq)


@contextmanager
def _webserver() -> Iterator[str]:
    """Dagster's UI on the demo's instance, at the URL given; ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = str(Path(sys.executable).parent / "dagster-webserver")
    server = subprocess.Popen(  # noqa: S603 - a program of this virtual environment
        [program, "-h", "127.0.0.1", "-p", port, "-f", "examples/essay_pipeline/definitions.py"],
        env={**os.environ, "DAGSTER_HOME": str(DAGSTER_HOME.resolve())},
    )
    try:
        _wait_for(server, int(port))
        yield f"http://127.0.0.1:{port}"
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


def _shoot(browser: webdriver.Chrome, page: str, wanted: str, image: Path) -> None:
    """Take a picture of a page, once the text that it is taken for is really on it."""
    browser.get(page)
    WebDriverWait(browser, PATIENCE, ignored_exceptions=[WebDriverException]).until(
        lambda opened: wanted in opened.find_element(By.TAG_NAME, "body").text
    )
    for shortened in browser.find_elements(By.XPATH, "//*[text()='View full message']"):
        browser.execute_script("arguments[0].click()", shortened)
    time.sleep(1)  # what still slides into place
    browser.save_screenshot(str(image))
    sys.stdout.write(f"{image}\n")


if __name__ == "__main__":
    main()
