"""Answers that take long: asked once at a time, given while a new one is made, and never after an error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from doc_io.web.remember import Remembered

SLOW = 0.03  # seconds: more than what is always asked anew


def test_what_many_ask_at_once_is_found_out_once() -> None:
    remembered = Remembered()
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        time.sleep(SLOW * 5)
        return len(asked)

    with ThreadPoolExecutor(20) as readers:
        answers = list(readers.map(lambda _: remembered.get("question", ask)[0], range(20)))

    assert answers == [1] * 20


def test_what_is_quick_is_asked_each_time() -> None:
    remembered = Remembered()
    answers = iter(range(3))

    assert [remembered.get("question", lambda: next(answers)) for _ in range(3)] == [(0, 0.0), (1, 0.0), (2, 0.0)]


def test_an_old_answer_is_given_with_its_age_while_a_new_one_is_made() -> None:
    remembered = Remembered()
    made_anew = threading.Event()

    def ask() -> str:
        time.sleep(SLOW)
        return "old"

    def ask_again() -> str:
        made_anew.set()
        return "new"

    remembered.get("question", ask)
    given: list[tuple[str, float]] = []
    while not made_anew.is_set() and len(given) < 600:
        given.append(remembered.get("question", ask_again))
        time.sleep(0.05)

    assert made_anew.is_set()
    assert {answer for answer, _ in given} == {"old"}
    assert given[-1][1] > SLOW * 50


def test_an_error_is_told_and_not_remembered() -> None:
    remembered = Remembered()

    def fail() -> str:
        time.sleep(SLOW)
        message = "gone"
        raise OSError(message)

    with pytest.raises(OSError, match="gone"):
        remembered.get("question", fail)

    assert remembered.get("question", lambda: "well again") == ("well again", 0.0)
