"""SELECTs as PostgreSQL answers them from an index: for many keys a subquery with ``LIMIT 1`` for each of them.

The join that SQLite gets would be planned as a scan of the whole table wherever the table is small or the keys are many.
"""

from __future__ import annotations

from typing import Any

from doc_io.document import COLUMNS
from doc_io.index.base import VersionSelector
from doc_io.index.queries import NEWEST_FIRST, condition_of

_COLUMNS = ", ".join(COLUMNS)
_FOUND = ", ".join(f"found.{column}" for column in COLUMNS)
KEYS_TABLE = "unnest(?::text[]) WITH ORDINALITY AS keys(key, position)"
"""A list of keys as a table, in the order given."""

HEADS = (
    "SELECT keys.stage, keys.task_id, head.doc_id, head.created_at FROM unnest(?::text[], ?::text[]) AS keys(stage, task_id)"
    " CROSS JOIN LATERAL (SELECT doc_id, created_at FROM documents"
    f" WHERE stage = keys.stage AND task_id = keys.task_id {NEWEST_FIRST} LIMIT 1) AS head"
)
"""The newest document of many tasks: a list of stages, and one of task ids."""

GET_MANY = (
    f"SELECT {_FOUND} FROM {KEYS_TABLE} CROSS JOIN LATERAL"
    f" (SELECT {_COLUMNS} FROM documents WHERE doc_id = keys.key LIMIT 1) AS found ORDER BY keys.position"
)
"""The rows of many doc ids, which are its one value."""


def latest_by_tasks(stage: str, selector: VersionSelector) -> tuple[str, list[Any]]:
    """The statement for many tasks, which are its first value, and its other values.

    Args:
        stage: Kind of document.
        selector: Which of each task's documents; of the preferred runs the first that has one.
    """
    condition, selected = condition_of(selector)
    of_task = f"FROM documents WHERE stage = ? AND task_id = keys.key AND {condition}"
    values: list[Any] = []
    candidates = []
    for preference, run in enumerate(selector.runs):
        candidates.append(
            f"(SELECT {_COLUMNS}, {preference} AS preference {of_task} AND run_id = ? {NEWEST_FIRST} LIMIT 1)"
        )
        values += [stage, *selected, run]
    candidates.append(f"(SELECT {_COLUMNS}, {len(selector.runs)} AS preference {of_task} {NEWEST_FIRST} LIMIT 1)")
    values += [stage, *selected]
    newest = f"SELECT {_COLUMNS} FROM ({' UNION ALL '.join(candidates)}) AS candidates ORDER BY preference LIMIT 1"
    return f"SELECT {_FOUND} FROM {KEYS_TABLE} CROSS JOIN LATERAL ({newest}) AS found ORDER BY keys.position", values
