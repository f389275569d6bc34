"""The board: every task's newest attempt at each stage, what is not ok first."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from doc_io.batches import first_of_page
from doc_io.document import DocumentRow, Status
from doc_io.index import page_queries
from doc_io.index.base import ALL, Filter
from doc_io.index.page_queries import SplitBy
from doc_io.store import DocumentStore

WINDOW = 5_000
"""The newest documents that a board is made of."""

MAX_TASKS = 50
"""On a page."""

MAX_CELLS = 250
"""On a page: with many columns it has fewer tasks, though never fewer than ten."""

_FINE = frozenset({"ok", "skipped"})


class Column(NamedTuple):
    """A column of the board.

    Attributes:
        stage: Kind of document.
        value: The model, template or experiment; ``None`` where stages are not told apart further, or it is not known.
    """

    stage: str
    value: str | None


class Cell(NamedTuple):
    """The newest attempt of a task in a column.

    Attributes:
        row: The attempt.
        served: The older ok document that readers get, where this one is not ok and there is one.
        stale: Whether a document that it was made from has been made anew since.
    """

    row: DocumentRow
    served: DocumentRow | None
    stale: bool


@dataclass(frozen=True)
class Board:
    """A page of the board.

    Attributes:
        columns: In the order in which documents are made from each other, as far as that is known.
        tasks: Task to its cells; what is not ok first, then the newest.
        total: How many tasks there are in all.
        complete: Whether it was made of all documents, and not of the newest `WINDOW` alone.
        oldest: The time of the oldest document that was looked at, where there are older ones.
        limit: How many tasks a page has.
        skip: How many tasks are before this page.
    """

    columns: list[Column]
    tasks: dict[str, dict[Column, Cell]]
    total: int
    complete: bool
    oldest: str | None
    limit: int
    skip: int


def board(
    store: DocumentStore,
    where: Filter = ALL,
    *,
    by: SplitBy | None = None,
    task: str = "",
    only: Collection[str] | None = None,
    skip: int = 0,
) -> Board:
    """The tasks of the newest documents and how their newest attempts ended.

    Args:
        store: Which store.
        where: Which documents; a status restricts to tasks of which a newest attempt ended so.
        by: What to tell a stage's columns apart by. Default: nothing.
        task: Only tasks with this in their name.
        only: Only these tasks. Default: all.
        skip: Tasks to leave out at the start; where there are no more, the last page is given.
    """
    attempts = page_queries.recent(store.index, replace(where, status=()), WINDOW, by)
    newest: dict[str, dict[tuple[str, str | None], int]] = {}
    columns: dict[tuple[str, str | None], int] = {}
    statuses = frozenset(map(str, where.status))
    failed: dict[str, None] = {}
    fitting: set[str] = set()
    for seq, stage, task_id, status, value in attempts:  # thousands: plain tuples, which cost nothing to make
        if (task and task not in task_id) or (only is not None and task_id not in only):
            continue
        column = (stage, value)
        columns[column] = seq
        cells = newest.setdefault(task_id, {})
        if column not in cells:
            cells[column] = seq
            if status not in _FINE:
                failed[task_id] = None
            if status in statuses:
                fitting.add(task_id)
    order = [*failed, *(task_id for task_id in newest if task_id not in failed)]
    chosen = [task_id for task_id in order if task_id in fitting] if statuses else order
    limit = max(10, min(MAX_TASKS, MAX_CELLS // max(1, len(columns))))
    skip = first_of_page(skip, len(chosen), limit)
    page = [(task_id, newest[task_id]) for task_id in chosen[skip : skip + limit]]
    shown = _rows_of(store, page)
    oldest = page_queries.by_seq(store.index, [attempts[-1][0]]) if len(attempts) == WINDOW else []
    in_order = _in_order(columns)
    if by is None and where.run_id is None:
        _fill(store, shown, in_order, where)
    return Board(
        in_order,
        _cells(store, shown),
        len(chosen),
        len(attempts) < WINDOW,
        oldest[0].created_at if oldest else None,
        limit,
        skip,
    )


def _rows_of(
    store: DocumentStore, page: list[tuple[str, dict[tuple[str, str | None], int]]]
) -> dict[str, dict[Column, DocumentRow]]:
    rows = {
        row.seq: row for row in page_queries.by_seq(store.index, [seq for _, each in page for seq in each.values()])
    }
    return {
        task_id: {Column(*column): rows[seq] for column, seq in cells.items() if seq in rows} for task_id, cells in page
    }


def _in_order(columns: Mapping[tuple[str, str | None], int]) -> list[Column]:
    """Columns of one stage together, the stage whose documents were made first on the left."""
    first: dict[str, int] = {}
    for (stage, _), oldest in columns.items():
        first[stage] = min(oldest, first.get(stage, oldest))
    return sorted(
        itertools.starmap(Column, columns), key=lambda each: (first[each.stage], each.stage, each.value or "")
    )


def _fill(
    store: DocumentStore, shown: dict[str, dict[Column, DocumentRow]], columns: Iterable[Column], where: Filter
) -> None:
    """Cells whose newest attempt is older than the window, or a parent store's."""
    for column in columns:
        missing = [task_id for task_id, cells in shown.items() if column not in cells]
        for task_id, row in store.latest_many(column.stage, missing, tuple(Status)).items():
            if _matches(row, where):
                shown[task_id][column] = row


def _matches(row: DocumentRow, where: Filter) -> bool:
    named = ("stage", "task_id", "model_id", "template_id", "experiment_id")
    return (
        all(getattr(where, name) in (None, getattr(row, name)) for name in named)
        and (where.since is None or row.created_at >= where.since)
        and (where.until is None or row.created_at < where.until)
    )


def _cells(store: DocumentStore, shown: dict[str, dict[Column, DocumentRow]]) -> dict[str, dict[Column, Cell]]:
    rows = [row for cells in shown.values() for row in cells.values()]
    served = latest_of(store, [row for row in rows if row.status is not Status.OK])
    stale = stale_among(store, rows)
    return {
        task_id: {
            column: Cell(
                row, None if row.status is Status.OK else served.get((row.stage, row.task_id)), row.doc_id in stale
            )
            for column, row in cells.items()
        }
        for task_id, cells in shown.items()
    }


def latest_of(
    store: DocumentStore, rows: Iterable[DocumentRow], status: Collection[Status] | None = None
) -> dict[tuple[str, str], DocumentRow]:
    """The latest document of each row's task; one query a stage.

    Args:
        store: Which store.
        rows: Documents of the tasks that are asked for.
        status: Which outcomes count. Default: only ok.

    Returns:
        (stage, task) to row; a task without such a document is left out.
    """
    tasks: dict[str, list[str]] = {}
    for row in rows:
        tasks.setdefault(row.stage, []).append(row.task_id)
    return {
        (stage, task_id): row
        for stage, task_ids in tasks.items()
        for task_id, row in store.latest_many(stage, task_ids, status or (Status.OK,)).items()
    }


def stale_among(store: DocumentStore, rows: Iterable[DocumentRow]) -> set[str]:
    """The doc_ids of those documents whose primary parent is no longer the latest ok one of its task."""
    made_from = {row.doc_id: row.parent_doc_id for row in rows if row.parent_doc_id is not None}
    parents = {row.doc_id: row for row in store.index.get_many(list(dict.fromkeys(made_from.values())))}
    latest = latest_of(store, parents.values())
    old = {
        doc_id
        for doc_id, parent in parents.items()
        if (now := latest.get((parent.stage, parent.task_id))) is not None and now.doc_id != doc_id
    }
    return {doc_id for doc_id, parent in made_from.items() if parent in old}
