"""What the server refuses, whoever asks, and what it tells a browser about every answer."""

from __future__ import annotations

import re
from html import unescape

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from doc_io import Document, DocumentStore
from doc_io.web import app
from doc_io.web.guard import CONTENT_SECURITY_POLICY

TOKEN = "s3cret"  # noqa: S105 - of these tests


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_get_and_head_are_answered(client: TestClient, method: str) -> None:
    answer = client.request(method, "/")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_head_request_has_the_headers_of_a_page_and_no_text(client: TestClient) -> None:
    answer = client.head("/")

    assert (answer.status_code, answer.content) == (200, b"")


FOREIGN = (
    "evil.example", "evil.example:8712", "localhost.evil.example", "", "[::1].evil.example", "[::ffff:127.0.0.1]", "127.1",
    "localhost, evil.example", "localhost:abc", "evil@localhost", "localhost#evil", "::1",
)  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN)
def test_a_request_for_another_host_is_refused(client: TestClient, host: str) -> None:
    """DNS rebinding: the browser believes to talk to the attacker's site, and says so."""
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:8712", "127.0.0.1:1", "[::1]:8712", "LOCALHOST"])
def test_this_machines_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/new?since=1", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://localhost.evil.example", "chrome-extension://localhost"]
)
def test_a_request_from_another_site_is_refused(client: TestClient, origin: str) -> None:
    assert client.get("/", headers={"origin": origin}).status_code == 403


def test_a_named_host_is_answered(example: DocumentStore) -> None:
    client = TestClient(app(example, hosts=["docs.example"]), base_url="http://docs.example")

    assert client.get("/new?since=1").status_code == 200
    assert client.get("/new?since=1", headers={"host": "localhost"}).status_code == 421


@pytest.mark.parametrize("path", ["/", "/nope", "/d/nope", "/static/style.css", "/usage.csv", "/failures.json"])
def test_every_answer_lets_nothing_run_or_leave(client: TestClient, path: str) -> None:
    headers = client.get(path).headers

    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


def test_a_token_is_asked_for_and_given_once(example: DocumentStore) -> None:
    client = TestClient(app(example, token=TOKEN), base_url="http://localhost", follow_redirects=False)

    refused = client.get("/usage?by=day")
    given = client.get("/usage?by=day&token=s3cret")
    after = client.get(given.headers["location"])

    assert (refused.status_code, given.status_code, after.status_code) == (401, 303, 200)
    assert given.headers["location"] == "/usage?by=day"
    assert "HttpOnly" in given.headers["set-cookie"]
    assert "s3cret" not in given.headers["set-cookie"]


def test_a_wrong_token_is_refused_and_not_repeated(example: DocumentStore) -> None:
    client = TestClient(app(example, token=TOKEN), base_url="http://localhost")

    answer = client.get("/?token=wr0ng", headers={"authorization": "Bearer wr0ng", "cookie": "doc_io_token=wr0ng"})

    assert answer.status_code == 401
    assert "wr0ng" not in answer.text
    assert "s3cret" not in answer.text


def test_a_bearer_token_is_enough(example: DocumentStore) -> None:
    client = TestClient(app(example, token=TOKEN), base_url="http://localhost")

    assert client.get("/", headers={"authorization": "Bearer s3cret"}).status_code == 200


def test_headers_of_a_proxy_change_nothing(client: TestClient) -> None:
    """Anybody can send them."""
    sent = {"x-forwarded-host": "evil.example", "x-forwarded-prefix": "/evil", "forwarded": "host=evil.example"}

    assert "evil" not in client.get("/", headers=sent).text


def test_two_stores_mounted_side_by_side_have_tokens_of_their_own(example: DocumentStore, store: DocumentStore) -> None:
    store.save(Document("text", prompt="p"), stage="essay", task_id="a/b.json")
    mounts = [Mount("/one", app(example, token="one")), Mount("/a b", app(store, token="two"))]  # noqa: S106
    client = TestClient(Starlette(routes=mounts), base_url="http://localhost")

    given = [client.get(f"{path}/?token={token}").status_code for path, token in (("/one", "one"), ("/a%20b", "two"))]
    pages = [client.get(path) for path in ("/one/", "/a%20b/")]
    links = {unescape(link) for link in re.findall(r'href="(/[^"]*)"', pages[1].text)}

    assert given == [page.status_code for page in pages] == [200, 200]
    assert all(link.startswith("/a%20b/") for link in links)
    assert {client.get(link).status_code for link in links} == {200}


def test_a_web_socket_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


def test_a_redirect_never_leaves_the_server(example: DocumentStore) -> None:
    client = TestClient(app(example, token=TOKEN), base_url="http://localhost", follow_redirects=False)

    answer = client.get("http://localhost//evil.example/?token=s3cret")

    assert answer.headers["location"] == "/evil.example/"


@pytest.mark.parametrize(
    "path",
    [
        "/d/..%2f..%2fetc%2fpasswd",
        "/static/..%2fguard.py",
        "/static/%2e%2e/guard.py",
        "/d/x/files/..%2f..%2fstore.json",
    ],
)
def test_no_path_of_a_request_reaches_the_disk(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_file_is_named_by_its_own_manifest_alone(client: TestClient, example: DocumentStore) -> None:
    row = example.select(limit=1)[0]

    assert client.get(f"/d/{row.doc_id}/files/raw.txt").status_code == 200
    assert client.get(f"/d/{row.doc_id}/files/..%2F{row.doc_id}%2Fraw.txt").status_code == 404


def test_an_error_repeats_a_request_only_escaped(client: TestClient) -> None:
    answer = client.get("/d/%3Cscript%3Ealert(1)%3C%2Fscript%3E%1b[31m")

    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    assert "\x1b" not in answer.text


@pytest.mark.parametrize("query", ["status=nope", "since=yesterday", "since=99999999999d", "run=%00"])
def test_an_address_that_cannot_be_read_says_so(client: TestClient, query: str) -> None:
    answer = client.get(f"/?{query}")

    assert answer.status_code in (400, 200)
    assert "could not be made" not in answer.text
