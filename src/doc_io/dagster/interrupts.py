"""Interrupts: a run that is cancelled must not tear a write, nor lose the text that it was writing.

Dagster raises its interrupt wherever the main thread happens to be. While a step's output is written it is held back, and
raised only where the write waits and can be ended: there its text is kept, which nothing interrupts again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

GRACE_SECONDS = 5.0
"""How long a write to a local store may go on after an interrupt; it ends by itself in a fraction of that."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_active: list[_Guard] = []  # at most one: only the main thread handles signals


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back while the block runs; the first is delivered at its end, if it was not before.

    Outside of the main thread, and inside of another such block, it does nothing.
    """
    if _active or threading.current_thread() is not threading.main_thread():
        yield
        return
    guard = _Guard()
    _active.append(guard)
    guard.install()
    try:
        yield
    finally:
        _active.clear()
        guard.restore()


@contextmanager
def interrupts_allowed(grace: float = 0.0) -> Iterator[None]:
    """Let one interrupt through while the block runs, inside of `interrupts_held`; whatever comes later stays held.

    Args:
        grace: Seconds that the block is given to end by itself first. Default: none.
    """
    if not _active or threading.current_thread() is not threading.main_thread():
        yield
        return
    guard = _active[0]
    guard.allow(grace)
    try:
        yield
    finally:
        guard.forbid()


class _Guard:
    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._first: int | None = None
        self._raised = False
        self._deadline: float | None = None  # from when on an interrupt is let through
        self._grace = 0.0
        self._timer: threading.Timer | None = None

    def install(self) -> None:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler not in (None, signal.SIG_IGN):  # None: one that was not installed from Python
                self._handlers[number] = handler
                signal.signal(number, self._receive)

    def restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._first is not None and not self._raised:
            self._deliver(None)

    def allow(self, grace: float) -> None:
        self._grace = grace
        self._deadline = time.monotonic() + grace if self._first is not None else float("inf")
        if self._first is not None:
            self._arm(self._first, None)

    def forbid(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._first is None:
            self._first = number
            if self._deadline is not None:
                self._deadline = time.monotonic() + self._grace
        self._arm(self._first, frame)

    def _arm(self, number: int, frame: FrameType | None) -> None:
        """Deliver where an interrupt is let through by now; else see to it that this is asked again when it is."""
        if self._raised or self._deadline is None:
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            self._deliver(frame)
        elif self._timer is None:
            # The main thread may be waiting in a system call by then; a signal wakes it.
            self._timer = threading.Timer(left, os.kill, (os.getpid(), number))
            self._timer.daemon = True
            self._timer.start()

    def _deliver(self, frame: FrameType | None) -> None:
        number = self._first or signal.SIGINT
        self._raised = True
        handler = self._handlers[number]
        if isinstance(
            handler, signal.Handlers
        ):  # the system's own: it would end the process here, without any `finally`
            raise SystemExit(128 + number)
        handler(number, frame)
