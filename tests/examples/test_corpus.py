"""The example's texts: prose from package descriptions, the same every time."""

import pytest

from examples.essay_pipeline import corpus


def test_prose_leaves_out_code_tables_lists_badges_and_headings() -> None:
    """Only paragraphs made of sentences are worth writing about."""
    page = (
        "# A title\n\n[![badge](https://x/y.svg)](https://x)\n\n"
        "This library keeps every *answer* in a [folder](https://x).\n\n"
        "```python\nThis is code in a fence.\n```\n\n"
        "    This is code by its indentation.\n\n"
        "| a | b |\n|---|---|\n\n- An item of a list is here.\n\n"
        "See `the docs <https://x>`_ for all that it can do.\n"
    )

    assert corpus.prose_of(page) == (
        "This library keeps every answer in a folder.\n\nSee the docs for all that it can do."
    )


def test_an_unclosed_fence_hides_the_rest() -> None:
    """A description cut by its author is no reason to take code for prose."""
    assert corpus.prose_of("Here is how to start with it.\n\n```\nThis is code with no end.") == (
        "Here is how to start with it."
    )


def test_sentences_end_at_a_full_stop_before_a_capital_and_at_paragraphs() -> None:
    """Version numbers and abbreviations inside a sentence do not cut it."""
    assert corpus.sentences("It needs 3.10 or later. Why? Because.\n\nNew paragraph") == [
        "It needs 3.10 or later.",
        "Why?",
        "Because.",
        "New paragraph",
    ]


def test_the_longest_are_named_in_order_and_have_prose() -> None:
    """The demo's partitions are real installed packages."""
    names = corpus.longest(8)

    assert len(names) == 8
    assert names == sorted(names)
    assert all(len(corpus.description(name)) > 200 for name in names)


def test_an_unknown_package_is_refused_with_what_there_is() -> None:
    """The message names packages that would do."""
    with pytest.raises(LookupError, match=r"No installed package 'no-such-thing'.*Choose one of: ") as caught:
        corpus.description("no-such-thing")

    assert corpus.longest(10)[0] in str(caught.value)
