"""A document: its whole text beside its prompt, and everything that is known of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request

from doc_io.document import DocumentRow, Status
from doc_io.errors import DamagedDocumentError, DocIOError, StorageError
from doc_io.index import page_queries
from doc_io.reading import Which
from doc_io.reports.failures import reason
from doc_io.web.address import Links, number
from doc_io.web.costs import cost
from doc_io.web.page import Page, Site, document_of
from doc_io.web.pages.task import Attempts, attempts_of, served_of
from doc_io.web.shown import PART

_CHILDREN = 50
_POSITION = re.compile(r"\(char (\d{1,9})\)|(?:position|offset|index) (\d{1,9})\b")
_LINE = re.compile(r"\bline (\d{1,9})\b")


class Text(NamedTuple):
    """A part of a text.

    Attributes:
        which: Which text of the document.
        text: What is shown of it.
        start: Where that begins, in characters.
        total: How long the whole text is.
        trouble: Why it cannot be shown; then there is no text.
        before, tripped, after: The text in three parts, where an error names the place that it tripped on.
    """

    which: str
    text: str
    start: int
    total: int
    trouble: str = ""
    before: str = ""
    tripped: str = ""
    after: str = ""

    @property
    def end(self) -> int:
        """Where the shown part ends."""
        return self.start + len(self.text)

    @property
    def is_code(self) -> bool:
        """Whether it looks like JSON."""
        return self.text.lstrip()[:1] in ("{", "[")


def document_page(site: Site, request: Request, links: Links) -> Page:
    """One document."""
    row = document_of(site, request.path_params["doc_id"])
    query = request.query_params
    metadata, files, trouble = _record(site, row)
    attempts = attempts_of(site, row.stage, row.task_id)
    parents = site.store.parents(row.doc_id)
    ids = [parent.doc_id for parent in parents]
    above = {each.doc_id: each for each in site.store.index.get_many(ids)} if ids else {}
    children = page_queries.newest_children(site.store.index, row.doc_id, _CHILDREN)
    why = str(metadata.get("error") or reason(row))
    texts = _texts(site, row, number(query, "at"), why)
    return Page(
        "document.html",
        f"{row.task_id} · {row.stage}",
        {
            "document": row,
            "texts": {which: text and text.text for which, text in texts.items()},
            "metadata": metadata,
            "parents": parents,
            "children": children,
            "files": [{"name": name, "bytes": size} for name, size, _ in files],
            "cost": cost(row, metadata),
            "command": f"doc-io show {row.doc_id}",
            "folder": site.store.storage.shown(row.doc_dir),
        },
        None,
        {
            "row": row,
            "page": links.document(row),
            "task_page": links.task(row.stage, row.task_id),
            "text": texts["raw"],
            "parsed": texts["parsed"],
            "prompt": texts["prompt"],
            "as_markdown": query.get("as") == "markdown",
            "why": why if row.status is not Status.OK else "",
            "served": served_of(site, attempts),
            "stale": _is_stale(site, above.get(row.parent_doc_id or "")),
            "total": attempts.total,
            **_beside(site, row, attempts),
            "above": above,
            "readers": sorted({child.run_id for child in children if child.run_id}),
            "metadata_rows": [(name, _as_text(value)) for name, value in metadata.items() if name != "error"],
            "file_rows": files,
            "trouble": trouble,
        },
    )


def _beside(site: Site, row: DocumentRow, attempts: Attempts) -> dict[str, Any]:
    """Which attempt of its task a document is, counted from the oldest, and those before and after it."""
    at = next((place for place, each in enumerate(attempts.rows) if each.doc_id == row.doc_id), None)
    rest = site.store.history(row.stage, row.task_id, after=row, limit=1) if at is None else attempts.rows[at + 1 :]
    return {
        "place": None if at is None else attempts.total - at,
        "newer": attempts.rows[at - 1] if at else None,
        "older": next(iter(rest), None),
    }


def _texts(site: Site, row: DocumentRow, start: int, why: str) -> dict[Which, Text | None]:
    """Its texts; a parsed one that is the raw one is shown once."""
    raw, parsed = part(site, row, "raw", start), part(site, row, "parsed", 0)
    if raw and parsed and (raw.text, raw.total) == (parsed.text, parsed.total):
        parsed = None
    if raw and row.status is Status.PARSE_ERROR:
        raw = tripped(raw, why)
    return {"raw": raw, "parsed": parsed, "prompt": part(site, row, "prompt", 0)}


def part(site: Site, row: DocumentRow, which: Which, start: int) -> Text | None:
    """A part of a text that can be shown; ``None`` where the document has no such text."""
    has = {"raw": row.raw_chars is not None, "parsed": row.parsed_chars is not None, "prompt": bool(row.prompt_path)}
    if not has[which]:
        return None
    try:
        text = site.store.read(row, which)
    except (DamagedDocumentError, StorageError) as error:
        return Text(which, "", 0, 0, str(error))
    start = start if 0 <= start < len(text) else 0
    return Text(which, text[start : start + PART], start, len(text))


def tripped(text: Text, why: str) -> Text:
    """The text around the place that a parser's message names, where it names one."""
    position = _POSITION.search(why)
    if position:
        at = int(position[1] or position[2]) - text.start
    else:
        line = _LINE.search(why)
        lines = text.text.split("\n")
        if line is None or not 0 < int(line[1]) <= len(lines):
            return text
        at = sum(len(each) + 1 for each in lines[: int(line[1]) - 1])
    if not 0 <= at < len(text.text):
        return text
    end = text.text.find("\n", at)
    end = min(len(text.text) if end < 0 else max(end, at + 1), at + 60)
    return text._replace(before=text.text[:at], tripped=text.text[at:end], after=text.text[end:])


def _is_stale(site: Site, parent: DocumentRow | None) -> bool:
    """Whether the document that something was made from is no longer the latest ok one of its task."""
    latest = site.store.latest(parent.stage, parent.task_id) if parent else None
    return latest is not None and parent is not None and latest.doc_id != parent.doc_id


def _record(site: Site, row: DocumentRow) -> tuple[Mapping[str, Any], list[tuple[str, int, str]], str]:
    """Its metadata, its files (path, bytes, the name that its author gave), and why these are not known."""
    try:
        record = site.store.record(row)
    except DocIOError as error:
        return dict(row.meta_small), [], str(error)
    files = [(path, entry.size, record.extras.get(path, path)) for path, entry in record.files.items()]
    return {**row.meta_small, **record.metadata}, files, ""


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, default=str)
