"""A store that does not answer: the text is safe on this machine before anything waits for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from doc_io import DocumentsIndex, DocumentStore
from tests.servers.s3 import S3

PROGRAM = """
import sys
import dagster as dg
from doc_io import DocDirIOManager

@dg.asset
def draft() -> str:
    return "paid for"

root, endpoint, key, secret, spool = sys.argv[1:]
options = {"key": key, "secret": secret, "endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}, "call_timeout": 4}
manager = DocDirIOManager(docs_root=root, db_path=spool + ".sqlite", storage_options=options, spool=spool)
dg.materialize([draft], resources={"io_manager": manager}, raise_on_error=False)
"""


@pytest.mark.timeout(180)
def test_a_step_that_is_killed_while_a_server_does_not_answer_leaves_its_text_on_the_machine(
    tmp_path: Path, s3_server: S3
) -> None:
    """The server accepts the connection and says nothing; the process is killed. The next one on the machine files its text."""
    spool, root = tmp_path / "spool", f"{s3_server.root}/{tmp_path.name}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        words = [sys.executable, "-c", PROGRAM, root, endpoint, s3_server.key, s3_server.secret, str(spool)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        step = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while (
            not list(spool.glob(".answers/*/draft/*/[!.]*/metadata.json"))
            and step.poll() is None
            and time.monotonic() < deadline
        ):
            time.sleep(0.1)
        step.kill()
        step.wait()

    index = tmp_path / "index.sqlite"
    options = s3_server.storage_options
    with (
        DocumentsIndex(
            docs_root=root, db_path=str(index), storage_options=options, spool=str(spool)
        ).yield_for_execution(dg.build_init_resource_context()),
        DocumentStore(root, index, storage_options=options) as store,
    ):
        assert store.read(store.find("draft/draft")) == "paid for"
