"""Search: passages that have the words."""

from __future__ import annotations

import re

from markupsafe import Markup
from starlette.requests import Request

from doc_io.document import DocumentRow, Status
from doc_io.reports import stage_counts
from doc_io.web.address import Chosen, Links, chosen
from doc_io.web.page import Page, Site
from doc_io.web.shown import marked

_WORD = re.compile(r"\w+")
_PASSAGE = 320  # characters


def search_page(site: Site, request: Request, links: Links) -> Page:  # noqa: ARG001 - as every page
    """What has the words, the best first."""
    picked = chosen(request.query_params)
    hits, read = site.searching.find(picked.words) if picked.words.strip() else ([], 0)
    fitting = [hit for hit in hits or [] if _fits(hit.row, picked)]
    counts, _ = site.remembered.get("counts", lambda: stage_counts(site.store))
    return Page(
        "search.html",
        f"Search: {picked.words}" if picked.words else "Search",
        {
            "words": picked.words,
            "waiting": hits is None,
            "read": read,
            "hits": [{"document": hit.row, "excerpt": hit.excerpt} for hit in fitting],
        },
        (
            ("doc_id", "stage", "task_id", "status", "excerpt"),
            [(hit.row.doc_id, hit.row.stage, hit.row.task_id, hit.row.status, hit.excerpt) for hit in fitting],
        ),
        {
            "found": [(hit.row, passage(hit.excerpt, picked.words)) for hit in fitting],
            "documents": sum(each.documents for each in counts),
            "filters": picked.values,
            "options": {
                "stage": sorted({each.stage for each in counts}),
                "status": [status.value for status in Status],
            },
        },
        status=200,
    )


def passage(text: str, words: str) -> Markup:
    """A passage with the words marked; what surrounds them is as safe as any text."""
    text = text[:_PASSAGE]
    parts = [re.escape(word) for word in _WORD.findall(words)]
    if not parts:
        return marked(text)
    pattern = re.compile(rf"\b({'|'.join(parts)})", re.IGNORECASE)
    shown = [
        Markup("<mark>{}</mark>").format(marked(piece)) if place % 2 else marked(piece)
        for place, piece in enumerate(pattern.split(text))
    ]
    return Markup("").join(shown)


def _fits(row: DocumentRow, picked: Chosen) -> bool:
    wanted = picked.wanted
    named = ("stage", "model_id", "template_id", "experiment_id", "run_id")
    return (
        all(getattr(wanted, name) in (None, getattr(row, name)) for name in named)
        and (not wanted.status or row.status in wanted.status)
        and (wanted.since is None or row.created_at >= wanted.since)
        and (wanted.until is None or row.created_at < wanted.until)
        and picked.task in row.task_id
    )
