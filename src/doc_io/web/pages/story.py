"""Story: the texts from the first prompt to the score, and the lineage as a graph."""

from __future__ import annotations

from starlette.requests import Request

from doc_io.document import DocumentRow
from doc_io.reports import lineage
from doc_io.reports.board import latest_of
from doc_io.reports.story import story
from doc_io.web import graph
from doc_io.web.address import Links
from doc_io.web.page import Page, Site, document_of
from doc_io.web.pages.document import Text, part
from doc_io.web.reasons import reason

_SHOWN = 6_000  # characters of each text
_MOST = 1_000  # documents of the graph


def story_page(site: Site, request: Request, links: Links) -> Page:  # noqa: ARG001 - as every page
    """The story of a document."""
    row = document_of(site, request.path_params["doc_id"])
    chapters = story(site.store, row)
    latest = latest_of(site.store, [chapter.row for chapter in chapters])
    found = lineage(site.store, row.doc_id, limit=_MOST)
    texts = [(chapter, _text(site, chapter.row)) for chapter in chapters]
    return Page(
        "story.html",
        f"Story of {row.task_id}",
        {
            "document": row,
            "chapters": [
                {"document": chapter.row, "place": chapter.place, "text": text.text if text else None}
                for chapter, text in texts
            ],
            "edges": found.edges,
            "complete": found.complete,
        },
        None,
        {
            "row": row,
            "texts": texts,
            "first_prompt": part(site, chapters[0].row, "prompt", 0),
            "latest": {each.doc_id for each in latest.values()},
            "drawing": graph.draw(found),
            "box_width": graph.WIDTH,
            "box_height": graph.HEIGHT,
            "reason": reason,
            "shown": _SHOWN,
        },
    )


def _text(site: Site, row: DocumentRow) -> Text | None:
    return part(site, row, "parsed", 0) or part(site, row, "raw", 0)
