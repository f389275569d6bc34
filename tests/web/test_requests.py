"""Requests that nobody's browser sends: none of them makes the server fail, and none is repeated unescaped."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Scope

from doc_io import Document, DocumentStore
from doc_io.web import app
from doc_io.web.guard import MAX_ADDRESS

_T = TypeVar("_T")

Headers = list[tuple[bytes, bytes]]
LOCALHOST: Headers = [(b"host", b"localhost")]
PAGES = (
    b"/", b"/board", b"/t", b"/t/essay/t", b"/compare", b"/failures", b"/scores", b"/search", b"/usage", b"/new", b"/d/DOC",
    b"/d/DOC/story", b"/d/DOC/files/raw.txt",
)  # fmt: skip
NAMES = (
    (b"stage", b"model", b"template", b"experiment", b"run", b"task", b"q"),
    (b"skip", b"at", b"as", b"view", b"only", b"outcome", b"group", b"after"),
    (b"by",), (b"a", b"b"), (b"status",), (b"since",), (b"until",),
)  # fmt: skip
ODD = (
    b"", b"%00", b"\xff\xfe", b"%ED%A0%80", b"%C0%AF", b"%D9%A3", b"-1", b"999999999", b"9" * 30, b"NaN", b"%1b[31m", b"{{7*7}}",
    b"..%2f..%2fetc%2fpasswd", b"' OR 1=1 --", b'"a" OR NEAR(', b"%E2%80%AE", b"0001-01-01T00:00:00%2B23:59",
    b"9999-12-31T23:59:59-23:59", b"99999w", b"model_id", b"essay.", b".template_id", b"essay.nope", b"x" * 9_000,
    b"%3Cscript%3Ealert(1)%3C/script%3E",
)  # fmt: skip


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


def ask(application: ASGIApp, path: bytes, query: bytes = b"", headers: Headers = LOCALHOST) -> Answer:
    """The answer to a request whose every byte is chosen here."""
    return run(_ask(application, path, query, headers))


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """What a coroutine gives; in a thread of its own, as Playwright has a loop in this one."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, coroutine).result()


async def _ask(application: ASGIApp, path: bytes, query: bytes, headers: Headers = LOCALHOST) -> Answer:
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"), "raw_path": path, "query_string": query,
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8712),
    }  # fmt: skip
    status: list[int] = []
    body: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])
        else:
            body.append(message.get("body", b""))

    await application(scope, receive, send)
    return Answer(status[0], b"".join(body))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ASGIApp, bytes]]:
    """The application on a small store, and a document of it."""
    with DocumentStore(tmp_path_factory.mktemp("odd") / "docs") as store:
        row = store.save(Document("text", prompt="prompt", score=1.0), stage="essay", task_id="t")
        yield app(store), row.doc_id.encode()


def is_harmless(answer: Answer) -> bool:
    return answer.status < 500 and not any(
        each in answer.body for each in (b"<script>alert", b"\x1b", b"\0", b"Traceback")
    )


@pytest.mark.parametrize("path", PAGES)
def test_no_value_of_an_address_makes_a_page_fail(pages: tuple[ASGIApp, bytes], path: bytes) -> None:
    application, doc_id = pages
    path = path.replace(b"DOC", doc_id)
    addresses = [
        ((b"/board" if path == b"/" and form else path) + form, b"&".join(name + b"=" + value for name in names))
        for value in ODD
        for form, some in ((b"", NAMES), (b".json", NAMES[:3]), (b".csv", NAMES[:3]))
        for names in some
    ]
    addresses += [
        (path, pair + value) for value in ODD for pair in (b"stage=essay&by=", b"run=a&run=", b"a=" + doc_id + b"&b=")
    ]

    async def failing() -> list[tuple[bytes, bytes]]:
        return [(each, query) for each, query in addresses if not is_harmless(await _ask(application, each, query))]

    assert run(failing()) == []


@settings(max_examples=150)
@given(
    st.binary(max_size=40), st.binary(max_size=60), st.sampled_from([b"host", b"origin", b"cookie", b"authorization"])
)
def test_no_bytes_make_the_server_fail(pages: tuple[ASGIApp, bytes], path: bytes, query: bytes, name: bytes) -> None:
    application, _ = pages

    assert is_harmless(ask(application, b"/" + path.replace(b"?", b""), query))
    assert is_harmless(ask(application, b"/new", b"since=1", [*LOCALHOST, (name, query)]))


@pytest.mark.parametrize(
    "origin",
    [b"http://[::1", b"http://localhost@evil.example", b"http://evil.example\\@localhost", b"localhost", b"\xff"],
)
def test_an_origin_that_is_none_is_refused(pages: tuple[ASGIApp, bytes], origin: bytes) -> None:
    assert ask(pages[0], b"/", headers=[*LOCALHOST, (b"origin", origin)]).status == 403


def test_two_host_names_are_refused_where_one_is_foreign(pages: tuple[ASGIApp, bytes]) -> None:
    assert ask(pages[0], b"/", headers=[*LOCALHOST, (b"host", b"evil.example")]).status == 421


def test_an_address_of_a_megabyte_is_refused(pages: tuple[ASGIApp, bytes]) -> None:
    answer = ask(pages[0], b"/", b"q=" + b"x" * MAX_ADDRESS)

    assert (answer.status, len(answer.body) < 100) == (414, True)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (b"/scores?stage=essay&by=nope", 400),
        (b"/?status=nope", 400),
        (b"/d/none", 404),
        (b"/t/essay/none", 404),
        (b"/compare?a=none&b=none", 404),
        (b"/compare", 400),
        (b"/t", 400),
        (b"/static/none", 404),
    ],
)
def test_what_is_wrong_with_an_address_is_told_by_the_status(
    pages: tuple[ASGIApp, bytes], address: bytes, status: int
) -> None:
    path, _, query = address.partition(b"?")

    assert ask(pages[0], path, query).status == status
