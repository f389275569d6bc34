"""The application: which address is answered by which page, and how an error looks."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from doc_io.errors import ConfigurationError, DocIOError
from doc_io.index import page_queries
from doc_io.store import DocumentStore
from doc_io.web.address import Links
from doc_io.web.guard import LOOPBACK, Guard
from doc_io.web.page import FORM, NEWEST, Make, Page, Site, answer, form_of, newest_seq
from doc_io.web.pages import board, compare, document, failures, files, scores, search, story, task, usage
from doc_io.web.rendering import Templates
from doc_io.web.searching import Searching

_STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_STATUSES = {2: 400, 4: 404, 7: 503, 8: 503}
"""Exit code of an error to HTTP status: cannot be read, is not there, storage or index out of reach."""

_log = logging.getLogger("doc_io.web")

PAGES: dict[str, Make] = {
    "/": board.board_page,
    "/board": board.board_page,
    "/d/{doc_id}": document.document_page,
    "/d/{doc_id}/story": story.story_page,
    "/d/{doc_id}/files/{name:path}": files.file,
    "/t": task.task_page,
    "/t/{stage}/{task}": task.task_page,
    "/compare": compare.compare_page,
    "/failures": failures.failures_page,
    "/scores": scores.scores_page,
    "/search": search.search_page,
    "/usage": usage.usage_page,
}
"""Address to what makes its page."""


def app(
    store: DocumentStore,
    *,
    dagster_url: str | None = None,
    token: str | None = None,
    hosts: Iterable[str] = LOOPBACK,
) -> ASGIApp:
    """The pages of a store, as an ASGI application to serve or to mount.

    Args:
        store: Which store; it is only read, and not closed.
        dagster_url: Dagster's UI, to link runs and assets to. Default: no links.
        token: What a reader must show once. Default: nothing; whoever reaches the server may read.
        hosts: The names by which the server is called; a request for another is refused. Default: this machine's own.

    Returns:
        An ASGI application that answers GET and HEAD.

    Raises:
        ConfigurationError: The token is empty.
    """
    if token is not None and not token.strip():
        raise ConfigurationError(setting="token", reason="it is empty", hint="Give one that is hard to guess, or none.")
    site = Site(store, Templates(_version()), Searching(store), dagster_url.rstrip("/") if dagster_url else None)
    routes = [Route(path, _endpoint(site, make)) for path, make in PAGES.items()]
    routes += [Route("/new", partial(_new, site)), Route("/static/{name}", _static)]
    inner = Starlette(
        routes=routes,
        exception_handlers={
            DocIOError: partial(_refused, site),
            HTTPException: partial(_refused, site),
            Exception: partial(_failed, site),
        },
    )
    return Guard(_Formed(inner), tuple(hosts), token)


class _Formed:
    """Takes ``.json`` and ``.csv`` off the end of an address, so that each page is routed once."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            base = scope.get("root_path", "")
            path, form = form_of(scope["path"].removeprefix(base))
            scope = {**scope, "path": base + path, FORM: form}
        await self._inner(scope, receive, send)


def _endpoint(site: Site, make: Make) -> Callable[[Request], Response]:
    # Not async: Starlette runs it in a thread, and a slow page keeps no other one waiting.
    def endpoint(request: Request) -> Response:
        request.scope[NEWEST] = newest_seq(site)
        made = make(site, request, Links(request.scope.get("root_path", "")))
        return made if isinstance(made, Response) else answer(site, request, made)

    return endpoint


def _new(site: Site, request: Request) -> Response:
    """How many documents came after those that a page knows of."""
    newest_seq(site)
    since = request.query_params.get("since", "")
    count = page_queries.count_after(site.store.index, int(since), 1000) if since.isdecimal() and len(since) < 16 else 0  # noqa: PLR2004
    return JSONResponse({"new": count})


def _static(request: Request) -> Response:
    found = _files().get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    data, kind = found
    return Response(data, media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable"})


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Every static file by name: read once, so that no name of a request reaches the disk."""
    return {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in _STATIC.iterdir() if path.suffix in _TYPES}


def _version() -> str:
    return hashlib.sha256(b"".join(data for data, _ in _files().values())).hexdigest()[:12]


def _refused(site: Site, request: Request, error: Exception) -> Response:
    """An error that says what to do."""
    if isinstance(error, HTTPException):
        status, message = error.status_code, "There is no such page. Start from the board."
    else:
        status, message = _STATUSES.get(getattr(error, "exit_code", 0), 500), str(error)
    return _error(site, request, status, message)


def _failed(site: Site, request: Request, error: Exception) -> Response:
    _log.error("A page could not be made", exc_info=error)
    return _error(site, request, 500, "This page could not be made. The server's log says why.")


def _error(site: Site, request: Request, status: int, message: str) -> Response:
    page = Page("error.html", "Error", {"error": message}, status=status, layout="narrow")
    return answer(site, request, page)
