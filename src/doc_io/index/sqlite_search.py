"""The terms of a SQLite index's texts: FTS5 in a file of its own beside it, which can be deleted at any time and is made again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from doc_io.document import DocumentRow
from doc_io.errors import IndexAccessError
from doc_io.index.base import Texts, TextTerms

_FORMAT = 2
_CREATE = (
    "DROP TABLE IF EXISTS texts",
    "DROP TABLE IF EXISTS known",
    "DROP TABLE IF EXISTS terms",
    "DROP TABLE IF EXISTS indexed",
    # No positions: a term is there or not (sqlite.org/fts5.html#the_detail_option). ASCII: terms are folded already.
    "CREATE VIRTUAL TABLE terms USING fts5(text, prompt, detail=column, columnsize=0, tokenize='ascii')",
    "CREATE TABLE indexed (number INTEGER PRIMARY KEY, doc_id TEXT NOT NULL UNIQUE)",
    f"PRAGMA user_version = {_FORMAT}",
)
_FORGET = (
    "DELETE FROM terms WHERE rowid IN (SELECT number FROM indexed WHERE doc_id NOT IN (SELECT doc_id FROM documents))",
    "DELETE FROM indexed WHERE doc_id NOT IN (SELECT doc_id FROM documents)",
)
# Counting a million documents takes 30 ms, and comparing the lists a second.
_UP_TO_DATE = (
    "SELECT (SELECT count(*) FROM indexed) = (SELECT count(*) FROM documents) AND NOT EXISTS ("
    "SELECT 1 FROM (SELECT doc_id FROM documents ORDER BY seq DESC LIMIT 100) AS newest"
    " WHERE doc_id NOT IN (SELECT doc_id FROM indexed))"
)
_MISSING = (
    "SELECT doc_id FROM documents WHERE seq > ?"
    " AND NOT EXISTS (SELECT 1 FROM indexed WHERE indexed.doc_id = documents.doc_id) ORDER BY seq LIMIT ?"
)


class SqliteTexts(Texts):
    """The terms of one index's texts.

    Args:
        index: The path of the index; the terms are beside it, with ``.search`` at the end of the name. Where this process may
            not write there, they are in a temporary file, made anew or from those that are there.
        read_only_uri: Gives the URI by which SQLite opens the index for reading.
        error: Gives doc_io's error for one of SQLite's.
    """

    def __init__(
        self, index: str, read_only_uri: Callable[[], str], error: Callable[[Exception], IndexAccessError]
    ) -> None:
        self._path = f"{index}.search"
        self._read_only_uri = read_only_uri
        self._error = error
        written = (Path(index).parent, Path(self._path))
        if not all(os.access(path, os.W_OK) for path in written if path.exists()):
            folder = tempfile.TemporaryDirectory(prefix="doc_io-search-")
            weakref.finalize(self, folder.cleanup)
            existing, self._path = self._path, f"{folder.name}/terms"
            with suppress(OSError):
                shutil.copyfile(existing, self._path)

    def is_up_to_date(self) -> bool:
        with self._connection() as connection:
            if connection.execute(_UP_TO_DATE).fetchone()[0]:
                return True
            for statement in _FORGET:
                connection.execute(statement)
            return False

    def missing(self, after: int, limit: int) -> list[str]:
        with self._connection() as connection:
            return [doc_id for (doc_id,) in connection.execute(_MISSING, (after, limit))]

    def add(self, documents: Sequence[TextTerms]) -> None:
        rows = [(each.doc_id, " ".join(each.text), " ".join(each.prompt)) for each in documents]
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for doc_id, text, prompt in rows:
                if connection.execute("SELECT 1 FROM indexed WHERE doc_id = ?", (doc_id,)).fetchone() is None:
                    number = connection.execute("INSERT INTO terms VALUES (?, ?)", (text, prompt)).lastrowid
                    connection.execute("INSERT INTO indexed VALUES (?, ?)", (number, doc_id))
            connection.execute("COMMIT")

    def search(self, terms: Collection[str], after: DocumentRow | None, limit: int) -> list[str]:
        # Quoted: the query language of FTS5 is not the user's (sqlite.org/fts5.html#full_text_query_syntax).
        every = " AND ".join(f'"{term}"' for term in sorted(terms))
        query = f"({{text}} : ({every})) OR ({{prompt}} : ({every}))"
        page, values = ("", []) if after is None else (" AND (created_at, seq) < (?, ?)", [after.created_at, after.seq])
        statement = (
            "SELECT doc_id FROM documents WHERE doc_id IN (SELECT doc_id FROM indexed WHERE number IN"
            f" (SELECT rowid FROM terms WHERE terms MATCH ?)){page} ORDER BY created_at DESC, seq DESC LIMIT ?"
        )
        with self._connection() as connection:
            return [doc_id for (doc_id,) in connection.execute(statement, (query, *values, limit))]

    def _connect(self) -> sqlite3.Connection:
        uri = Path(self._path).as_uri()  # so that SQLite takes one for the index too
        return sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA synchronous = OFF")  # a lost one is made again
                if connection.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
                    _create(connection)
                connection.execute("ATTACH ? AS rows", (self._read_only_uri(),))
                yield connection
        except sqlite3.Error as error:
            raise self._error(error) from error


def _create(connection: sqlite3.Connection) -> None:
    """Create the tables if they are missing or of an older doc_io; safe with concurrent callers."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
        for statement in _CREATE:
            connection.execute(statement)
    connection.execute("COMMIT")
