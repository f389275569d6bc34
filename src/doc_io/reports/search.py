"""Full-text search over texts and prompts; documents that were not indexed yet are read first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from doc_io.document import DocumentRow
from doc_io.index.base import ALL, Filter, Texts, TextTerms
from doc_io.index.terms import Phrase, find_all, terms_of
from doc_io.progress import Progress
from doc_io.reading import read_files
from doc_io.store import DocumentStore

_BATCH_SIZE = 500  # documents
_MAX_CHARACTERS = 2_000_000  # of texts whose terms are held before they are written
_MAX_TERMS = 64  # that the index is asked for; the texts themselves decide about the others
_BEFORE, _WIDTH = 60, 180  # characters of an excerpt, before and from the first match

Searched = Literal["text", "prompt"]
"""What of a document is searched: its text (the parsed one where there is one, else the raw one), and its prompt."""


class SearchHit(NamedTuple):
    """A document that has the words.

    Attributes:
        row: Which document.
        excerpt: The passage around the first match, with ``…`` where it was cut.
        which: Whether they stand in its ``text`` or in its ``prompt``.
        matches: Start and end of each match within the excerpt, in order.
        position: Where the first match begins in the whole text or prompt, in characters.
    """

    row: DocumentRow
    excerpt: str
    which: Searched = "text"
    matches: tuple[tuple[int, int], ...] = ()
    position: int = 0


def search(
    store: DocumentStore,
    words: str,
    where: Filter = ALL,
    *,
    limit: int = 20,
    progress: Progress | None = None,
) -> list[SearchHit]:
    """Find documents whose text, or whose prompt, has all the words.

    Case, accents and differences of width do not count. What is written without spaces (Chinese, Japanese, Korean, Thai)
    is found wherever it stands; a word of another script is found as a whole word.

    Args:
        store: Which store.
        words: Words in any order; no query language. ``state-of-the-art`` is found in this order.
        where: Which documents. Default: all.
        limit: How many at most.
        progress: Progress callback, called with `(documents indexed, None)`. Default: none.

    Returns:
        The newest first, each document once; one that has the words in its text is not looked for in its prompt.
    """
    texts = store.index.texts()
    if not texts.is_up_to_date():
        _index(store, texts, progress)
    phrases = [phrase for phrase in map(Phrase, words.split()) if phrase.units]
    if not phrases:
        return []
    terms = sorted({term for phrase in phrases for term in phrase.terms()}, key=len, reverse=True)[:_MAX_TERMS]
    hits: list[SearchHit] = []
    last: DocumentRow | None = None
    while len(hits) < limit and (found := texts.search(terms, last, min(limit, _BATCH_SIZE))):
        rows = store.index.get_many(found)
        if not rows:
            break
        last = rows[-1]
        if where != ALL:
            rows = store.index.select(replace(where, doc_id=found), None, len(found))
        hits += _hits(store, rows, phrases)
    return hits[:limit]


def _index(store: DocumentStore, texts: Texts, progress: Progress | None) -> None:
    done = after = 0
    while missing := texts.missing(after, _BATCH_SIZE):
        rows = store.index.get_many(missing)
        if not rows:
            return  # removed in between
        batch: list[TextTerms] = []
        characters = 0
        for row, files in read_files(store.storage, rows, ("text", "prompt")):
            found = [_decoded(data) for data in files]
            batch.append(TextTerms(row.doc_id, *map(terms_of, found)))
            characters += sum(map(len, found))
            if characters > _MAX_CHARACTERS:
                texts.add(batch)
                batch, characters = [], 0
        if batch:
            texts.add(batch)
        after = rows[-1].seq
        done += len(rows)
        if progress is not None:
            progress(done, None)


def _hits(store: DocumentStore, rows: Sequence[DocumentRow], phrases: Sequence[Phrase]) -> list[SearchHit]:
    found: dict[str, SearchHit] = {}
    searched: Searched
    for searched in ("text", "prompt"):
        others = [row for row in rows if row.doc_id not in found]
        for row, [data] in read_files(store.storage, others, (searched,)):
            text = _decoded(data)
            matches = find_all(text, phrases, _WIDTH)
            if matches:
                found[row.doc_id] = _hit(row, text, searched, matches)
    return [found[row.doc_id] for row in rows if row.doc_id in found]


def _hit(row: DocumentRow, text: str, which: Searched, matches: Sequence[tuple[int, int]]) -> SearchHit:
    position, first_end = matches[0]
    start = max(0, position - _BEFORE)
    end = min(len(text), max(position + _WIDTH, first_end))
    before, after = "…" if start else "", "…" if end < len(text) else ""
    moved = len(before) - start
    within = tuple((left + moved, right + moved) for left, right in matches if right <= end)
    return SearchHit(row, f"{before}{text[start:end]}{after}", which, within, position)


def _decoded(data: bytes | OSError | None) -> str:
    """The text, as far as it can be read; empty where there is none."""
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else ""
