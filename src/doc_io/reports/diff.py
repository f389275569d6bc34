"""What changed between two texts, word by word."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from doc_io.document import DocumentRow
from doc_io.reading import Which
from doc_io.store import DocumentStore

_WORD = re.compile(r"\s+|\w+|[^\w\s]{9,}|[^\w\s]")  # a ruler of many signs is one word
_PIECE = re.compile(r"\w+\W{0,8}|\s+|[^\w\s]{1,8}")  # what chunks are made of: a third as many as words
_MAX_ITEMS = 200_000  # words or lines of both texts that are compared at once: 0.3 s where they have little in common
_MAX_REFINED = 50_000  # in one passage that differs: 0.1 s
_MAX_DETAIL = 1_000_000  # words of all passages that differ
_MIN_CHUNK = 5  # words or lines: shorter ones are met by chance
_LONGEST_CHUNK = 1024
_TINY = 4  # characters of a line
_SLICE = 65_536  # characters that are split at a time: each word is an object many times its size

Split = Callable[[str], list[str]]
"""What splits a text into lines or words."""


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

    Of more than 200,000 lines or words, chunks of ten or more are compared before what is in them. A passage of more than
    50,000 words that has no chunk in common with the other text is removed and added as a whole, and so is what still
    differs after a million lines and words were compared. So 5 MB take a second or two, and memory stays below 150 MB and
    four times the size of both texts, whatever is in them.

    Args:
        old: The older text.
        new: The newer one.

    Returns:
        Passages in order. Those that are not ``added`` make up the old text, those not ``removed`` the new one.
    """
    comparison = _Comparison()
    by_line = [(old, new)] if _has_tiny_lines(old, new) else comparison.passages(old, new, _lines, _lines)
    for before, after in by_line:
        if before and after and before != after:
            for removed, added in comparison.passages(before, after, _WORD.findall, _PIECE.findall):
                yield from _change(removed, added)
        else:
            yield from _change(before, after)


class _Comparison:
    """Passages of texts in turn, equal ones and those that differ; it ends to look into these after a million items."""

    def __init__(self) -> None:
        self._left = _MAX_DETAIL

    def passages(self, old: str, new: str, split: Split, pieces: Split) -> Iterator[tuple[str, str]]:
        """As `_passages`, of any two texts, in time and memory that are linear in their length.

        Args:
            old: The older text.
            new: The newer one.
            split: Splits a text into what is compared.
            pieces: Splits one that has too many of these into what chunks are made of.
        """
        if self._left <= 0:
            yield old, new
        elif items := self._items(old, new, split, _MAX_ITEMS):
            yield from _passages(*items)
        else:
            for removed, added in _passages(*_chunked(old, new, pieces)):
                differ = removed and added and removed != added
                items = self._items(removed, added, split, _MAX_REFINED) if differ and self._left > 0 else None
                yield from _passages(*items) if items else [(removed, added)]

    def _items(self, old: str, new: str, split: Split, limit: int) -> tuple[list[str], list[str]] | None:
        """The items of both texts; ``None`` where there are more than so many."""
        sides: tuple[list[str], list[str]] = [], []
        for text, items in zip((old, new), sides, strict=True):
            for some in _slices(text, split):
                items.extend(some)
                if len(sides[0]) + len(sides[1]) > limit:
                    return None
        self._left -= len(sides[0]) + len(sides[1])
        return sides


def _has_tiny_lines(*texts: str) -> bool:
    """Whether texts have many lines that are about as short as words, so that words alone tell as much."""
    lines = sum(text.count("\n") for text in texts)
    return lines > max(_MAX_ITEMS, sum(map(len, texts)) // _TINY)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _slices(text: str, split: Split) -> Iterator[list[str]]:
    """The items of a text in turn; never many of them at once."""
    start, size = 0, _SLICE
    while start + size < len(text):
        items = split(text[start : start + size])
        start += size - len(items.pop())  # the last one may go on
        if items:
            yield items
            size = _SLICE
        else:
            size *= 2
    yield split(text[start:])


def _chunked(old: str, new: str, split: Split) -> tuple[list[str], list[str]]:
    estimate = sum(len(split(text[:_SLICE])) * (len(text) // _SLICE + 1) for text in (old, new))
    shortest = max(_MIN_CHUNK, estimate // _MAX_ITEMS)
    sides = list(_chunks(_slices(old, split), shortest)), list(_chunks(_slices(new, split), shortest))
    while len(sides[0]) + len(sides[1]) > _MAX_ITEMS:
        sides = list(_chunks([sides[0]], _MIN_CHUNK)), list(_chunks([sides[1]], _MIN_CHUNK))
    return sides


def _chunks(slices: Iterable[list[str]], shortest: int) -> Iterator[str]:
    """Items in chunks that end where the items themselves say so: an insertion leaves the chunks after it as they are."""
    waiting: list[str] = []
    for items in slices:
        ends = _Ends()
        start, end = 0, max(1, shortest - len(waiting))
        while end <= len(items):
            if ends[items[end - 1]]:
                yield "".join(waiting + items[start:end])
                waiting, start = [], end
                end += shortest
            else:
                end += 1
        waiting += items[start:]
        if len(waiting) > _LONGEST_CHUNK:
            yield "".join(waiting)
            waiting = []
    yield "".join(waiting)


class _Ends(dict[str, bool]):
    """Whether a chunk ends with an item: every fifth one says so."""

    def __missing__(self, item: str) -> bool:
        ends = self[item] = zlib.crc32(item.encode("utf-8", "surrogatepass")) % _MIN_CHUNK == 0
        return ends


def _passages(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Passages of two lists of items in turn: equal ones, and those that differ.

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
        yield "".join(old[old_end:old_start]), "".join(new[new_end:new_start])
        old_end, new_end = old_start + hunk.old_lines, new_start + hunk.new_lines
        yield "".join(old[old_start:old_end]), "".join(new[new_start:new_end])
    yield "".join(old[old_end:]), "".join(new[new_end:])


class _Numbers(dict[str, str]):
    """A line for each word, line or chunk: a number of its own."""

    def __missing__(self, item: str) -> str:
        line = self[item] = f"{len(self):x}\n"
        return line


def _numbered(items: list[str], numbers: _Numbers) -> bytes:
    return "".join(map(numbers.__getitem__, items)).encode()


def _change(before: str, after: str) -> Iterator[Change]:
    if before == after:
        if before:
            yield Change("same", before)
        return
    if before:
        yield Change("removed", before)
    if after:
        yield Change("added", after)
