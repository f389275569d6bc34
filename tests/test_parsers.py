"""A parser that fails costs the parse, never the answer."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from doc_io import Document, Status, register_parser
from doc_io.parsers import parse


@pytest.fixture(autouse=True)
def _registered() -> None:
    register_parser("upper", str.upper)
    register_parser("broken", lambda raw: raw[10**9])
    register_parser("numeric", len)
    register_parser("bytes", str.encode)  # type: ignore[arg-type]
    register_parser("blank", lambda _: " ")
    register_parser("verdict", lambda raw: (f"{raw}!", 7))
    register_parser("no number", lambda _: float("nan"))


def test_a_registered_parser_makes_the_parsed_text() -> None:
    """By its name."""
    assert parse(Document("a", parser="upper")).parsed == "A"


def test_a_dotted_path_names_a_parser_too() -> None:
    """Without any registration."""
    assert parse(Document("a&b", parser="html.escape")).parsed == "a&amp;b"


@pytest.mark.parametrize(
    ("parser", "error"),
    [
        ("broken", "IndexError"),
        ("bytes", "gave bytes, not a string"),
        ("blank", "an empty text"),
        ("no number", "not a finite number"),
        ("nowhere", "no parser is registered"),
        ("no.such.module", "No module named"),
        ("html.__doc__", "not a function"),
    ],
)
def test_a_parser_that_fails_or_is_missing_makes_a_parse_error_that_keeps_the_answer(parser: str, error: str) -> None:
    """The text was paid for."""
    parsed = parse(Document("answer", parser=parser, metadata={"mine": 1}))

    assert (parsed.outcome, parsed.raw, parsed.parsed) == (Status.PARSE_ERROR, "answer", None)
    assert parsed.metadata is not None
    assert error in parsed.metadata["error"]
    assert parsed.metadata["mine"] == 1


def test_a_text_that_its_writer_parsed_is_not_parsed_again() -> None:
    """The writer knows best."""
    assert parse(Document("a", parsed="mine", parser="broken")).parsed == "mine"


def test_half_an_answer_is_not_parsed() -> None:
    """Truncated says more than parse_error would."""
    assert parse(Document("half", finish_reason="length", parser="broken")).outcome is Status.TRUNCATED


@pytest.mark.parametrize(("parser", "parsed", "score"), [("numeric", "6", 6.0), ("verdict", "answer!", 7.0)])
def test_a_parser_that_returns_a_number_gives_the_score(parser: str, parsed: str, score: float) -> None:
    """Alone, with its own text as the parsed one, or beside a text."""
    document = parse(Document("answer", parser=parser))

    assert (document.outcome, document.parsed, document.score) == (Status.OK, parsed, score)


def test_a_score_that_its_author_gave_wins_over_the_parsers() -> None:
    """The author knows best."""
    assert parse(Document("answer", parser="numeric", score=1)).score == 1.0


class OddError(Exception):
    """An error that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
        (asyncio.CancelledError(), "CancelledError"),
        (BaseException("odd"), "BaseException: odd"),
        (RecursionError(), "RecursionError"),
        (OddError(), "OddError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_parser_raises_the_answer_is_kept(error: BaseException, said: str) -> None:
    """Only an interrupt of the user's goes on."""

    def raises(_: str) -> str:
        raise error

    register_parser("raises", raises)
    parsed = parse(Document("the answer", parser="raises"))

    assert (parsed.raw, parsed.status) == ("the answer", Status.PARSE_ERROR)
    assert said in str((parsed.metadata or {})["error"])


def test_an_interrupt_inside_of_a_parser_interrupts() -> None:
    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    register_parser("interrupted", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parse(Document("the answer", parser="interrupted"))


@pytest.mark.parametrize(
    ("result", "score"),
    [
        (True, 1.0),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7.0),
        (np.bool_(True), 1.0),  # noqa: FBT003 - a value
        (np.array(3.5), 3.5),
        (("a reason", np.float64(0.5)), 0.5),
    ],
)
def test_every_kind_of_number_is_a_score(result: Any, score: float) -> None:
    register_parser("number", lambda _: result)
    parsed = parse(Document("the answer", parser="number"))

    assert (parsed.outcome, parsed.score) == (Status.OK, score)


@pytest.mark.parametrize(
    "result",
    [
        *(float("nan"), float("inf"), -float("inf"), Decimal("NaN"), Decimal("sNaN"), np.float64("nan"), 10**400),
        *(1j, np.array([1, 2]), None, b"x", ["a", 1], ("a", "7"), ("a", 1, 2), {"score": 1}),
        *("\ufeff", "\u200b"),
    ],
    ids=repr,
)
def test_what_is_neither_text_nor_a_finite_number_is_a_parse_error(result: Any) -> None:
    register_parser("odd", lambda _: result)
    parsed = parse(Document("the answer", parser="odd"))

    assert (parsed.raw, parsed.status, parsed.score) == ("the answer", Status.PARSE_ERROR, None)
