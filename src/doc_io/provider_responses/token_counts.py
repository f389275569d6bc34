"""Token counts: what was read and what was written, with the parts under the provider's own names.

A count that cannot be true is not known: it is noted, and costs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

from doc_io.document_fields import MAX_COUNT
from doc_io.provider_responses.fields import get, string, type_name

MAX_SHOWN = 60
"""Characters of an odd value that a note shows."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What a response says about tokens.

    Attributes:
        prompt: All tokens that were read, cached ones included.
        completion: All tokens that were written, reasoning included.
        parts: Cache reads and writes, reasoning and others, by their path in the usage; parts that are 0 are left out.
        notes: Odd counts that were not taken.
    """

    prompt: int | None = None
    completion: int | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class UsageReader:
    """Reads counts below one object, and remembers the odd ones.

    Args:
        usage: The object that holds the counts, or ``None``.
        prefix: Where it stands in the response, for notes.
    """

    def __init__(self, usage: object, prefix: str = "usage") -> None:
        self._usage = usage
        self._prefix = f"{prefix}." if prefix else ""
        self._odd: dict[str, str] = {}

    def total(self, *paths: str) -> int | None:
        """The sum of these counts: missing ones are 0, unless all are missing. Not known if one of them is odd."""
        counts = [count for path in paths if (count := self._count(path)) is not None]
        if not counts or self._odd.keys() & set(paths):
            return None
        total = sum(counts)
        if total > MAX_COUNT:
            self._odd[" + ".join(paths)] = f"{self._prefix}{' + '.join(paths)} is {total}"
            return None
        return total

    def counts(self, prompt: int | None, completion: int | None, *parts: str) -> TokenCounts:
        """Prompt and completion with the parts at these paths, and notes on all odd counts that were met."""
        found = {path: count for path in parts if (count := self._count(path))}
        return TokenCounts(prompt, completion, found, tuple(self._odd.values()))

    def _count(self, path: str) -> int | None:
        value = get(self._usage, path)
        count = _integer(value)
        if value is not None and count is None:
            self._odd[path] = f"{self._prefix}{path} is {_shown(value)}"
        return count


def _integer(value: object) -> int | None:
    """A value as a count; ``None`` if it is no whole number between 0 and `MAX_COUNT`."""
    try:
        if isinstance(value, bool):
            return None
        text = string(value)
        if text is not None:
            number = int(text) if text.isascii() and text.isdecimal() and len(text) < MAX_SHOWN else -1
        elif isinstance(value, Integral):
            number = int(value)
        else:
            number = int(float(value)) if isinstance(value, Real) and float(value).is_integer() else -1
    except Exception:  # noqa: BLE001  # infinity, not a number, or a number class of another library
        return None
    return number if 0 <= number <= MAX_COUNT else None


def _shown(value: object) -> str:
    try:
        if isinstance(value, int) and value.bit_length() > MAX_SHOWN * 3:
            return "an integer that is too large"
        if isinstance(value, str | Integral | Real):
            shown = repr(string(value) or str(value))[:MAX_SHOWN] if isinstance(value, str) else str(value)
            return shown[:MAX_SHOWN]
    except Exception:  # noqa: BLE001  # as in _integer
        return f"a {type_name(value)}"
    return f"a {type_name(value)}"
