"""What the tests of the examples share."""

import threading
from collections.abc import Iterator

import pytest

from tests.examples.endpoint import KEY, Endpoint


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A running endpoint, named by the environment as a user would name it."""
    running = Endpoint()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", running.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_MODEL", "tiny-writer")
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()
