"""A diff is true for any two texts, and takes a time that grows with their length."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io.reports.diff import Change, diff_texts

TEXTS = (
    st.lists(
        st.sampled_from(["whale ", "sea", "\n", " ", "鲸", ".", "\r\n", "\x85", "\ud800", "e\u0301", "\0"]), max_size=40
    ).map("".join)
    | st.text()
)


def sides(changes: list[Change]) -> tuple[str, str]:
    """The old and the new text that passages make up."""
    old = "".join(each.text for each in changes if each.kind != "added")
    new = "".join(each.text for each in changes if each.kind != "removed")
    return old, new


@given(TEXTS, TEXTS)
def test_passages_make_up_both_texts(old: str, new: str) -> None:
    """Whatever is in them; none is empty."""
    changes = list(diff_texts(old, new))

    assert sides(changes) == (old, new)
    assert all(each.text for each in changes)


@given(TEXTS)
def test_equal_texts_have_no_changes(text: str) -> None:
    """Each passage is the same."""
    assert all(each.kind == "same" for each in diff_texts(text, text))


def test_a_changed_word_is_one_word() -> None:
    """Not its line."""
    changes = list(diff_texts("one\ntwo three four\n", "one\ntwo 3 four\n"))

    assert [(each.kind, each.text) for each in changes if each.kind != "same"] == [("removed", "three"), ("added", "3")]


def words(count: int, seed: int) -> list[str]:
    """So many of 5,000 words."""
    chance = random.Random(seed)  # noqa: S311
    return [f"word{chance.randrange(5000)}" for _ in range(count)]


def changed(old: list[str]) -> list[str]:
    """Two words of a hundred are others."""
    chance = random.Random(7)  # noqa: S311
    return ["other" if chance.random() < 0.02 else word for word in old]


def lines(text: list[str]) -> str:
    """Twelve words a line."""
    return "\n".join(" ".join(text[at : at + 12]) for at in range(0, len(text), 12))


FIVE_MB = words(600_000, 1)
LINES = ["alpha beta\n", "gamma\n", "delta epsilon zeta\n", "eta\n"]
LARGE: dict[str, Callable[[], tuple[str, str]]] = {
    "5 MB in lines": lambda: (lines(FIVE_MB), lines(changed(FIVE_MB))),
    "5 MB in one line": lambda: (" ".join(FIVE_MB), " ".join(changed(FIVE_MB))),
    "5 MB written anew": lambda: (lines(FIVE_MB), lines(words(600_000, 2))),
    "four lines, repeated": lambda: (
        "".join(random.Random(3).choices(LINES, k=10_000)),  # noqa: S311
        "".join(random.Random(4).choices(LINES, k=10_000)),  # noqa: S311
    ),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_large_texts_take_two_seconds(make: Callable[[], tuple[str, str]]) -> None:
    """Four seconds of this process here; `difflib` takes 40."""
    old, new = make()
    started = time.process_time()  # this machine may be busy

    changes = list(diff_texts(old, new))

    assert time.process_time() - started < 4
    assert sides(changes) == (old, new)


def test_what_stayed_is_reported_also_in_one_long_line() -> None:
    """Of 5 MB with 2 % changed."""
    old, new = LARGE["5 MB in one line"]()

    same = sum(len(each.text) for each in diff_texts(old, new) if each.kind == "same")

    assert same > 0.97 * len(old)
