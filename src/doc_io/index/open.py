"""From a path or a URL to the index that lies there."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from doc_io.errors import ConfigurationError

if TYPE_CHECKING:
    from doc_io.index.sql_index import Index

_POSTGRES = re.compile(r"postgres(ql)?(\+\w+)?://")  # with the driver's name as SQLAlchemy writes it


def open_index(
    db_path: str | os.PathLike[str],
    db_url: str | None = None,
    *,
    db_read_url: str | None = None,
    on_network: bool = False,
) -> Index:
    """The index of a store; nothing is read or made before it is used.

    Args:
        db_path: A SQLite file.
        db_url: A database URL; wins over ``db_path``. Default: none.
        db_read_url: The same database as ``db_url``, for SQL of users, with a role that may only read. Default: ``db_url``.
        on_network: Whether a SQLite file may lie on a network disk. Default: it may not.

    Raises:
        ConfigurationError: No engine speaks that URL; or its driver is not installed. The message names its scheme, never the URL.
    """
    if db_url is not None:
        return _by_url(db_url, db_read_url)
    from doc_io.index.sqlite import SqliteIndex  # noqa: PLC0415 - sqlite3 takes 38 ms to import

    return SqliteIndex(os.path.expanduser(os.fspath(db_path)), on_network=on_network)


def _by_url(db_url: str, db_read_url: str | None) -> Index:
    if not _POSTGRES.match(db_url):
        scheme, is_url, _ = db_url.partition("://")
        raise ConfigurationError(
            setting="db_url",
            reason=f"no index speaks {scheme!r}" if is_url else "it is not a URL",
            hint="Give postgresql://user@host/database, or db_path for a SQLite file.",
        )
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise ConfigurationError(
            setting="db_url", reason="psycopg is not installed", hint="pip install 'doc-io[postgres]'"
        )
    from doc_io.index.postgres import PostgresIndex  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

    return PostgresIndex(db_url, db_read_url)
