"""Nothing that a model wrote can act on a terminal or a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io.escaping import fenced, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 字 🎉", "plain ünïcode 字 🎉"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("line\nline", "line\\x0aline"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_could_act_is_escaped_and_the_rest_stays(text: str, shown: str) -> None:
    """Terminal escapes, bidi controls, surrogates, tags."""
    assert printable(text) == shown


def test_the_lines_of_a_text_can_be_kept() -> None:
    """For showing a whole text."""
    assert printable("a\n\tb\x07", keep="\n\t") == "a\n\tb\\x07"


def test_a_long_text_is_cut_and_says_so() -> None:
    """A message is for people."""
    assert printable("abcdef", limit=3) == "abc…"


@given(st.text(alphabet="`~ \n<a>*", max_size=40))
def test_no_text_can_close_the_block_it_is_shown_in(text: str) -> None:
    """The fence is longer than any run of backticks inside."""
    first, *inside, last = fenced(text).split("\n")

    assert last == first.removesuffix("text")
    assert set(last) == {"`"}
    assert not any(last in line for line in inside)
