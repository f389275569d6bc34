"""Inserting rows into SQLite, with the lists of their parents."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from doc_io.document import Parent
from doc_io.index import queries
from doc_io.index.base import NewRow

_INSERT_MISSING = f"{queries.INSERT} ON CONFLICT DO NOTHING"
_HAS_LIST = "SELECT 1 FROM document_parent_lists WHERE list_id = ? LIMIT 1"
_INSERT_LISTED = "INSERT INTO document_parent_lists (list_id, position, parent_doc_id, input_name) VALUES (?, ?, ?, ?)"


def insert_row(connection: sqlite3.Connection, new: NewRow, values: Sequence[Any]) -> int | None:
    """Insert a row that is not there yet, with its parents.

    Args:
        connection: In a transaction.
        new: The row.
        values: What `queries.values_of` makes of it.

    Returns:
        Its ``seq``, or ``None`` where it is there.
    """
    inserted = connection.execute(_INSERT_MISSING, values)
    if not inserted.rowcount:
        return None
    insert_parent_list(connection, values[-1], new[1])
    return inserted.lastrowid


def insert_parent_list(connection: sqlite3.Connection, list_id: str | None, parents: Sequence[Parent]) -> None:
    """Insert a list of parents that is not there yet; ``None`` for the id stands for no list."""
    if list_id is not None and connection.execute(_HAS_LIST, (list_id,)).fetchone() is None:
        listed = [(list_id, position, *parent) for position, parent in enumerate(parents)]
        connection.executemany(_INSERT_LISTED, listed)
