"""Reads the score out of an evaluation."""

import re

BEST = 10  # the scale that the prompt asks for


def parse_score(text: str) -> int:
    """The number of the last line ``SCORE: n/10``; doc_io keeps it as the document's score.

    Args:
        text: The whole evaluation.

    Raises:
        ValueError: There is no such line, or its number is above 10.
    """
    found: list[str] = re.findall(r"^\W*SCORE:\W*(\d{1,3})\s*/\s*10\W*$", text, re.MULTILINE | re.IGNORECASE)
    if not found or int(found[-1]) > BEST:
        message = "the evaluation has no line `SCORE: n/10` with n from 0 to 10"
        raise ValueError(message)
    return int(found[-1])
