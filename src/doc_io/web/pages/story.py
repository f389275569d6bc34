"""Story: the texts from the first prompt to the score, and the lineage as a graph."""

from __future__ import annotations

import re

from starlette.requests import Request

from doc_io.document import DocumentRow
from doc_io.reports import lineage
from doc_io.reports.board import latest_of
from doc_io.reports.failures import reason
from doc_io.reports.story import story
from doc_io.web import graph
from doc_io.web.address import Links
from doc_io.web.page import Page, Site, document_of
from doc_io.web.pages.document import Text, part

_SHOWN = 6_000  # characters of each text
_MOST = 1_000  # documents of the graph
_NUMBER = re.compile(r"\s*[-+]?[0-9.]{1,30}\s*")


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
    """The parsed text; the raw one where there is none, or where nothing but the score was parsed out of its reasons."""
    parsed = part(site, row, "parsed", 0)
    if parsed is None or (row.score is not None and _NUMBER.fullmatch(parsed.text)):
        return part(site, row, "raw", 0) or parsed
    return parsed
