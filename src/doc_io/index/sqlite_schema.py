"""The schema of an index in SQLite, and what tells an index from any other database."""

from __future__ import annotations

import sqlite3
from functools import cache

from doc_io.index import sqlite_totals
from doc_io.index.schema import CREATE_VIEW, SCHEMA_VERSION, Dialect, create_indexes, create_properties, create_tables

APPLICATION_ID = 0x646F6369
"""``doci`` in the header of the file (sqlite.org/pragma.html#pragma_application_id)."""

DIALECT = Dialect(seq="INTEGER PRIMARY KEY", integer="INTEGER", text="TEXT", real="REAL", clustered=" WITHOUT ROWID")


def create_empty_tables() -> list[str]:
    """The statements that make the tables alone: for a build that inserts all rows before it makes the rest."""
    return [*create_tables(DIALECT), create_properties(DIALECT)]


def create_rest() -> list[str]:
    """The statements that make what is derived from the rows: indexes, the view, totals and the triggers that keep them."""
    return [*create_indexes(), CREATE_VIEW, *sqlite_totals.create_totals()]


@cache
def _objects() -> frozenset[str]:
    """The statements of a sound index: SQLite stores each one as it was given."""
    return frozenset([*create_empty_tables(), *create_rest()])


def schema_difference(connection: sqlite3.Connection) -> str | None:
    """What is in a database that an index of this schema does not have, or the other way round; ``None`` if nothing.

    A trigger could take rows away, and a view in place of a table never end: so nothing is read from any of them.
    """
    try:
        found = connection.execute(_SCHEMA).fetchall()
    except (sqlite3.DatabaseError, ValueError) as error:  # ValueError: text that is no UTF-8
        if isinstance(error, sqlite3.OperationalError) and not any(sign in str(error) for sign in _DAMAGE_SIGNS):
            raise
        return f"its schema cannot be read ({error})"
    for kind, name, sql in found:
        if sql not in _objects():
            return f"its {kind} {name!r} is not one that doc_io makes"
    missing = len(_objects()) - len(found)
    return f"{missing} of its tables and indexes are missing" if missing else None


_DAMAGE_SIGNS = ("malformed", "decode to UTF-8")

# ANALYZE adds tables of its own; what SQLite makes for a UNIQUE constraint has no statement.
_SCHEMA = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_stat%'"


def write_header(connection: sqlite3.Connection) -> None:
    """Write what tells an index from any other database."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
