"""Addresses: what a page's address asks for, and the addresses of other pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from starlette.datastructures import QueryParams

from doc_io.document import DocumentRow, Status
from doc_io.errors import DocIOError
from doc_io.ids import unstorable
from doc_io.index.base import Filter

MAX_WORDS = 500
"""Characters of what can be searched for."""

_PLAIN = re.compile(r"[\w.~-]*", re.ASCII).fullmatch
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NAMES = {
    "stage": "stage",
    "model": "model_id",
    "template": "template_id",
    "experiment": "experiment_id",
    "run": "run_id",
}
FILTERS = (*_NAMES, "status", "since", "until", "task", "q")
"""The filters of an address, by name."""


class AddressError(DocIOError, ValueError):
    """The address cannot be read: {reason}. Correct it, or go back to the board."""

    exit_code = 2


@dataclass(frozen=True)
class Chosen:
    """What the filters of an address choose.

    Attributes:
        wanted: The filter of the index.
        values: The same as it stands in the address, for forms and links.
        task: A part of a task's name.
        words: Words that a text must have.
    """

    wanted: Filter
    values: dict[str, list[str]]
    task: str
    words: str

    def __bool__(self) -> bool:
        return bool(self.values)


def chosen(query: QueryParams) -> Chosen:
    """The filters in a query.

    Raises:
        AddressError: A status or a time is none.
    """
    values: dict[str, list[str]] = {}
    for name, value in query.multi_items():
        if value and name in FILTERS:
            if name != "status":  # the last one holds
                values[name] = []
            values.setdefault(name, []).append(value)
    for found in values.values():
        if any(unstorable(value) for value in found):
            raise AddressError(reason="a name has a character that no name can have")
    named: dict[str, Any] = {column: values[name][0] for name, column in _NAMES.items() if name in values}
    try:
        status = tuple(dict.fromkeys(Status(each) for each in values.get("status", ())))
    except ValueError:
        raise AddressError(reason=f"a status is one of {', '.join(Status)}") from None
    times: dict[str, Any] = {name: _time(values[name][0]) for name in ("since", "until") if name in values}
    return Chosen(
        Filter(status=status, **named, **times),
        values,
        values.get("task", [""])[0],
        values.get("q", [""])[0][:MAX_WORDS],
    )


def number(query: QueryParams, name: str, default: int = 0) -> int:
    """A count in a query; the default where it is none."""
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else default  # noqa: PLR2004 - digits


def name_in(segment: str) -> str:
    """The name that a segment of a path spells."""
    return unquote(segment, errors="replace")


class Links:
    """The addresses of pages.

    Args:
        base: Where the application is mounted; empty at the root.
    """

    def __init__(self, base: str) -> None:
        self._base = base

    def __call__(self, path: str, **query: object) -> str:
        """The address of a page, with what is asked of it; what is ``None`` or empty is left out."""
        if not query:
            return self._base + path
        asked = "&".join(
            f"{name}={quoted(str(each))}"
            for name, value in query.items()
            for each in (value if isinstance(value, (list, tuple)) else (value,))
            if each is not None and each != ""
        )
        return f"{self._base}{path}?{asked}" if asked else self._base + path

    def document(self, row: DocumentRow, **query: object) -> str:
        """The page of a document."""
        return self(f"/d/{row.doc_id}", **query)

    def task(self, stage: str, task_id: str, **query: object) -> str:
        """The page of a task. Names that a browser would take for a step in a path are given as a query."""
        if {stage, task_id} & {"", ".", ".."}:
            return self("/t", **{"stage": stage, "task": task_id, **query})
        segments = f"{quoted(stage)}/{quoted(task_id)}"
        if task_id.endswith((".json", ".csv")):  # else it would ask for that form of the page
            segments = "%2E".join(segments.rsplit(".", 1))
        return self(f"/t/{segments}", **query)

    def compare(self, old: DocumentRow, new: DocumentRow, **query: object) -> str:
        """The page that compares two documents."""
        return self("/compare", a=old.doc_id, b=new.doc_id, **query)

    def bound(self, path: str) -> Callable[..., str]:
        """What makes addresses of one page, for a template's macro."""
        return partial(self, path)


def quoted(name: str) -> str:
    """A name as a segment of a path or a value of a query; most have no character that must be escaped."""
    return name if _PLAIN(name) else quote(name, safe="", errors="surrogatepass")


def _time(text: str) -> str:
    age = _AGE.fullmatch(text)
    try:
        if age:
            moment = datetime.now(timezone.utc) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        else:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            moment = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise AddressError(reason="a time is 2026-01-31, 2026-01-31T12:00, or an age such as 2h or 7d") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
