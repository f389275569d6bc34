"""The terms of a PostgreSQL index's texts: a table of its own beside the documents, which can be dropped and is made again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from doc_io.document import DocumentRow
from doc_io.index.base import Texts, TextTerms

# Arrays and not tsvector, which holds a megabyte and 16,383 positions of a text (postgresql.org/docs/current/
# textsearch-limitations.html). ``document_texts`` is the table of an older doc_io.
_CREATE = (
    "DROP TABLE IF EXISTS document_texts",
    """CREATE TABLE IF NOT EXISTS document_terms (
        doc_id text COLLATE "C" PRIMARY KEY,
        text_terms text[] COLLATE "C" NOT NULL,
        prompt_terms text[] COLLATE "C" NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS document_terms_text ON document_terms USING gin (text_terms)",
    "CREATE INDEX IF NOT EXISTS document_terms_prompt ON document_terms USING gin (prompt_terms)",
)
_UP_TO_DATE = (
    "SELECT (SELECT count(*) FROM document_terms) = (SELECT count(*) FROM documents) AND NOT EXISTS ("
    "SELECT 1 FROM (SELECT doc_id FROM documents ORDER BY seq DESC LIMIT 100) AS newest"
    " WHERE NOT EXISTS (SELECT 1 FROM document_terms WHERE document_terms.doc_id = newest.doc_id))"
)
_FORGET = "DELETE FROM document_terms WHERE NOT EXISTS (SELECT 1 FROM documents WHERE documents.doc_id = document_terms.doc_id)"
_MISSING = (
    "SELECT doc_id FROM documents WHERE seq > ? AND NOT EXISTS"
    " (SELECT 1 FROM document_terms WHERE document_terms.doc_id = documents.doc_id) ORDER BY seq LIMIT ?"
)
_FOUND = (
    "SELECT doc_id FROM documents JOIN document_terms USING (doc_id)"
    " WHERE (text_terms @> ?::text[] OR prompt_terms @> ?::text[])"
)


class Asked(Protocol):
    """What the terms need of an index."""

    def change(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Carry out statements in one transaction."""

    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Ask one question."""


class PostgresTexts(Texts):
    """The terms of one index's texts.

    Args:
        index: The index they belong to.
    """

    def __init__(self, index: Asked) -> None:
        self._index = index
        index.change([(statement, ()) for statement in _CREATE])

    def is_up_to_date(self) -> bool:
        ((up_to_date,),) = self._index.rows(_UP_TO_DATE, ())
        if not up_to_date:
            self._index.change([(_FORGET, ())])
        return bool(up_to_date)

    def missing(self, after: int, limit: int) -> list[str]:
        return [doc_id for (doc_id,) in self._index.rows(_MISSING, (after, limit))]

    def add(self, documents: Sequence[TextTerms]) -> None:
        values = [value for each in documents for value in (each.doc_id, sorted(each.text), sorted(each.prompt))]
        rows = ", ".join(["(?, ?::text[], ?::text[])"] * (len(values) // 3))
        self._index.change([(f"INSERT INTO document_terms VALUES {rows} ON CONFLICT DO NOTHING", values)])

    def search(self, terms: Collection[str], after: DocumentRow | None, limit: int) -> list[str]:
        listed = sorted(terms)
        page, values = ("", []) if after is None else (" AND (created_at, seq) < (?, ?)", [after.created_at, after.seq])
        statement = f"{_FOUND}{page} ORDER BY created_at DESC, seq DESC LIMIT ?"
        return [doc_id for (doc_id,) in self._index.rows(statement, (listed, listed, *values, limit))]
