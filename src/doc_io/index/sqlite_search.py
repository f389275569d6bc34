"""Full text of a SQLite index: FTS5 in a file of its own beside it, that can be deleted at any time and is made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

from doc_io.errors import IndexAccessError
from doc_io.index.base import Texts

_TABLES = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5(doc_id UNINDEXED, text)",
    "CREATE TABLE IF NOT EXISTS known (doc_id TEXT PRIMARY KEY, text INTEGER NOT NULL) WITHOUT ROWID",
)
_FORGET = (
    "DELETE FROM texts WHERE rowid IN (SELECT text FROM known WHERE doc_id NOT IN (SELECT doc_id FROM documents))",
    "DELETE FROM known WHERE doc_id NOT IN (SELECT doc_id FROM documents)",
)
# Of a million documents counting takes 30 ms, and comparing the lists a second.
_IN_STEP = (
    "SELECT (SELECT count(*) FROM known) = (SELECT count(*) FROM documents) AND NOT EXISTS ("
    "SELECT 1 FROM (SELECT doc_id FROM documents ORDER BY seq DESC LIMIT 100) AS newest"
    " WHERE doc_id NOT IN (SELECT doc_id FROM known))"
)
_MISSING = "SELECT doc_id FROM documents WHERE doc_id NOT IN (SELECT doc_id FROM known) ORDER BY seq LIMIT ?"
_SEARCH = (
    "SELECT doc_id, snippet(texts, 1, '', '', '…', 24) FROM texts WHERE texts MATCH ?"
    " AND doc_id IN (SELECT doc_id FROM documents) ORDER BY rank, doc_id LIMIT ?"
)


class SqliteTexts(Texts):
    """The texts of one index.

    Args:
        index: The path of the index; the texts lie beside it, with ``.search`` at the end of the name.
        error: Gives doc_io's error for one of SQLite's.
    """

    def __init__(self, index: str, error: Callable[[Exception], IndexAccessError]) -> None:
        self._index = index
        self._error = error

    def missing(self, limit: int) -> list[str]:
        with self._connection() as connection:
            if connection.execute(_IN_STEP).fetchone()[0]:
                return []
            for statement in _FORGET:
                connection.execute(statement)
            return [doc_id for (doc_id,) in connection.execute(_MISSING, (limit,))]

    def add(self, texts: Iterable[tuple[str, str]]) -> None:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for doc_id, text in texts:
                if connection.execute("SELECT 1 FROM known WHERE doc_id = ?", (doc_id,)).fetchone() is None:
                    rowid = connection.execute("INSERT INTO texts VALUES (?, ?)", (doc_id, text)).lastrowid
                    connection.execute("INSERT INTO known VALUES (?, ?)", (doc_id, rowid))
            connection.execute("COMMIT")

    def search(self, words: str, limit: int) -> list[tuple[str, str]]:
        # Each word quoted: the query language of FTS5 is not the user's (sqlite.org/fts5.html#full_text_query_syntax).
        query = " ".join('"' + word.replace('"', '""') + '"' for word in words.replace("\0", " ").split())
        with self._connection() as connection:
            return connection.execute(_SEARCH, (query, limit)).fetchall() if query else []

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(f"{self._index}.search", timeout=30, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = OFF")  # a lost one is made again
                connection.execute("ATTACH ? AS rows", (self._index,))
                for statement in _TABLES:
                    connection.execute(statement)
                yield connection
        except sqlite3.Error as error:
            raise self._error(error) from error
