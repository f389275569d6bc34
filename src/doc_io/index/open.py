"""From a path or a URL to the index that lies there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from doc_io.errors import ConfigurationError

if TYPE_CHECKING:
    from doc_io.index.base import Index


def open_index(db_path: str | os.PathLike[str], db_url: str | None = None) -> Index:
    """The index of a store; nothing is read or made before it is used.

    Args:
        db_path: A SQLite file.
        db_url: A database URL; wins over ``db_path``. Default: none.

    Raises:
        ConfigurationError: No engine speaks that URL; the message names its scheme, never the URL.
    """
    if db_url is not None:
        scheme = db_url.partition(":")[0]
        raise ConfigurationError(
            setting="db_url", reason=f"no index speaks {scheme!r}", todo="Use db_path for a SQLite file."
        )
    from doc_io.index.sqlite import SqliteIndex  # noqa: PLC0415 - sqlite3 takes 38 ms to import

    return SqliteIndex(os.path.expanduser(os.fspath(db_path)))
