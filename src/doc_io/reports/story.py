"""A story: the texts from the first prompt to the score, in the order in which they were made from each other."""

from __future__ import annotations

from typing import Literal, NamedTuple

from doc_io.document import DocumentRow
from doc_io.index import page_queries
from doc_io.reports.lineage import Lineage
from doc_io.store import DocumentStore

_LONGEST = 100  # chapters; a chain of parents that is longer is a loop of a forged record


class Chapter(NamedTuple):
    """A document of a story.

    Attributes:
        row: Which document.
        place: Whether it is what was made from, the document asked for, or what was made from it.
        others: How many more documents were made from the chapter before at this stage.
    """

    row: DocumentRow
    place: Literal["before", "here", "after"]
    others: int = 0


def story(store: DocumentStore, row: DocumentRow) -> list[Chapter]:
    """The chain of primary parents of a document, the document, and the newest of each stage that was made from it.

    Args:
        store: Which store.
        row: The document.

    Returns:
        Chapters, the first text first.
    """
    chain = [row]
    while chain[0].parent_doc_id is not None and len(chain) < _LONGEST:
        parent = store.get(chain[0].parent_doc_id)
        if parent is None or parent in chain:
            break
        chain.insert(0, parent)
    chapters = [Chapter(each, "before") for each in chain[:-1]] + [Chapter(row, "here")]
    level = [row]
    seen = {each.doc_id for each in chain}
    while level and len(chapters) < _LONGEST:
        made = [child for each in level for child in page_queries.newest_children(store.index, each.doc_id, 50)]
        by_stage: dict[str, list[DocumentRow]] = {}
        for child in made:
            if child.doc_id not in seen:
                seen.add(child.doc_id)
                by_stage.setdefault(child.stage, []).append(child)
        level = []
        for children in by_stage.values():
            best = next((child for child in children if child.status == "ok"), children[0])
            chapters.append(Chapter(best, "after", len(children) - 1))
            level.append(best)
    return chapters


def levels(graph: Lineage) -> dict[str, int]:
    """How many steps below its furthest ancestor each document of a lineage is.

    Args:
        graph: From `lineage`.
    """
    parents: dict[str, list[str]] = {}
    children: dict[str, list[str]] = {}
    for edge in graph.edges:
        parents.setdefault(edge.child, []).append(edge.parent)
        children.setdefault(edge.parent, []).append(edge.child)
    depth = {doc_id: 0 for doc_id in {*graph.rows, *children, *parents} if doc_id not in parents}
    depth = depth or {graph.doc_id: 0}
    waiting = {doc_id: len(set(found)) for doc_id, found in parents.items()}
    ready = list(depth)
    while ready:
        doc_id = ready.pop()
        for child in set(children.get(doc_id, [])):
            depth[child] = max(depth.get(child, 0), depth[doc_id] + 1)
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return depth
