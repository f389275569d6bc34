"""Lineage: what a document was made from, and what was made from it, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from doc_io.document import DocumentRow
from doc_io.index import report_queries
from doc_io.store import DocumentStore


class Edge(NamedTuple):
    """One document was made from another.

    Attributes:
        parent: The doc_id it was made from.
        child: The doc_id that was made.
        input_name: The input it came in by; empty where the writer named none.
    """

    parent: str
    child: str
    input_name: str


@dataclass(frozen=True)
class Lineage:
    """A document with its ancestors and descendants.

    Attributes:
        doc_id: The document asked for.
        rows: The row of every document that was reached, by doc_id; a parent that is not in the store has none.
        edges: Which document was made from which, each pair and input name once.
        complete: Whether all were reached before the limit.
    """

    doc_id: str
    rows: Mapping[str, DocumentRow]
    edges: tuple[Edge, ...]
    complete: bool

    def parents(self, doc_id: str) -> list[Edge]:
        """The edges up from a document."""
        return self._by_child.get(doc_id, [])

    def children(self, doc_id: str) -> list[Edge]:
        """The edges down from a document."""
        return self._by_parent.get(doc_id, [])

    @cached_property
    def _by_child(self) -> dict[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.child, []).append(edge)
        return found

    @cached_property
    def _by_parent(self) -> dict[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.parent, []).append(edge)
        return found


def lineage(store: DocumentStore, doc_id: str, *, limit: int = 1000) -> Lineage:
    """Follow parents up and children down; one query for each level and direction, however wide it is.

    Args:
        store: Which store.
        doc_id: Where to begin.
        limit: How many documents at most, ``doc_id`` among them: ancestors first, then descendants, the nearest first.
    """
    reached = {doc_id: None}
    edges: dict[Edge, None] = {}
    up = _follow(store, doc_id, "up", limit, (reached, edges))
    down = _follow(store, doc_id, "down", limit, (reached, edges))
    rows = {row.doc_id: row for row in store.index.get_many(list(reached))}
    return Lineage(doc_id, rows, tuple(edges), up and down)


def _follow(
    store: DocumentStore,
    start: str,
    direction: Literal["up", "down"],
    limit: int,
    so_far: tuple[dict[str, None], dict[Edge, None]],
) -> bool:
    """Add what lies in one direction.

    Returns:
        Whether that is all there is.
    """
    index = store.index
    reached, edges = so_far
    complete = True
    seen = {start}
    level = [start]
    while level and complete:
        # At most `limit` of the answer are reached already, so one more says whether there are others.
        asked = index.key_list(level), limit + 1
        found = [Edge(*each) for each in index.rows(report_queries.edges(index.keys_table, direction), asked)]
        level = []
        for edge in found:
            end = edge.parent if direction == "up" else edge.child
            if end not in reached and len(reached) >= limit:
                complete = False
                continue
            reached[end] = None
            edges[edge] = None
            if end not in seen:
                seen.add(end)
                level.append(end)
    return complete
