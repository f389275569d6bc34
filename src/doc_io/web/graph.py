"""The lineage as a drawing: a column for each step, alike documents folded into one box where there are many."""

from __future__ import annotations

from typing import NamedTuple

from doc_io.document import DocumentRow, Status
from doc_io.reports.lineage import Lineage
from doc_io.reports.story import levels

WIDTH, HEIGHT = 190, 46
"""Of a box."""

_GAP_X, _GAP_Y, _EDGE = 56, 14, 8
_MANY = 8  # boxes of one stage in a column; more are folded


class Box(NamedTuple):
    """A document, or many that are alike.

    Attributes:
        x, y: Its upper left corner.
        stage: Kind of document.
        rows: Its documents.
        missing: The doc_id of a parent that is not in the store.
        here: Whether it is the document that was asked for.
    """

    x: int
    y: int
    stage: str
    rows: tuple[DocumentRow, ...]
    missing: str
    here: bool

    @property
    def one(self) -> DocumentRow | None:
        """The document, where the box is of one."""
        return self.rows[0] if len(self.rows) == 1 else None

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many of its documents ended how."""
        return [(status.value, found) for status in Status if (found := sum(row.status is status for row in self.rows))]


class Drawing(NamedTuple):
    """Boxes and the lines between them.

    Attributes:
        boxes: In columns from left to right.
        lines: Paths of SVG.
        width, height: Of the whole.
        documents: How many documents it shows.
    """

    boxes: list[Box]
    lines: list[str]
    width: int
    height: int
    documents: int


def draw(graph: Lineage) -> Drawing:
    """Where every document of a lineage stands."""
    depth = levels(graph)
    main = _main_line(graph)
    columns: dict[int, dict[str, list[str]]] = {}
    for doc_id in sorted(depth, key=lambda each: (each not in main, _order(graph, each))):
        row = graph.rows.get(doc_id)
        columns.setdefault(depth[doc_id], {}).setdefault(row.stage if row else "", []).append(doc_id)
    boxes: list[Box] = []
    box_of: dict[str, int] = {}
    highest = 0
    for level, stages in sorted(columns.items()):
        y = _EDGE
        x = _EDGE + level * (WIDTH + _GAP_X)
        for stage, doc_ids in stages.items():
            for group in _folded(doc_ids, main):
                rows = tuple(graph.rows[each] for each in group if each in graph.rows)
                missing = "" if rows else group[0]
                box_of |= dict.fromkeys(group, len(boxes))
                boxes.append(Box(x, y, stage, rows, missing, graph.doc_id in group))
                y += HEIGHT + _GAP_Y
        highest = max(highest, y)
    lines = dict.fromkeys(
        _line(boxes[box_of[edge.parent]], boxes[box_of[edge.child]])
        for edge in graph.edges
        if edge.parent in box_of and edge.child in box_of
    )
    width = 2 * _EDGE + (max(columns, default=0) + 1) * (WIDTH + _GAP_X) - _GAP_X
    return Drawing(boxes, list(lines), width, highest, len(depth))


def _folded(doc_ids: list[str], main: set[str]) -> list[list[str]]:
    """Documents of one stage in one column, in boxes: alone, or all those beside the main line in one."""
    if len(doc_ids) <= _MANY:
        return [[doc_id] for doc_id in doc_ids]
    alone = [doc_id for doc_id in doc_ids if doc_id in main][:_MANY]
    rest = [doc_id for doc_id in doc_ids if doc_id not in set(alone)]
    return [*([doc_id] for doc_id in alone), rest]


def _main_line(graph: Lineage) -> set[str]:
    """The document asked for and its chain of primary parents."""
    line = {graph.doc_id}
    row = graph.rows.get(graph.doc_id)
    while row is not None and row.parent_doc_id is not None and row.parent_doc_id not in line:
        line.add(row.parent_doc_id)
        row = graph.rows.get(row.parent_doc_id)
    return line


def _order(graph: Lineage, doc_id: str) -> tuple[str, str]:
    row = graph.rows.get(doc_id)
    return (row.created_at, doc_id) if row else ("", doc_id)


def _line(parent: Box, child: Box) -> str:
    x1, y1, x2, y2 = parent.x + WIDTH, parent.y + HEIGHT // 2, child.x, child.y + HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
