"""Many keys in one query, as PostgreSQL answers it from an index: a subquery with ``LIMIT 1`` for each of them.

The join that SQLite gets would be planned as a scan of the whole table wherever the table is small or the keys are many.
"""

from __future__ import annotations

from typing import Any

from doc_io.document import COLUMNS
from doc_io.index.base import VersionSelector
from doc_io.index.queries import NEWEST_FIRST, chosen_by

_COLUMNS = ", ".join(COLUMNS)
_FOUND = ", ".join(f"found.{column}" for column in COLUMNS)
WANTED = "unnest(?::text[]) WITH ORDINALITY AS wanted(task, position)"
"""A list of keys as a table, in the order given."""

GET_MANY = (
    f"SELECT {_FOUND} FROM {WANTED} CROSS JOIN LATERAL"
    f" (SELECT {_COLUMNS} FROM documents WHERE doc_id = wanted.task LIMIT 1) AS found ORDER BY wanted.position"
)
"""The rows of many doc ids, which are its one value."""


def latest_by_tasks(stage: str, choice: VersionSelector) -> tuple[str, list[Any]]:
    """The statement for many tasks, which are its first value, and its other values.

    Args:
        stage: Kind of document.
        choice: Which of each task's documents; of the preferred runs the first that has one.
    """
    where, chosen = chosen_by(choice)
    of_task = f"FROM documents WHERE stage = ? AND task_id = wanted.task AND {where}"
    values: list[Any] = []
    candidates = []
    for preference, run in enumerate(choice.runs):
        candidates.append(
            f"(SELECT {_COLUMNS}, {preference} AS preference {of_task} AND run_id = ? {NEWEST_FIRST} LIMIT 1)"
        )
        values += [stage, *chosen, run]
    candidates.append(f"(SELECT {_COLUMNS}, {len(choice.runs)} AS preference {of_task} {NEWEST_FIRST} LIMIT 1)")
    values += [stage, *chosen]
    wanted = " UNION ALL ".join(candidates)
    newest = f"SELECT {_COLUMNS} FROM ({wanted}) AS candidates ORDER BY preference LIMIT 1"
    return f"SELECT {_FOUND} FROM {WANTED} CROSS JOIN LATERAL ({newest}) AS found ORDER BY wanted.position", values
