"""The clock of this machine: one place to read it, so that a test can set it."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(timezone.utc)
