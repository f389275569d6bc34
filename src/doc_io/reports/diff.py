"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from doc_io.document import DocumentRow
from doc_io.reading import Which
from doc_io.store import DocumentStore

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_WORDS = 4000  # in one changed passage; comparing costs their product, and a larger one was written anew


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

    Args:
        old: The older text.
        new: The newer one.

    Returns:
        Passages in order. Those that are not ``added`` make up the old text, those not ``removed`` the new one.
    """
    for old_lines, new_lines in _passages(old.splitlines(keepends=True), new.splitlines(keepends=True)):
        before, after = "".join(old_lines), "".join(new_lines)
        if before == after:
            if before:
                yield Change("same", before)
            continue
        old_words, new_words = _WORD.findall(before), _WORD.findall(after)
        if len(old_words) + len(new_words) > _MAX_WORDS:
            yield from _change(before, after)
            continue
        for removed, added in _passages(old_words, new_words):
            yield from _change("".join(removed), "".join(added))


def _passages(old: list[str], new: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield old[i1:i2], new[j1:j2]


def _change(before: str, after: str) -> Iterator[Change]:
    if before == after:
        yield Change("same", before)
        return
    if before:
        yield Change("removed", before)
    if after:
        yield Change("added", after)
