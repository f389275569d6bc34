"""A whole response as JSON text, for a person who wants to see what came back.

Only data gets in: dicts, lists, numbers, text, and the fields of classes that declare them (pydantic, dataclasses,
attrs, named tuples). Anything else, such as a client, is its type's name; so nothing is asked for its ``repr``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from doc_io.provider_responses.fields import string, type_name

MAX_BYTES = 16 * 2**20
"""Bytes of a response that are kept."""
MAX_DEPTH = 64
"""Levels of lists and objects."""

_COST = 32  # bytes that a value is counted as, beside its text: it bounds the number of values, and so the time
_MAX_BITS = 8192  # a longer integer is no statistic, and Python refuses to print integers of more than 4300 digits
_CYCLE = "<contains itself>"
_DEEPER = f"<deeper than {MAX_DEPTH} levels>"
_WITHHELD = "<withheld>"
_SECRETS = (  # ends of names; "token" alone is none: log probabilities have it
    *("api_key", "apikey", "authorization", "cookie", "password", "secret", "secret_key", "access_key"),
    *("access_token", "auth_token", "bearer_token", "id_token", "refresh_token", "session_token", "security_token"),
)


class _TooLargeError(Exception):
    """More than MAX_BYTES."""


def response_as_json(response: object) -> str:
    """The whole response as JSON text, which can be encoded as UTF-8.

    Never raises. Values under names of secrets (``api_key``, ``authorization``, …) are withheld.

    Args:
        response: What the provider's library returned, or anything else.

    Returns:
        At most 16 MiB; for a larger response, an object that says so.
    """
    text, size = "", MAX_BYTES + 1
    try:
        data = _Writer().data(response)
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2)
        try:
            size = len(text.encode())
        except UnicodeEncodeError:  # half of a surrogate pair: only its escape can be encoded
            text = json.dumps(data, allow_nan=False, indent=2)
            size = len(text)
    except _TooLargeError:
        pass
    except Exception as error:  # noqa: BLE001  # the answer was paid for: nothing about it may end the step here
        return _not_kept(response, f"reading it raised {type_name(error)}")
    return text if size <= MAX_BYTES else _not_kept(response, f"it takes more than {MAX_BYTES} bytes")


def _not_kept(response: object, because: str) -> str:
    return json.dumps({"not_kept": f"A response of type {type_name(response)}: {because}."})


class _Writer:
    """Turns one response into what JSON knows, and stops where it becomes too large."""

    def __init__(self) -> None:
        self._left = MAX_BYTES
        self._above: set[int] = set()  # ids of the values around the current one

    def data(self, value: object, depth: int = 0) -> Any:
        """The value as dicts, lists, text, numbers and ``None``."""
        self._spend(_COST)
        try:
            return self._data(value, depth)
        except _TooLargeError:
            raise
        except Exception:  # noqa: BLE001  # a class of another library may raise anything on any access
            return f"<{type_name(value)}>"

    def _data(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if id(value) in self._above:
            return _CYCLE
        if depth >= MAX_DEPTH:
            return _DEEPER
        self._above.add(id(value))
        try:
            return self._contents(value, depth + 1)
        finally:
            self._above.discard(id(value))

    def _contents(self, value: object, depth: int) -> Any:
        fields = _fields(value)
        if fields is not None:
            return {self._key(key): self._field(key, each, depth) for key, each in fields}
        if isinstance(value, Enum):
            return self.data(value.value, depth)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
            if len(value) == 2 and _is_secret(value[0]):  # noqa: PLR2004  # a header as a pair
                return [value[0], _WITHHELD]
            return [self.data(each, depth) for each in value]
        if isinstance(value, set | frozenset):  # in an order that does not change from run to run
            return sorted((self.data(each, depth) for each in value), key=json.dumps)
        return self._scalar(value)

    def _scalar(self, value: object) -> int | float | str:
        if isinstance(value, Integral):
            number = int(value)
            return number if number.bit_length() <= _MAX_BITS else f"<integer of {number.bit_length()} bits>"
        if isinstance(value, Real):
            real = float(value)
            return real if math.isfinite(real) else f"<{real}>"
        if isinstance(value, date | time):
            text: str | None = value.isoformat()
        else:
            text = str(value) if type(value) in {Decimal, UUID} else string(value)
        if text is None:
            return f"<{type_name(value)}>"
        self._spend(len(text))
        return text

    def _key(self, key: object) -> str:
        text = string(key)
        if text is None:
            text = str(key) if key is None or type(key) in {bool, int, float} else f"<{type_name(key)}>"
        self._spend(len(text))
        return text

    def _field(self, key: object, value: object, depth: int) -> Any:
        return _WITHHELD if value is not None and _is_secret(key) else self.data(value, depth)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _TooLargeError


def _fields(value: object) -> Iterator[tuple[object, object]] | None:
    """Names and values of a mapping or of a class that declares its fields; ``None`` for anything else.

    Declared fields are read one by one: ``model_dump`` would run serializers of others, and warn, and follow cycles.
    Private fields, and those that their class keeps out of its dump or its ``repr``, stay out.
    """
    kind: Any = type(value)
    if isinstance(value, Mapping):
        return iter(value.items())
    if kind is SimpleNamespace:
        return iter(vars(value).items())
    if isinstance(value, tuple):
        return zip(kind._fields, value, strict=False) if hasattr(kind, "_fields") else None
    declared = getattr(kind, "model_fields", None)
    if isinstance(declared, Mapping):
        return _pydantic_fields(value, declared)
    declared = getattr(kind, "__attrs_attrs__", None) or getattr(kind, "__dataclass_fields__", {}).values()
    return _attributes(value, declared) if declared else None


def _pydantic_fields(value: object, declared: Mapping[str, Any]) -> Iterator[tuple[object, object]]:
    for name, each in vars(value).items():
        info = declared.get(name)
        # What was not given is left out: Gemini declares twenty fields for a part. Mistral marks it by a class Unset.
        if info is None or info.exclude or not info.repr or each is None or type(each).__name__ == "Unset":
            continue
        yield name, each
    yield from (getattr(value, "__pydantic_extra__", None) or {}).items()


def _attributes(value: object, declared: Iterable[Any]) -> Iterator[tuple[object, object]]:
    for each in declared:
        if each.repr and not each.name.startswith("_"):
            try:
                yield each.name, getattr(value, each.name)
            except Exception:  # noqa: BLE001  # as in _Writer.data
                yield each.name, "<cannot be read>"


def _is_secret(key: object) -> bool:
    text = string(key)
    return text is not None and text.casefold().replace("-", "_").endswith(_SECRETS)
