"""Opens an index: which engine a path or a URL means, and where a SQLite file is by default."""

from __future__ import annotations

import os
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
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
        on_network: Whether a SQLite file may be on a network disk. Default: it may not.

    Raises:
        ConfigurationError: No engine speaks that URL; or its driver is not installed. The message names its scheme, never the URL.
    """
    if db_url is not None:
        return _by_url(db_url, db_read_url)
    from doc_io.index.sqlite import SqliteIndex  # noqa: PLC0415 - sqlite3 takes 38 ms to import

    return SqliteIndex(os.path.expanduser(os.fspath(db_path)), on_network=on_network)


def default_db_path(docs_root: str) -> Path:
    """The SQLite file of a docs root: ``db/documents.sqlite`` beside a local one, ``data/db/documents.sqlite`` for a URL."""
    folder = Path("data") if "://" in docs_root else Path(docs_root).parent
    return folder / "db" / "documents.sqlite"


@cache
def warn_of_local_index(docs_root: str, index: str) -> None:
    """Warn, once in a process, that other machines can read the documents but not their index."""
    import logging  # noqa: PLC0415 - `doc-io ls` need not wait for it

    logging.getLogger("doc_io").warning(
        "The documents are in %s, but their index %s is on this machine only. Where several machines write, give db_url"
        " a PostgreSQL database.",
        docs_root,
        index,
    )


def _by_url(db_url: str, db_read_url: str | None) -> Index:
    if not _POSTGRES.match(db_url):
        scheme, is_url, _ = db_url.partition("://")
        raise ConfigurationError(
            setting="db_url",
            reason=f"no index speaks {scheme!r}" if is_url else "it is not a URL",
            hint="Give postgresql://user@host/database; a SQLite file is given by its path, as `db_path`.",
        )
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise ConfigurationError(
            setting="db_url", reason="psycopg is not installed", hint="pip install 'doc-io[postgres]'"
        )
    from doc_io.index.postgres import PostgresIndex  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

    return PostgresIndex(db_url, db_read_url)
