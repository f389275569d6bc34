"""The type of progress callbacks."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, "int | None"], None]
"""Progress callback, called with ``(done, total)``; the total is ``None`` where it is not known."""
