"""Answers that take long are remembered for a while, and made anew behind the reader's back."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar, cast

_T = TypeVar("_T")

_QUICK = 0.02  # seconds; what takes less is always asked anew
_SHARE = 50  # an answer is kept for so many times what it took: at most a fiftieth of the time goes into it
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
        self._pending: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def get(self, question: Hashable, ask: Callable[[], _T]) -> tuple[_T, float]:
        """The answer, and its age in seconds.

        Args:
            question: What tells it from other questions.
            ask: Finds the answer. It is called once at a time; others who ask the same wait for it.
        """
        ours: Future[Any] | None = None
        with self._lock:
            kept = self._kept.get(question)
            age = 0.0 if kept is None else time.monotonic() - kept.at
            pending = self._pending.get(question)
            if pending is None and (kept is None or age > min(kept.cost * _SHARE, _LONGEST)):
                pending = ours = self._pending[question] = Future()
        if kept is not None and (pending is None or age < _LONGEST):
            if ours is not None:
                threading.Thread(target=self._ask, args=(question, ask, ours), daemon=True).start()
            return cast("_T", kept.value), age
        if ours is not None:
            self._ask(question, ask, ours)
        return cast("_T", cast("Future[Any]", pending).result()), 0.0

    def _ask(self, question: Hashable, ask: Callable[[], object], pending: Future[Any]) -> None:
        started = time.monotonic()
        value, error = None, None
        try:
            value = ask()
        except BaseException as raised:  # noqa: BLE001 - told to everybody who waits, and to the next one who asks
            error = raised
        ended = time.monotonic()
        with self._lock:
            del self._pending[question]
            self._kept.pop(question, None)
            if error is None and ended - started > _QUICK:
                self._kept[question] = _Kept(value, ended, ended - started)
            while len(self._kept) > _MANY:
                self._kept.popitem(last=False)
        if error is None:
            pending.set_result(value)
        else:
            pending.set_exception(error)
