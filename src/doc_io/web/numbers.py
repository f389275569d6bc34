"""How numbers and times look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_THOUSAND = 1000
_FOLDERS = 3


def count(value: float | None) -> str:
    """A count with commas; a dash for none."""
    return "\N{EN DASH}" if value is None else f"{value:,}"


def short(value: float | None) -> str:
    """A count in few characters: ``12.3k``, ``4.6M``; a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    for unit in ("", "k", "M", "G"):
        if abs(value) < _THOUSAND or unit == "G":
            return f"{value:.0f}" if not unit else f"{value:.1f}{unit}"
        value /= _THOUSAND
    raise AssertionError


def score(value: float | None) -> str:
    """A score with at most three digits behind the point; a dash for none."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


_LEAST_MONEY = 0.0001


def money(value: float | None) -> str:
    """Dollars; a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    if 0 < value < _LEAST_MONEY:
        return f"less than ${_LEAST_MONEY}"
    return f"${value:,.2f}" if value >= 1 else f"${value:.4f}"


def percent(value: float | None) -> str:
    """A share as a percentage; a dash for none."""
    return "\N{EN DASH}" if value is None else f"{value:.0%}"


def size(value: int) -> str:
    """Bytes, in a unit that is read at a glance."""
    number = float(value)
    for unit in ("B", "kB", "MB"):
        if number < _THOUSAND:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _THOUSAND
    return f"{number:.1f} GB"


def moment(value: str) -> str:
    """A time of the index to the second."""
    return value[:19].replace("T", " ")


def ago(value: str) -> str:
    """How long ago a time of the index was."""
    try:
        then = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return value
    seconds = (datetime.now(timezone.utc) - then).total_seconds()
    if seconds < _MINUTE:
        return "just now"
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    raise AssertionError


def ending(value: str) -> str:
    """The last three folders of a local path; what is no such path stays as it is."""
    parts = value.split("/")
    return value if "://" in value or len(parts) <= _FOLDERS + 1 else "…/" + "/".join(parts[-_FOLDERS:])


FILTERS: dict[str, Callable[..., Any]] = {
    "count": count,
    "short": short,
    "score": score,
    "money": money,
    "percent": percent,
    "size": size,
    "moment": moment,
    "ago": ago,
    "ending": ending,
}
"""For the templates, by name."""
