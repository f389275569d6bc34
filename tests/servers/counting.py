"""A reverse proxy that counts the requests on their way to a server."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect"})  # RFC 9110, section 7.6.1


@dataclass
class Counter:
    """What went through.

    Attributes:
        endpoint: The proxy's URL.
        requests: Method and path of each, in order of arrival.
        most_at_once: How many were under way at the same time.
        agents: The client that sent each, as it calls itself.
    """

    endpoint: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    agents: list[str] = field(default_factory=list)

    def methods(self) -> dict[str, int]:
        """How many requests of each method came since `clear`."""
        found = [method for method, _ in self.requests]
        return {method: found.count(method) for method in sorted(set(found))}

    def clear(self) -> None:
        """Start counting again."""
        self.requests.clear()
        self.agents.clear()
        self.most_at_once = 0


@contextmanager
def counting(endpoint: str, *, seconds: float = 0) -> Iterator[Counter]:
    """Forward every request to ``endpoint``, unchanged, so that signatures hold, and count it; answer after so many seconds."""
    target = urlsplit(endpoint)
    lock = threading.Lock()
    under_way = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def forward(self) -> None:
            nonlocal under_way
            with lock:
                counter.requests.append((self.command, self.path))
                counter.agents.append(self.headers.get("User-Agent", ""))
                under_way += 1
                counter.most_at_once = max(counter.most_at_once, under_way)
            time.sleep(seconds)
            try:
                response, content = self.fetch()
            finally:
                # Before the answer leaves: its reader may send the next request at once.
                with lock:
                    under_way -= 1
            self.answer(response, content)

        def fetch(self) -> tuple[http.client.HTTPResponse, bytes]:
            assert "Transfer-Encoding" not in self.headers
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # A connection of its own: one that was kept may be closed by the server while the request is on its way.
            with closing(http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)) as upstream:
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        upstream.putheader(name, value)
                upstream.endheaders(body)
                response = upstream.getresponse()
                return response, response.read()

        def answer(self, response: http.client.HTTPResponse, content: bytes) -> None:
            self.send_response_only(response.status, response.reason)
            for name, value in response.getheaders():
                if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            length = response.headers["Content-Length"] if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815 - the names http.server asks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    with Server(("127.0.0.1", 0), Handler) as server:
        counter = Counter(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield counter
        finally:
            server.shutdown()
            thread.join()
