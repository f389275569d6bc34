"""What changed between two texts, word by word."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from doc_io.document import DocumentRow
from doc_io.reading import Which
from doc_io.store import DocumentStore

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_WORDS = 50_000  # in one changed passage: 0.1 s; a larger one is compared chunk by chunk first
_CHUNK = 16  # words, on average


class Change(NamedTuple):
    """A passage.

    Attributes:
        kind: Whether both texts have it, or only the older or the newer one.
        text: The passage.
    """

    kind: Literal["same", "removed", "added"]
    text: str


def diff(store: DocumentStore, old: DocumentRow, new: DocumentRow, which: Which = "text") -> list[Change]:
    """What changed between two documents, word by word.

    Args:
        store: Which store.
        old: The older document.
        new: The newer one.
        which: Which text of each. Default: the parsed one where there is one, else the raw one.

    Raises:
        MissingTextError: One of them has no such text.
        DamagedDocumentError: A text is not what was saved.
    """
    return list(diff_texts(store.read(old, which), store.read(new, which)))


def diff_texts(old: str, new: str) -> Iterator[Change]:
    """The passages that turn one text into another: lines first, then the words of lines that changed.

    Of a changed passage of more than 50,000 words chunks of some 16 words are compared before their words; one that has
    nothing in common with the other text is removed and added as a whole. 5 MB take a second or two.

    Args:
        old: The older text.
        new: The newer one.

    Returns:
        Passages in order. Those that are not ``added`` make up the old text, those not ``removed`` the new one.
    """
    for old_lines, new_lines in _passages(old.splitlines(keepends=True), new.splitlines(keepends=True)):
        before, after = "".join(old_lines), "".join(new_lines)
        if before and after and before != after:
            yield from _by_word(before, after)
        else:
            yield from _change(before, after)


def _by_word(before: str, after: str) -> Iterator[Change]:
    old, new = _WORD.findall(before), _WORD.findall(after)
    if len(old) + len(new) <= _MAX_WORDS:
        for removed, added in _passages(old, new):
            yield from _change("".join(removed), "".join(added))
        return
    for old_chunks, new_chunks in _passages(_chunks(old), _chunks(new)):
        removed, added = "".join(old_chunks), "".join(new_chunks)
        if removed == added or len(old_chunks) + len(new_chunks) > _MAX_WORDS // _CHUNK:
            yield from _change(removed, added)
            continue
        for old_words, new_words in _passages(_WORD.findall(removed), _WORD.findall(added)):
            yield from _change("".join(old_words), "".join(new_words))


def _chunks(words: Sequence[str]) -> list[str]:
    """Words in chunks that end where the words themselves say so: an insertion leaves the chunks after it as they are."""
    ends = {word for word in set(words) if zlib.crc32(word.encode("utf-8", "surrogatepass")) % _CHUNK == 0}
    chunks, start = [], 0
    for end, word in enumerate(words, start=1):
        if word in ends and end - start >= _CHUNK // 2:  # shorter ones are met by chance
            chunks.append("".join(words[start:end]))
            start = end
    return [*chunks, "".join(words[start:])]


def _passages(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Passages of two sequences in turn: equal ones, and those that differ.

    libgit2 compares them as the lines of two files, with a number for each word: Myers' algorithm with heuristics that
    end a search which takes too long, where `difflib` takes time that is quadratic in the length.
    """
    import pygit2  # noqa: PLC0415 - only a diff waits for it

    numbers = _Numbers()
    patch = pygit2.Patch.create_from(_numbered(old, numbers), _numbered(new, numbers), context_lines=0)
    old_end = new_end = 0
    for hunk in patch.hunks:
        # Of no lines git names the line before, of some the first of them, counted from 1.
        old_start = hunk.old_start - 1 if hunk.old_lines else hunk.old_start
        new_start = hunk.new_start - 1 if hunk.new_lines else hunk.new_start
        yield old[old_end:old_start], new[new_end:new_start]
        old_end, new_end = old_start + hunk.old_lines, new_start + hunk.new_lines
        yield old[old_start:old_end], new[new_start:new_end]
    yield old[old_end:], new[new_end:]


class _Numbers(dict[str, str]):
    """A line for each word: a number of its own."""

    def __missing__(self, word: str) -> str:
        line = self[word] = f"{len(self):x}\n"
        return line


def _numbered(words: Sequence[str], numbers: _Numbers) -> bytes:
    return "".join(map(numbers.__getitem__, words)).encode()


def _change(before: str, after: str) -> Iterator[Change]:
    if before == after:
        if before:
            yield Change("same", before)
        return
    if before:
        yield Change("removed", before)
    if after:
        yield Change("added", after)
