"""Safe access to the fields of a response, which may be a dict, an object, or neither.

No function here raises an ``Exception``: a field that cannot be read is a field that is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Any

MAX_ITEMS = 100_000
"""The most parts of one message, or choices of one response, that are read."""
MAX_NAME = 1_000
"""Characters of an id, a model's name or a finish reason. A longer one is no such thing."""


def get(value: object, path: str) -> Any:
    """The field at a dotted path, each name in snake_case or camelCase; ``None`` if it is missing or cannot be read."""
    try:
        for name in path.split("."):
            found = _field(value, name)
            value = _field(value, _camel_case(name)) if found is None and "_" in name else found
    except Exception:  # noqa: BLE001  # a property of another library's class may raise anything
        return None
    return value


def has(value: object, name: str) -> bool:
    """Whether there is such a field, even if it is ``None``."""
    try:
        return name in value if isinstance(value, Mapping) else hasattr(value, name)
    except Exception:  # noqa: BLE001  # as in get
        return False


def items(value: object) -> list[Any] | None:
    """The items of a list, a tuple or another sequence; ``None`` if it is none, or is text."""
    try:
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            return list(islice(value, MAX_ITEMS))
    except Exception:  # noqa: BLE001  # as in get
        return None
    return None


def string(value: object) -> str | None:
    """A plain ``str`` of the same text; ``None`` if it is no string."""
    try:
        return str.__str__(value) if isinstance(value, str) else None
    except Exception:  # noqa: BLE001  # as in get
        return None


def name(value: object) -> str | None:
    """An id, a model's name or a finish reason: a string, or what an enum says; ``None`` if blank, long or neither."""
    try:
        if isinstance(value, Enum):
            value = value.value if isinstance(value.value, str) else value.name
    except Exception:  # noqa: BLE001  # as in get
        return None
    found = string(value)
    return found if found and found.strip() and len(found) <= MAX_NAME else None


def type_name(value: object) -> str:
    """Module and name of a value's type, as an error or a JSON text may show them: never anything of the value."""
    try:
        kind = type(value)
        return f"{kind.__module__}.{kind.__qualname__}"[:MAX_NAME]
    except Exception:  # noqa: BLE001  # a metaclass may raise anything
        return "an unknown type"


def joined_text(content: object) -> str | None:
    """The text of a message's content: a string, or the text parts of a list, joined.

    Reasoning, tool calls, images and refusals are no text.

    Returns:
        ``None`` where there is no text part, ``""`` for an empty list.
    """
    parts = items(content)
    if parts is None:
        return string(content)
    texts = [text for part in parts if (text := _part_text(part)) is not None]
    return "".join(texts) if texts or not parts else None


def has_part(content: object, *kinds: str) -> bool:
    """Whether a list of parts holds one of these types."""
    return any(string(get(part, "type")) in kinds for part in items(content) or ())


def refusal_text(content: object) -> str | None:
    """What the refusal parts of a list say, joined; ``None`` if there is none."""
    refusals = [part for part in items(content) or () if string(get(part, "type")) == "refusal"]
    return "".join(string(get(part, "refusal")) or "" for part in refusals) if refusals else None


def _part_text(part: object) -> str | None:
    text = string(part)
    if text is not None:
        return text
    is_text = string(get(part, "type")) in {"text", "output_text", None} and get(part, "thought") is not True
    return string(get(part, "text")) if is_text else None


def _field(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)
