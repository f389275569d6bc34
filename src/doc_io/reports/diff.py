"""What changed between two texts, word by word."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeVar

from doc_io.document import DocumentRow
from doc_io.reading import Which
from doc_io.store import DocumentStore

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_ITEMS = 200_000  # words or lines of both texts that are compared at once: 0.3 s where they have little in common
_MAX_REFINED = 50_000  # in one passage that differs: 0.1 s
_MIN_CHUNK = 16  # words or lines, on average

_T = TypeVar("_T", str, "tuple[str, ...]")


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

    Of more than 200,000 lines or words, chunks of 16 or more are compared before what is in them; a passage of chunks that
    has nothing in common with the other text is removed and added as a whole. 5 MB take a second or two.

    Args:
        old: The older text.
        new: The newer one.

    Returns:
        Passages in order. Those that are not ``added`` make up the old text, those not ``removed`` the new one.
    """
    for old_lines, new_lines in _compared(old.splitlines(keepends=True), new.splitlines(keepends=True)):
        before, after = "".join(old_lines), "".join(new_lines)
        if before and after and before != after:
            for removed, added in _compared(_WORD.findall(before), _WORD.findall(after)):
                yield from _change("".join(removed), "".join(added))
        else:
            yield from _change(before, after)


def _compared(old: list[str], new: list[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """As `_passages`, in time that is linear in the length."""
    total = len(old) + len(new)
    if total <= _MAX_ITEMS:
        yield from _passages(old, new)
        return
    size = max(_MIN_CHUNK, 2 * total // _MAX_ITEMS)
    for old_chunks, new_chunks in _passages(_chunks(old, size), _chunks(new, size)):
        removed, added = list(chain.from_iterable(old_chunks)), list(chain.from_iterable(new_chunks))
        if removed == added or len(removed) + len(added) > _MAX_REFINED:
            yield removed, added
        else:
            yield from _passages(removed, added)


def _chunks(items: list[str], size: int) -> list[tuple[str, ...]]:
    """Items in chunks that end where the items themselves say so: an insertion leaves the chunks after it as they are."""
    ends = {item for item in set(items) if zlib.crc32(item.encode("utf-8", "surrogatepass")) % size == 0}
    chunks, start = [], 0
    for end in (at for at, item in enumerate(items, start=1) if item in ends):
        if end - start >= size // 2:  # shorter ones are met by chance
            chunks.append(tuple(items[start:end]))
            start = end
    return [*chunks, tuple(items[start:])]


def _passages(old: Sequence[_T], new: Sequence[_T]) -> Iterator[tuple[Sequence[_T], Sequence[_T]]]:
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


class _Numbers(dict[Any, str]):
    """A line for each word, line or chunk: a number of its own."""

    def __missing__(self, item: object) -> str:
        line = self[item] = f"{len(self):x}\n"
        return line


def _numbered(items: Sequence[_T], numbers: _Numbers) -> bytes:
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
