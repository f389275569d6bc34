"""Full-text search over the stored texts; what is not yet in the index of texts is read first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from doc_io.commit_record import decode_text
from doc_io.document import DocumentRow
from doc_io.index.base import ALL, Filter
from doc_io.progress import Progress
from doc_io.reading import path_of
from doc_io.storage.base import Storage
from doc_io.store import DocumentStore

_AT_ONCE = 500
MAX_HITS = 10_000
"""Documents with the words that are looked at, where only some kinds of documents are wanted."""

_LONGEST = 250_000  # characters of a text that can be found; PostgreSQL holds no more than a megabyte of words


class SearchHit(NamedTuple):
    """A document that has the words.

    Attributes:
        row: Which document.
        excerpt: The passage around them.
    """

    row: DocumentRow
    excerpt: str


def search(
    store: DocumentStore,
    words: str,
    wanted: Filter = ALL,
    *,
    limit: int = 20,
    progress: Progress | None = None,
) -> list[SearchHit]:
    """Find documents whose text (parsed where there is one, else raw) has all the words.

    Args:
        store: Which store.
        words: Words in any order; no query language.
        wanted: Which documents. Default: all.
        limit: How many at most.
        progress: Progress callback, called with `(texts read, None)`. Default: none.

    Returns:
        The best first, as the database ranks them.
    """
    storage, index = store.storage, store.index
    texts = index.texts()
    done = 0
    while missing := texts.missing(_AT_ONCE):
        rows = {row.doc_id: row for row in index.get_many(missing)}
        texts.add(
            [(doc_id, "") for doc_id in missing if doc_id not in rows] + list(_read(storage, list(rows.values())))
        )
        done += len(missing)
        if progress is not None:
            progress(done, None)
    if wanted == ALL:
        found = dict(texts.search(_storable(words), limit))
        return [SearchHit(row, found[row.doc_id]) for row in index.get_many(list(found))]
    found = dict(texts.search(_storable(words), MAX_HITS))
    hits = iter(found)
    chosen: dict[str, DocumentRow] = {}
    while batch := list(islice(hits, _AT_ONCE)):
        chosen.update((row.doc_id, row) for row in index.select(replace(wanted, doc_id=batch), None, len(batch)))
    best = islice((doc_id for doc_id in found if doc_id in chosen), limit)
    return [SearchHit(chosen[doc_id], found[doc_id]) for doc_id in best]


def _read(storage: Storage, rows: list[DocumentRow]) -> Iterator[tuple[str, str]]:
    readable = [row for row in rows if row.raw_chars is not None or row.parsed_chars is not None]
    for row in rows:
        if row not in readable:
            yield row.doc_id, ""  # skipped: known, with nothing in it
    for row, data in zip(readable, storage.read_many([path_of(row, "text") for row in readable]), strict=True):
        yield row.doc_id, "" if isinstance(data, OSError) else _cleaned(data)


def _cleaned(data: bytes) -> str:
    """The text as a database can hold it; a damaged one is searched as far as it can be read."""
    try:
        text = decode_text(data)
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    return _storable(text[:_LONGEST])


def _storable(text: str) -> str:
    """Without what no database takes: NUL and lone surrogates."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
