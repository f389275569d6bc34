"""The board: how every task's newest attempts ended, what is not ok first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from doc_io.document import Status
from doc_io.index.page_queries import SplitBy
from doc_io.reports import stage_counts, usage
from doc_io.reports.board import WINDOW, Board, Cell, Column, board
from doc_io.reports.failures import reason
from doc_io.web.address import Chosen, Links, chosen, number
from doc_io.web.charts import bars_by_day
from doc_io.web.page import Page, Site

_SPLITS: dict[str, SplitBy] = {"model": "model_id", "template": "template_id", "experiment": "experiment_id"}
_NEWEST = 4


def board_page(site: Site, request: Request, links: Links) -> Page:  # noqa: ARG001 - every page is called the same way
    """Tasks by stage: the first page."""
    query = request.query_params
    picked = chosen(query)
    by = query.get("by", "")
    only, reading = _tasks_with(site, picked)
    found = board(
        site.store, picked.wanted, by=_SPLITS.get(by), task=picked.task, only=only, skip=number(query, "skip")
    )
    counts, age = site.remembered.get("counts", lambda: stage_counts(site.store))
    days, _ = site.remembered.get("days", lambda: usage(site.store, "day"))
    values = {**picked.values, **({"by": [by]} if by in _SPLITS else {})}
    status_totals = {status.value: sum(each.documents for each in counts if each.status is status) for status in Status}
    return Page(
        "board.html",
        "Board",
        {
            "tasks": [
                {"task_id": task_id, "cells": [_cell_data(column, cell) for column, cell in cells.items()]}
                for task_id, cells in found.tasks.items()
            ],
            "columns": [each._asdict() for each in found.columns],
            "total_tasks": found.total,
            "complete": found.complete,
            "documents": status_totals,
            "days": days,
        },
        _table(found),
        {
            "board": found,
            "stages": _stages(found.columns),
            "rows": [_row(task_id, cells, found.columns) for task_id, cells in found.tasks.items()],
            "by": by if by in _SPLITS else "",
            "filters": values,
            "options": _options(site, counts),
            "status_totals": status_totals,
            "chart": bars_by_day(days),
            "tokens": sum(each.prompt_tokens + each.completion_tokens for each in days),
            "cost": sum(each.cost or 0 for each in days),
            "latest_rows": site.store.select(limit=_NEWEST),
            "skip": found.skip,
            "page_size": found.limit,
            "window": WINDOW,
            "age": age,
            "reading": reading,
        },
    )


def _tasks_with(site: Site, picked: Chosen) -> tuple[set[str] | None, int | None]:
    """The tasks with the words that are looked for; and how many texts were read, where the first search still reads."""
    if not picked.words.strip():
        return None, None
    hits, read = site.searching.find(picked.words)
    return {hit.row.task_id for hit in hits or []}, read if hits is None else None


def _stages(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Each stage with the number of its columns, in their order."""
    spans: dict[str, int] = {}
    for column in columns:
        spans[column.stage] = spans.get(column.stage, 0) + 1
    return list(spans.items())


def _row(task_id: str, cells: dict[Column, Cell], columns: Sequence[Column]) -> tuple[str, list[dict[str, Any] | None]]:
    return task_id, [_shown(cells[column]) if column in cells else None for column in columns]


def _shown(cell: Cell) -> dict[str, Any]:
    """A cell as its template needs it: what is in it, and what is told on hover and to a screen reader."""
    row = cell.row
    told = [str(row.status).replace("_", " ")]
    why = reason(row)
    if why:
        told.append(why)
    if cell.served:
        told.append(f"readers get an older ok one, of {cell.served.created_at[:10]}")
    if cell.stale:
        told.append("its parent was made anew since")
    return {"row": row, "served": cell.served, "stale": cell.stale, "why": why, "told": "; ".join(told)}


def _cell_data(column: Column, cell: Cell) -> dict[str, Any]:
    return {
        "stage": column.stage,
        "value": column.value,
        "document": cell.row,
        "served": cell.served.doc_id if cell.served else None,
        "stale": cell.stale,
        "reason": reason(cell.row),
    }


def _table(found: Board) -> tuple[list[str], list[list[object]]]:
    columns = ["task_id", "stage", "split", "doc_id", "status", "score", "characters", "served", "stale", "created_at"]
    return columns, [
        [
            task_id,
            column.stage,
            column.value,
            cell.row.doc_id,
            cell.row.status,
            cell.row.score,
            cell.row.raw_chars,
            cell.served.doc_id if cell.served else None,
            cell.stale,
            cell.row.created_at,
        ]
        for task_id, cells in found.tasks.items()
        for column, cell in cells.items()
    ]


def _options(site: Site, counts: Sequence[Any]) -> dict[str, list[str]]:
    """What the filters can be set to."""

    def names(by: Any) -> list[str]:
        spent, _ = site.remembered.get(("names", by), lambda: site.store.index.usage(by))
        return sorted(each.group for each in spent if each.group)[:200]

    return {
        "stage": sorted({each.stage for each in counts}),
        "status": [status.value for status in Status],
        "model": names("model_id"),
        "template": names("template_id"),
        "experiment": names("experiment_id"),
    }
