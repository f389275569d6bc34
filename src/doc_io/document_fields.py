"""What each field of a document may hold: natural forms are taken, and of the rest it is said what is wrong.

Nothing here raises: a document is made inside the body that has just paid for its text, and a detail must not cost it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from numbers import Complex, Integral, Number, Real
from typing import Any

from doc_io.escaping import printable

MAX_METADATA_DEPTH = 64
"""Levels of lists and dicts in the attached metadata; far from where a JSON parser's stack ends."""

MAX_INTEGER_DIGITS = 640
"""Digits of an integer in the metadata: what every Python reads, however its own limit is set
(docs.python.org/3/library/stdtypes.html#int-max-str-digits)."""

MAX_COUNT = 10**12
"""The largest count of a record. A database column holds more, and the sum of nine million of these."""

_MAX_SHOWN = 60


def taken(take: Callable[[Any], object], value: object) -> object:
    """What ``take`` makes of a value; the value itself where that raises: checks of the document say then what is wrong."""
    try:
        return take(value)
    except Exception:  # noqa: BLE001 - a value of any class, whose methods may raise anything
        return value


def plain_text(value: str) -> str:
    """The characters of a text as a ``str`` and nothing more, whatever a subclass says of itself."""
    return str.__str__(value)


def taken_name(value: object) -> object:
    """A name or a word as a plain ``str``: an enum member of text stands for its value (Gemini's finish reasons)."""
    if isinstance(value, Enum) and isinstance(value.value, str):
        return value.value
    return plain_text(value) if isinstance(value, str) else value


def taken_prompt(value: object) -> object:
    """A prompt as text: chat messages are written as JSON."""
    if isinstance(value, (list, tuple, Mapping)):
        return json.dumps(as_json_value(value), ensure_ascii=False, indent=1)
    return taken_name(value)


def taken_number(value: object) -> object:
    """A number as a ``float``: integers, Decimals and other libraries' numbers are taken."""
    if is_number(value):
        try:
            return float(value)  # type: ignore[arg-type] # see `is_number`
        except (OverflowError, ValueError):
            return value
    return value


def is_number(value: object) -> bool:
    """Whether a value is a real number, also as an array of numpy or torch that holds one alone."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    # A Decimal is a `Number` and no `Real`, and its module takes long to import.
    return isinstance(value, Number) and (isinstance(value, Real) or not isinstance(value, Complex))


def taken_count(value: object) -> object:
    """A count as an ``int``: other libraries' integers and whole floats are taken; a bool is no count."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def taken_files(value: object) -> object:
    """Extras with each content as ``str`` or ``bytes``: bytearrays and memory views are copied."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: bytes(content) if isinstance(content, (bytearray, memoryview)) else content
        for name, content in value.items()
    }


def taken_identifiers(value: object) -> object:
    """Identifiers with each value as text: a number is written out."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: str(each) if isinstance(each, (int, float)) and not isinstance(each, bool) else taken_name(each)
        for name, each in value.items()
    }


def text_problem(value: object) -> str | None:
    """Why a value is no text; ``None`` where it is one."""
    return None if isinstance(value, str) else f"it is {type(value).__name__}, not a string"


def count_problem(value: object) -> str | None:
    """Why a value is no count of tokens; ``None`` where it is one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        return f"it is {_shown(value)}, not an integer from 0 to {MAX_COUNT:,}"
    return None


def score_problem(value: object) -> str | None:
    """Why a value is no score; ``None`` where it is one."""
    if isinstance(value, float) and math.isfinite(value):
        return None
    return f"it is {_shown(value)}, not a finite number"


def entries(value: Mapping[Any, Any], *kinds: type) -> Iterator[tuple[object, object, str | None]]:
    """Each entry of a mapping whose keys are text and whose values are of these types, with what is wrong with it."""
    expected = " or ".join(kind.__name__ for kind in kinds)
    for name, each in value.items():
        problem = text_problem(name)
        if problem is None and not isinstance(each, kinds):
            problem = f"it is {type(each).__name__}, not {expected}"
        yield (plain_text(name) if isinstance(name, str) else name), taken_name(each), problem


def as_json_value(value: object, depth: int = 1) -> Any:
    """A copy of a value as JSON will give it back: plain dicts with text keys, lists, strings, finite numbers, bools, None.

    Raises:
        ValueError: It holds something else, or lies deeper than `MAX_METADATA_DEPTH`.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (bool, str)):
        return plain_text(value) if isinstance(value, str) else value
    if is_number(value):
        return _checked_number(value)
    if depth > MAX_METADATA_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_METADATA_DEPTH} levels")
    if isinstance(value, Mapping):
        return _checked_mapping(value, depth)
    if isinstance(value, (list, tuple)):
        return [as_json_value(each, depth + 1) for each in value]
    raise ValueError(f"it holds {type(value).__name__}, which JSON cannot")


def _checked_number(value: Any) -> int | float:
    if isinstance(value, Integral):
        if abs(int(value)) >= 10**MAX_INTEGER_DIGITS:
            raise ValueError(f"it holds an integer of more than {MAX_INTEGER_DIGITS} digits")
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"it holds {number}, which JSON cannot")
    return number


def _checked_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    copied: dict[str, Any] = {}
    for key, each in value.items():
        if isinstance(key, Integral) and not isinstance(key, bool):
            name = str(int(key))  # as json.dumps writes it
        elif isinstance(key, str):
            name = plain_text(key)
        else:
            raise ValueError(f"it has the key {_shown(key)}, which is no string")  # noqa: TRY004 - one kind for all
        if name in copied:
            raise ValueError(f"it has the key {_shown(name)} twice, once as a number")
        copied[name] = as_json_value(each, depth + 1)
    return copied


def _shown(value: object) -> str:
    """A value in a message: numbers and short texts themselves, of anything else only the type."""
    if isinstance(value, (bool, float, str)) or (isinstance(value, int) and abs(value) < 10**20):
        return printable(repr(value), limit=_MAX_SHOWN)
    return type(value).__name__
