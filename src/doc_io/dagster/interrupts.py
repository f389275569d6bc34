"""Interrupts: a cancelled run must not tear a write, nor stop the text of a torn one from being kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from typing_extensions import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptGuard:
    """Lets at most one SIGINT or SIGTERM through while its block runs, and none inside of `hold`.

    A run that is cancelled gets its interrupt where it waits, once; what is then done about the text that it was writing
    is not interrupted again: a second Ctrl-C changes nothing. Signals that were held back are delivered when the block
    ends. Outside of the main thread, where Python handles no signals, it does nothing.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._held = 0
        self._pending: list[int] = []
        self._raised = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if handler not in (None, signal.SIG_IGN):  # None: one that was not installed from Python
                    self._handlers[number] = handler
                    signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._pending and not self._raised:
            self._deliver(self._pending[0], None)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold every interrupt back while the block runs; the first is delivered at its end."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._pending and not self._held and not self._raised:
                self._deliver(self._pending[0], None)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._pending.append(number)
        if not self._held and not self._raised:
            self._deliver(number, frame)

    def _deliver(self, number: int, frame: FrameType | None) -> None:
        self._raised = True
        handler: Callable[[int, FrameType | None], object] | signal.Handlers = self._handlers[number]
        if isinstance(
            handler, signal.Handlers
        ):  # the system's own: it would end the process here, without any `finally`
            raise SystemExit(128 + number)
        handler(number, frame)
