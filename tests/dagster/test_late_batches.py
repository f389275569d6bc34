"""A batch that the provider answers late is fetched by the next try, and not sent and paid for again."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest

from doc_io import Document, DocumentsIndex, Status
from tests.dagster.conftest import House, reason


class BatchServer:
    """Takes batches (POST) and gives their answers (GET), but not at the first time of asking."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.asked_for: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.sent.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._say({"id": f"batch-{len(server.sent)}", "status": "in_progress"})

            def do_GET(self) -> None:
                batch = self.path.rpartition("/")[2]
                server.asked_for.append(batch)
                if server.asked_for.count(batch) == 1:
                    self._say({"id": batch, "status": "in_progress"})
                else:
                    self._say({"id": batch, "status": "completed", "text": "late answer"})

            def _say(self, content: dict[str, Any]) -> None:
                data = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def call(self, method: str, path: str = "", data: bytes | None = None) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._server.server_port}/batches{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=10) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[BatchServer]:
    running = BatchServer()
    yield running
    running.stop()


def draft_of(server: BatchServer, retry_policy: dg.RetryPolicy | None = None) -> dg.AssetsDefinition:
    @dg.asset(name="draft", retry_policy=retry_policy)
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt="p", model_id="m") as attempt:
            if attempt.stored:
                return attempt.stored
            batch = attempt.unfinished or server.call("POST", data=b"p")["id"]
            attempt.provider_id = batch  # at once: whatever happens now, the batch is known to the next try
            answer = server.call("GET", f"/{batch}")
            if answer["status"] != "completed":
                raise TimeoutError(f"{batch} is not ready")
            attempt.raw = answer["text"]
            return attempt.document()

    return draft


def test_a_batch_that_is_late_is_fetched_by_the_next_run(house: House, server: BatchServer) -> None:
    assert "batch-1 is not ready" in reason(house.run([draft_of(server)]), "draft")
    assert house.run([draft_of(server)]).success

    assert (server.sent, server.asked_for) == (["p"], ["batch-1", "batch-1"])
    made, kept = house.store.history("draft", "draft")
    assert (house.store.read(made), made.meta_small["provider_id"]) == ("late answer", "batch-1")
    assert (kept.status, kept.meta_small["provider_id"]) == (Status.GEN_ERROR, "batch-1")


def test_a_retry_policy_waits_for_a_batch_without_sending_it_again(house: House, server: BatchServer) -> None:
    assert house.run([draft_of(server, dg.RetryPolicy(max_retries=1))]).success
    assert (server.sent, server.asked_for) == (["p"], ["batch-1", "batch-1"])


def test_a_new_question_is_sent_although_an_older_batch_is_unfinished(house: House, server: BatchServer) -> None:
    """The control: a batch belongs to its prompt; and a finished one is not fetched again."""
    house.run([draft_of(server)])
    house.run([draft_of(server)])
    house.run([draft_of(server)], tags={"doc_io/force": "true"})
    assert server.sent == ["p", "p"]
