"""What stands before every page: which hosts and methods are answered, who is let in, and what a browser may do with an answer."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""The names by which a machine calls itself."""

MAX_ADDRESS = 65_536
"""Bytes of an address: more than any page's own links have."""

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]@/]+))(?::\d*)?")
_NO_ADDRESS = re.compile(rb"[^!-~]")
_COOKIE = "doc_io_token"
_A_MONTH = 30 * 24 * 3600  # seconds

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, no frame around a page."""

_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Refuses what no page is made for, and says to the browser what may run: nothing but our own script.

    Args:
        app: What answers the rest.
        hosts: Names that requests may be addressed to, against DNS rebinding: a page of another site that makes a
            browser call this server still sends that site's name.
        token: What a request must show, in a header, a cookie or once in its address. Default: nothing.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str | None = None) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ASGI's own signature."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # refuses it
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] += [(name, value) for name, value in _HEADERS if name not in own]
            await send(message)

        answer = self._refusal(scope) or self._asks_for_token(scope)
        await (answer or self._app)(scope if answer else _as_sent(scope), receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("These pages are read-only: GET and HEAD.", 405, {"allow": "GET, HEAD"})
        if len(scope["query_string"]) + len(scope.get("raw_path") or b"") > MAX_ADDRESS:
            return PlainTextResponse("This address is too long.", 414)
        if not all(_name(host) in self._hosts for host in headers.getlist("host") or [""]):
            return PlainTextResponse(
                "This server does not answer to that host name. Start it with --allow-host NAME to let it.", 421
            )
        if not all(_site(origin) in self._hosts for origin in headers.getlist("origin")):
            return PlainTextResponse("Pages of other sites may not read this one.", 403)
        return None

    def _asks_for_token(self, scope: Scope) -> Response | None:
        if self._token is None:
            return None
        headers = Headers(scope=scope)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if any(_same(value, self._token) for value in given):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # The address of a page may be passed on, its token may not.
            answer = RedirectResponse(f"{_path_of(scope)}{'?' if rest else ''}{rest}", 303)
            answer.set_cookie(
                _COOKIE,
                _proof(self._token),
                max_age=_A_MONTH,
                path=quote(scope.get("root_path", "")) or "/",  # another store may be mounted beside this one
                httponly=True,
                samesite="lax",
                secure=scope.get("scheme") == "https",
            )
            return answer
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if _same(bearer, self._token) or _same(_cookie(headers.getlist("cookie")), _proof(self._token)):
            return None
        return PlainTextResponse(
            "These pages need the token that `doc-io serve` was started with: add ?token=… to the address once.", 401
        )


def _as_sent(scope: Scope) -> Scope:
    """The scope with its path as it was sent: a task may be called ``a/b`` or ``x.json``, and escapes tell these apart.

    Bytes that no address may have, which servers let through, are escaped: Starlette decodes a query as UTF-8 or fails.
    """
    query = _NO_ADDRESS.sub(_escape, scope["query_string"])
    return {**scope, "path": _path_of(scope), "root_path": quote(scope.get("root_path", "")), "query_string": query}


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _path_of(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path: str = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"])
    return "/" + path.lstrip("/")  # of two slashes at the start a redirect would make another host


def _name(host: str) -> str:
    """The name in ``name:port``, also where it is an IPv6 address in brackets."""
    found = _HOST.fullmatch(host.lower())
    return (found[1] or found[2] or "") if found else ""


def _site(origin: str) -> str:
    """The name of the site that an origin names; empty where it is no site's."""
    scheme, _, host = origin.partition("://")
    return _name(host) if scheme in ("http", "https") else ""


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def _proof(token: str) -> str:
    """What the cookie holds: made from the token, and not the token."""
    return hashlib.sha256(b"doc_io cookie " + token.encode("utf-8", "surrogatepass")).hexdigest()


def _cookie(headers: Iterable[str]) -> str:
    for header in headers:
        try:
            found = SimpleCookie(header).get(_COOKIE)
        except CookieError:
            continue
        if found is not None:
            return found.value
    return ""
