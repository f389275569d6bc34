"""Answers that take long are remembered for a while, and made anew behind the reader's back."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar, cast

_T = TypeVar("_T")

_QUICK = 0.02  # seconds; what takes less is always asked anew
_SHARE = 20  # an answer is kept for so many times what it took: at most a twentieth of the time goes into it
_LONGEST = 300.0  # seconds
_MANY = 64  # answers


class _Kept(NamedTuple):
    value: Any
    at: float
    cost: float


class Remembered:
    """Answers by question. What was quick is never remembered; an old answer is given while a new one is made."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._pending: set[Hashable] = set()
        self._lock = threading.Lock()

    def get(self, question: Hashable, ask: Callable[[], _T]) -> tuple[_T, float]:
        """The answer, and its age in seconds.

        Args:
            question: What tells it from other questions.
            ask: Finds the answer.
        """
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(question)
            if kept is not None and now - kept.at < _LONGEST:
                old = now - kept.at > kept.cost * _SHARE
                if old and question not in self._pending:
                    self._pending.add(question)
                    threading.Thread(target=self._renew, args=(question, ask), daemon=True).start()
                return cast("_T", kept.value), now - kept.at
        return self._ask(question, ask), 0.0

    def _ask(self, question: Hashable, ask: Callable[[], _T]) -> _T:
        started = time.monotonic()
        value = ask()
        ended = time.monotonic()
        with self._lock:
            self._kept.pop(question, None)
            if ended - started > _QUICK:
                self._kept[question] = _Kept(value, ended, ended - started)
            while len(self._kept) > _MANY:
                self._kept.popitem(last=False)
        return value

    def _renew(self, question: Hashable, ask: Callable[[], object]) -> None:
        try:
            self._ask(question, ask)
        except Exception:  # noqa: BLE001 - the next reader asks by itself, and is told
            with self._lock:
                self._kept.pop(question, None)
        finally:
            with self._lock:
                self._pending.discard(question)
