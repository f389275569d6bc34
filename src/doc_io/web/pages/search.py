"""Search: passages that have the words."""

from __future__ import annotations

from markupsafe import Markup
from starlette.requests import Request

from doc_io.batches import first_of_page
from doc_io.document import Status
from doc_io.reports import stage_counts
from doc_io.reports.search import SearchHit
from doc_io.web.address import Links, chosen, number
from doc_io.web.page import Page, Site
from doc_io.web.searching import MAX_HITS
from doc_io.web.shown import marked

_HITS = 40  # on a page


def search_page(site: Site, request: Request, links: Links) -> Page:  # noqa: ARG001 - as every page
    """What has the words, the newest first."""
    picked = chosen(request.query_params)
    hits, read = site.searching.find(picked.words, picked.wanted) if picked.words.strip() else ([], 0)
    fitting = [hit for hit in hits or [] if picked.task in hit.row.task_id]
    skip = first_of_page(number(request.query_params, "skip"), len(fitting), _HITS)
    page = fitting[skip : skip + _HITS]
    counts, _ = site.remembered.get("counts", lambda: stage_counts(site.store))
    return Page(
        "search.html",
        f"Search: {picked.words}" if picked.words else "Search",
        {
            "words": picked.words,
            "waiting": hits is None,
            "read": read,
            "hits": [{"document": hit.row, "excerpt": hit.excerpt, "which": hit.which} for hit in page],
            "total": len(fitting),
        },
        (
            ("doc_id", "stage", "task_id", "status", "excerpt"),
            [(hit.row.doc_id, hit.row.stage, hit.row.task_id, hit.row.status, hit.excerpt) for hit in page],
        ),
        {
            "found": [(hit.row, passage(hit), hit.which) for hit in page],
            "skip": skip,
            "page_size": _HITS,
            "most": MAX_HITS,
            "documents": sum(each.documents for each in counts),
            "filters": picked.values,
            "options": {
                "stage": sorted({each.stage for each in counts}),
                "status": [status.value for status in Status],
            },
        },
        layout="narrow",
    )


def passage(hit: SearchHit) -> Markup:
    """A passage with the words marked; what surrounds them is as safe as any text."""
    shown = []
    at = 0
    for start, end in hit.matches:
        shown += [marked(hit.excerpt[at:start]), Markup("<mark>{}</mark>").format(marked(hit.excerpt[start:end]))]
        at = end
    return Markup().join([*shown, marked(hit.excerpt[at:])])
