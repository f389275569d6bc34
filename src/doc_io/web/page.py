"""A page: its data once, shown as HTML, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from doc_io.document import DocumentRow
from doc_io.escaping import printable
from doc_io.ids import is_id
from doc_io.index import page_queries
from doc_io.store import DocumentStore
from doc_io.web.address import Links
from doc_io.web.remember import Remembered

if TYPE_CHECKING:
    from doc_io.web.rendering import Templates
    from doc_io.web.searching import Searching

FORM = "doc_io.form"
"""Where a request's scope says in which form its page is wanted."""

NEWEST = "doc_io.newest"
"""Where it says what is the newest insert; an error page knows of none."""

_FORM = re.compile(r"(.*)[.](json|csv)", re.DOTALL)
_FILE = re.compile(r"/static/|/d/[^/]+/files/")  # addresses whose end is the name of a file
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are their full-width forms


@dataclass(frozen=True)
class Site:
    """What the pages of one store share.

    Attributes:
        store: The store.
        templates: How pages look.
        searching: Searches that are under way.
        dagster_url: Dagster's UI, to link runs and assets to.
        remembered: Answers that took long.
    """

    store: DocumentStore
    templates: Templates
    searching: Searching
    dagster_url: str | None = None
    remembered: Remembered = field(default_factory=Remembered)


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes:
        template: The name of its template.
        title: For the tab.
        data: What a machine gets: plain values, and rows.
        table: What a spreadsheet gets: columns and rows. Default: there is none.
        shown: What only the template needs.
        status: The status of the answer.
        layout: ``wide``, or ``narrow`` for what is read line by line.
    """

    template: str
    title: str
    data: Mapping[str, Any]
    table: tuple[Sequence[str], Sequence[Sequence[object]]] | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    layout: Literal["wide", "narrow"] = "wide"


Make = Callable[[Site, Request, Links], "Page | Response"]
"""What makes a page."""


def form_of(path: str) -> tuple[str, str]:
    """A path without the form at its end, and the form: ``html``, ``json`` or ``csv``."""
    found = None if _FILE.match(path) else _FORM.fullmatch(path)
    return (found[1] or "/", found[2]) if found else (path, "html")


def answer(site: Site, request: Request, page: Page) -> Response:
    """The answer in the form that the address asks for."""
    form = request.scope.get(FORM, "html")
    if form == "json":
        data = json.dumps(as_plain(page.data), default=str)  # in ASCII: a text may have lone surrogates
        data = data.replace("<", "\\u003c")  # no tag, whatever a reader takes it for
        return Response(data, page.status, media_type="application/json")
    if form == "csv":
        return _as_csv(page)
    base = request.scope.get("root_path", "")
    path = request.scope["path"].removeprefix(base) or "/"
    here = base + ("/board" if path == "/" else path)
    query = request.scope["query_string"].decode("ascii")
    asked = f"?{query}" if query else ""
    html = site.templates.page(
        page.template,
        {
            "title": page.title,
            "layout": page.layout,
            "link": Links(base),
            "base": base,
            "path": path,
            "as_json": f"{here}.json{asked}",
            "as_csv": f"{here}.csv{asked}" if page.table else None,
            "root": site.store.docs_root,
            "dagster_url": site.dagster_url,
            "newest": request.scope.get(NEWEST),
            **page.data,
            **page.shown,
        },
    )
    return Response(html.encode("utf-8", "backslashreplace"), page.status, media_type="text/html; charset=utf-8")


def document_of(site: Site, name: str) -> DocumentRow:
    """The document that an address names: a doc_id, or the start of one that no other has.

    Raises:
        UnknownDocumentError: There is none.
        AmbiguousDocumentError: Several doc_ids begin like this.
    """
    row = site.store.get(name) if is_id(name) else None  # a parent store's too
    return row or site.store.find(name)


def newest_seq(site: Site) -> int:
    """The place of the newest insert, which a page knows of; 0 for a store that is empty.

    Raises:
        StoreMismatchError: The index is empty, and the docs root is not: it was lost while this server was running.
    """
    newest = page_queries.newest_seq(site.store.index)
    if newest == 0:
        site.store.unchecked.compare_again()
        site.store.check()
    return newest


def as_plain(value: object) -> object:
    """A value as JSON can hold it: rows and named tuples as objects."""
    if isinstance(value, DocumentRow):
        return value.as_dict()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return as_plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): as_plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(each) for each in value]
    return value


def _as_csv(page: Page) -> Response:
    if page.table is None:
        return Response("This page has no table; ask for .json.", 404, media_type="text/plain")
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)  # quoted, no separator of another country begins a cell
    columns, rows = page.table
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return Response(text.getvalue().encode("utf-8", "backslashreplace"), media_type="text/csv; charset=utf-8")


def _cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula (owasp.org/www-community/attacks/CSV_Injection)."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = printable(str(value), keep="\n")
    return f"'{text}" if text.startswith(_FORMULA) else text
