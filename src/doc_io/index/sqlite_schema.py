"""The schema of an index in SQLite, and what tells an index from any other database."""

from __future__ import annotations

import sqlite3

from doc_io.index import sqlite_totals
from doc_io.index.schema import SCHEMA_VERSION, Dialect, create_indexes, create_properties, create_tables

APPLICATION_ID = 0x646F6369
"""``doci`` in the header of the file (sqlite.org/pragma.html#pragma_application_id)."""

DIALECT = Dialect(seq="INTEGER PRIMARY KEY", integer="INTEGER", text="TEXT", real="REAL")


def create_empty_tables() -> list[str]:
    """The statements that make the tables alone: for a build that inserts all rows before it makes the rest."""
    return [*create_tables(DIALECT), create_properties(DIALECT)]


def create_rest() -> list[str]:
    """The statements that make what is derived from the rows: indexes, totals and the triggers that keep them."""
    return [*create_indexes(), *sqlite_totals.create_totals()]


def write_header(connection: sqlite3.Connection) -> None:
    """Write what tells an index from any other database."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
