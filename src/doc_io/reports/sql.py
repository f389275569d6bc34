"""Anybody's SQL, which can only read."""

from __future__ import annotations

from typing import Any

from doc_io.store import DocumentStore


def sql(
    store: DocumentStore, statement: str, limit: int = 1000, *, timeout: float = 30.0
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Any question to the table ``documents`` and the view ``document_parents``; it can only read.

    Args:
        store: Which store.
        statement: One statement.
        limit: How many rows at most.
        timeout: Seconds it may take.

    Returns:
        The names of the columns, and the rows.

    Raises:
        QueryError: The database cannot answer it, or it would write.
    """
    return store.index.read_sql(statement, limit, timeout=timeout)
