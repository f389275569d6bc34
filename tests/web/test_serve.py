"""``doc-io serve`` from the command line: whom it answers, and what it says at start."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner

from doc_io import DocumentStore
from doc_io.cli.main import group
from doc_io.errors import ConfigurationError
from doc_io.web import app
from tests.web.conftest import serving

ANY = "0.0.0.0"  # noqa: S104 - refused, or behind a token


def status_of(url: str, host: str) -> int:
    """The status of the answer to a request that is addressed to a host name."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", "/new?since=1", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def started(store: DocumentStore, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, and the first line that it says; ended afterwards."""
    program = [sys.executable, "-c", "from doc_io.cli.main import main; main()"]
    process = subprocess.Popen(
        [*program, "--docs-root", store.docs_root, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_names_that_are_given_are_answered_and_no_others(example: DocumentStore) -> None:
    names = ["--behind", "proxy.example", "--allow-host", "docs.example", "--allow-host", "other.example"]
    with serving(Path(example.docs_root), *names) as server:
        answers = {
            host: status_of(server.url, host)
            for host in ("proxy.example", "docs.example:443", "other.example", "localhost", "evil.example")
        }

    assert answers == {
        "proxy.example": 200,
        "docs.example:443": 200,
        "other.example": 200,
        "localhost": 200,
        "evil.example": 421,
    }


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ((), "for this machine alone"),
        (("--host", ANY, "--token", "s3cret"), "for whoever knows the token"),
        (("--behind", "docs.example"), "for who docs.example lets in"),
    ],
)
def test_it_says_where_it_is_and_for_whom(example: DocumentStore, options: tuple[str, ...], who: str) -> None:
    with started(example, *options) as (_, line):
        assert "at http://localhost:" in line
        assert who in line
        assert "s3cret" not in line


def test_an_interrupt_ends_it_quietly(example: DocumentStore) -> None:
    with started(example) as (process, line):
        assert status_of(line.split(" at ")[1].split("/ ")[0], "localhost") == 200
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)

        assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--host", ANY), "--token"),
        (("--host", ANY, "--token", ""), "empty"),
        (("--dagster-url", "javascript:alert(1)"), "http"),
    ],
)
def test_what_cannot_be_served_safely_is_refused(example: DocumentStore, options: tuple[str, ...], reason: str) -> None:
    said = CliRunner().invoke(group, ["--docs-root", example.docs_root, "serve", *options])

    assert isinstance(said.exception, ConfigurationError)
    assert (said.output, reason in str(said.exception)) == ("", True)


def test_a_port_that_is_taken_is_named(example: DocumentStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with started(example, "--port", port) as (process, line):
            _, said = process.communicate(timeout=30)

    assert (line, process.returncode) == ("", 3)
    assert f"--port {port}" in said
    assert "--port 0" in said


def test_an_empty_token_lets_nobody_in(example: DocumentStore) -> None:
    """It would be the token of a request that has none."""
    with pytest.raises(ConfigurationError, match="empty"):
        app(example, token="")
