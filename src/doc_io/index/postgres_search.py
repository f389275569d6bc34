"""Full text of an index in PostgreSQL: a table of its own beside the documents, that can be dropped and is made again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from doc_io.index.base import Texts

_TABLE = """CREATE TABLE IF NOT EXISTS document_texts (
    doc_id text COLLATE "C" PRIMARY KEY,
    text text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED
)"""
_WORDS = "CREATE INDEX IF NOT EXISTS document_texts_words ON document_texts USING gin (words)"
_FORGET = "DELETE FROM document_texts WHERE NOT EXISTS (SELECT 1 FROM documents WHERE documents.doc_id = document_texts.doc_id)"
_MISSING = (
    "SELECT doc_id FROM documents WHERE NOT EXISTS"
    " (SELECT 1 FROM document_texts WHERE document_texts.doc_id = documents.doc_id) ORDER BY seq LIMIT ?"
)
_ADD = "INSERT INTO document_texts (doc_id, text) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SEARCH = (
    "SELECT doc_id, ts_headline('simple', text, asked, 'StartSel=\"\", StopSel=\"\", MaxWords=24, MinWords=12')"
    " FROM document_texts JOIN documents USING (doc_id), plainto_tsquery('simple', ?) AS asked"
    " WHERE words @@ asked ORDER BY ts_rank(words, asked) DESC, doc_id LIMIT ?"
)


class Asked(Protocol):
    """What the texts need of an index."""

    def change(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Carry out statements in one transaction."""

    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Ask one question."""


class PostgresTexts(Texts):
    """The texts of one index.

    Args:
        index: The index they belong to.
    """

    def __init__(self, index: Asked) -> None:
        self._index = index
        index.change([(_TABLE, ()), (_WORDS, ())])

    def missing(self, limit: int) -> list[str]:
        self._index.change([(_FORGET, ())])
        return [doc_id for (doc_id,) in self._index.rows(_MISSING, (limit,))]

    def add(self, texts: Iterable[tuple[str, str]]) -> None:
        self._index.change([(_ADD, each) for each in texts])

    def search(self, words: str, limit: int) -> list[tuple[str, str]]:
        found = self._index.rows(_SEARCH, (words.replace("\0", " "), limit))
        return [(doc_id, excerpt) for doc_id, excerpt in found]
