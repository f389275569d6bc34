"""Lineage: what a document was made from, and what was made from it, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from doc_io.document import DocumentRow
from doc_io.store import DocumentStore


class Edge(NamedTuple):
    """One document was made from another.

    Attributes:
        parent: The doc_id it was made from.
        child: The doc_id that was made.
        input_name: The input it came in by; empty where the writer named it.
    """

    parent: str
    child: str
    input_name: str


@dataclass(frozen=True)
class Lineage:
    """A document with its ancestors and descendants.

    Attributes:
        doc_id: The document asked for.
        rows: Every document that was reached, by doc_id; a parent that is not in the store has none.
        edges: Who was made from whom.
        complete: Whether all were reached before the limit.
    """

    doc_id: str
    rows: Mapping[str, DocumentRow]
    edges: tuple[Edge, ...]
    complete: bool

    def parents(self, doc_id: str) -> list[Edge]:
        """The edges up from a document."""
        return [edge for edge in self.edges if edge.child == doc_id]

    def children(self, doc_id: str) -> list[Edge]:
        """The edges down from a document."""
        return [edge for edge in self.edges if edge.parent == doc_id]


def lineage(store: DocumentStore, doc_id: str, *, limit: int = 1000) -> Lineage:
    """Follow parents up and children down; one query a level and direction, however wide it is.

    Args:
        store: Which store.
        doc_id: Where to begin.
        limit: Stop once this many documents were reached.
    """
    index = store.index
    reached = {doc_id}
    edges: dict[Edge, None] = {}
    level = [doc_id]
    while level and len(reached) < limit:
        found = [
            Edge(parent.doc_id, child, parent.input_name)
            for child, parents in index.parents_of(level).items()
            for parent in parents
        ]
        edges.update(dict.fromkeys(found))
        level = [each for each in dict.fromkeys(edge.parent for edge in found) if each not in reached]
        reached.update(level)
    complete = not level
    level = [doc_id]
    below = {doc_id}
    while level and len(reached) < limit:
        children = index.children_of(level)
        named = index.parents_of([child for each in children.values() for child in each])
        for parent, its_children in children.items():
            for child in its_children:
                names = [each.input_name for each in named.get(child, []) if each.doc_id == parent]
                edges.update(dict.fromkeys(Edge(parent, child, name) for name in names or [""]))
        level = [
            child
            for child in dict.fromkeys(child for each in children.values() for child in each)
            if child not in below
        ]
        below.update(level)
        reached.update(level)
    rows = {row.doc_id: row for row in index.get_many(list(reached))}
    return Lineage(doc_id, rows, tuple(edges), complete and not level)
