"""Two texts side by side: what changed, in rows that begin and end at the same lines on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from doc_io.reports.diff import Change

_CONTEXT = 1  # rows around a change that stay where only changes are shown
_MAX_CHANGES = 500
_MAX_CHARACTERS = 200_000
_MAX_PASSAGES = 200  # of a line that is too long to be shown
_END = 500  # characters at each end of such a passage
_KEPT = 2  # lines at each end of a passage without a change that is folded


class Row(NamedTuple):
    """Lines of both texts.

    Attributes:
        left: Passages of the older text.
        right: Passages of the newer one.
        both: Passages of both, in order, for one column.
        number: Which change it is, from 1; 0 where nothing changed.
        folded: How many rows without a change stand here unseen.
    """

    left: list[Change]
    right: list[Change]
    both: list[Change]
    number: int = 0
    folded: int = 0


def rows(changes: Iterable[Change], *, fold: bool = False) -> Iterator[Row]:
    """Rows of two texts, from the passages that `reports.diff` gives.

    Args:
        changes: The passages.
        fold: Whether of the lines of a passage without a change only the first and the last two are given.
    """
    number = 0
    both: list[Change] = []
    for change in _joined(changes):
        if change.kind != "same":
            both.append(change)
            continue
        head, folded, tail = _parts(change.text) if fold else (change.text, 0, "")
        for part in (head, tail):
            for line in part.splitlines(keepends=True):
                both.append(Change("same", line))
                if line.endswith("\n"):
                    number += _has_change(both)
                    yield _row(both, number)
                    both = []
            if folded and part is head:
                yield Row([], [], [], 0, folded)
    if both:
        yield _row(both, number + _has_change(both))


def laid_out(changes: Iterable[Change], *, only_changes: bool) -> tuple[list[Row], int, bool]:
    """The rows to show, the number of changes among them, and whether these are all.

    Args:
        changes: The passages that `reports.diff` gives.
        only_changes: Whether long passages without a change are folded.
    """
    shown: list[Row] = []
    waiting: list[Row] = []
    skipped = count = characters = 0
    for row in rows(changes, fold=only_changes):
        if row.folded:
            skipped += row.folded
        elif not row.number:
            waiting.append(row)
        else:
            shown += _folded(waiting, skipped, after=bool(shown), before=True) if only_changes else waiting
            waiting, skipped = [], 0
            short = _shortened(row)
            shown.append(short)
            count = row.number
            characters += sum(len(each.text) for each in short.both)
            if short is not row or count >= _MAX_CHANGES or characters > _MAX_CHARACTERS:
                return shown, count, False
    shown += _folded(waiting, skipped, after=bool(shown), before=False) if only_changes else waiting
    return shown, count, True


def _parts(text: str) -> tuple[str, int, str]:
    """The first and the last lines of a passage, and how many are between them; there may be millions."""
    between = text.count("\n") - 2 * _KEPT
    if between <= 0:
        return text, 0, ""
    start, end = 0, len(text)
    for _ in range(_KEPT):
        start = text.find("\n", start) + 1
    for _ in range(_KEPT + 1):
        end = text.rfind("\n", 0, end)
    return text[:start], between, text[end + 1 :]


def _shortened(row: Row) -> Row:
    """A row of which a page can show the most: a line may be megabytes long."""
    if sum(len(each.text) for each in row.both) <= _MAX_CHARACTERS:
        return row
    both = [Change(each.kind, _cut(each.text)) for each in row.both[:_MAX_PASSAGES]]
    return _row(both, row.number)


def _cut(text: str) -> str:
    return text if len(text) <= 2 * _END else f"{text[:_END]} … {text[-_END:]}"


def _joined(changes: Iterable[Change]) -> Iterator[Change]:
    """The same passages, words that changed one after the other together: a space between them changed with them."""
    removed: list[str] = []
    added: list[str] = []
    space: list[str] = []
    for change in changes:
        if change.kind == "same":
            if (removed or added) and change.text == " ":
                space = [change.text]
                continue
            yield from _changes(removed, added, space)
            yield change
            removed, added, space = [], [], []
        else:
            removed += space
            added += space
            space = []
            (removed if change.kind == "removed" else added).append(change.text)
    yield from _changes(removed, added, space)


def _changes(removed: list[str], added: list[str], space: list[str]) -> Iterator[Change]:
    if removed:
        yield Change("removed", "".join(removed))
    if added:
        yield Change("added", "".join(added))
    if space:
        yield Change("same", " ")


def _folded(waiting: list[Row], skipped: int, *, after: bool, before: bool) -> list[Row]:
    head = waiting[: _CONTEXT if after else 0]
    tail = waiting[len(head) :][-_CONTEXT:] if before else []
    unseen = len(waiting) - len(head) - len(tail) + skipped
    fold = [Row([], [], [], 0, unseen)] if unseen > 1 else waiting[len(head) : len(head) + unseen]
    return [*head, *fold, *tail]


def _row(both: list[Change], number: int) -> Row:
    changed = _has_change(both)
    left = [change for change in both if change.kind != "added"]
    right = [change for change in both if change.kind != "removed"]
    return Row(left, right, both, number if changed else 0)


def _has_change(both: Iterable[Change]) -> bool:
    return any(change.kind != "same" for change in both)
