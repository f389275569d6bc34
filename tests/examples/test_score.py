"""The parser of evaluations: one number, or an error that says what was looked for."""

import pytest

from examples.essay_pipeline.score import parse_score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Good.\n\nSCORE: 7/10", 7),
        ("**Score: 10/10**\n", 10),
        ("SCORE: 2/10 was my first thought.\nSCORE: 3 / 10.", 3),
        ("SCORE: 1/10\nOn reflection:\nSCORE: 9/10", 9),
    ],
)
def test_the_score_of_the_last_score_line_counts(text: str, score: int) -> None:
    """Models repeat themselves and write in bold."""
    assert parse_score(text) == score


@pytest.mark.parametrize("text", ["", "I would say 7/10.", "SCORE: 11/10", "SCORE: high"])
def test_an_evaluation_without_a_score_is_refused(text: str) -> None:
    """The error becomes a parse_error document, so it names what was missing."""
    with pytest.raises(ValueError, match="no line `SCORE: n/10`"):
        parse_score(text)
