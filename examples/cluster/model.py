"""A stand-in for a language model, which writes down each answer that somebody would have to pay for.

``python -m examples.cluster.model PORT LEDGER`` starts it. An answer begins with a number of its own, and says from which
answers it was made: so whoever has a text knows when it was paid for, and what its parents must be.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_NUMBER = re.compile(r"^answer ([0-9a-f]{12})\b", re.MULTILINE)
_FROM = re.compile(r"^made from ([0-9a-f ]*)$", re.MULTILINE)
_FILLER = "The boundary value need not be a round one. " * 40
DEFAULT_SECONDS = 0.3


@dataclass(frozen=True)
class Paid:
    """An answer.

    Attributes:
        number: Its own number.
        stage: What it was asked for.
        topic: About what.
        parents: The numbers of the answers in its prompt.
        client: The address of who asked.
    """

    number: str
    stage: str
    topic: str
    parents: list[str]
    client: str


def ask(url: str | None, stage: str, topic: str, prompt: str) -> str:
    """One answer.

    Args:
        url: The server; ``None`` to answer here, unpaid.
        stage: What is asked for.
        topic: About what.
        prompt: The question.
    """
    if url is None:
        return text_of(answer(stage, topic, prompt, "here"))
    request = urllib.request.Request(f"{url}/{stage}/{topic}", data=prompt.encode())  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310 - as above
        return str(response.read().decode())


def answer(stage: str, topic: str, prompt: str, client: str) -> Paid:
    """What the model makes of a prompt."""
    return Paid(secrets.token_hex(6), stage, topic, numbers_in(prompt), client)


def text_of(paid: Paid) -> str:
    """The text of an answer."""
    return f"answer {paid.number}\nmade from {' '.join(paid.parents)}\n{paid.stage} of {paid.topic}. {_FILLER}\n"


def numbers_in(text: str) -> list[str]:
    """The numbers of the answers that a text holds."""
    return _NUMBER.findall(text)


def parents_in(text: str) -> list[str]:
    """The numbers of the answers that an answer was made from."""
    found = _FROM.search(text)
    return found[1].split() if found else []


def read_ledger(ledger: Path) -> Iterator[Paid]:
    """Every answer that was paid for."""
    if ledger.exists():
        for line in ledger.read_text(encoding="ascii").splitlines():
            yield Paid(**json.loads(line))


def serve(port: int, ledger: Path) -> None:
    """Answer until the process is ended; the file ``seconds`` beside the ledger says how long an answer takes.

    The file ``asked`` has a byte for each question, from the moment at which it came in.
    """
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            prompt = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with ledger.with_name("asked").open("a", encoding="ascii") as asked:
                asked.write(".")
            time.sleep(_seconds(ledger))
            _, stage, topic = self.path.split("/")
            paid = answer(stage, topic, prompt, self.client_address[0])
            with lock, ledger.open("a", encoding="ascii") as lines:
                lines.write(f"{json.dumps(asdict(paid))}\n")
            text = text_of(paid).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            """The ledger says it all."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("", port), Handler) as server:
        server.serve_forever()


def _seconds(ledger: Path) -> float:
    said = ledger.with_name("seconds")
    return float(said.read_text(encoding="ascii")) if said.exists() else DEFAULT_SECONDS


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
