"""Results of any number: kept in a temporary file, so that they can be counted, printed and used again in flat memory."""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, overload

_T = TypeVar("_T", bound=tuple[Any, ...])


class Spilled(Sequence[_T], Generic[_T]):
    """A sequence of named tuples in a temporary file, which ends with it. Reading it in order is quick, indexing is not.

    Args:
        make: Makes an item of the list of its fields, as JSON gives them back.
    """

    def __init__(self, make: Callable[[list[Any]], _T]) -> None:
        self._make = make
        self._count = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when this ends
        weakref.finalize(self, self._file.close)

    def extend(self, items: Iterable[_T]) -> None:
        """Keep some more."""
        self._file.seek(0, 2)  # reading may have moved it; once, as each seek writes what is in the buffer
        for item in items:
            self._file.write(json.dumps(item).encode("ascii") + b"\n")
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_T]:
        position = 0
        for _ in range(self._count):
            self._file.seek(position)
            line = self._file.readline()
            position += len(line)
            yield self._make(json.loads(line))

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        places = range(self._count)[index]
        if isinstance(places, int):
            return next(islice(self, places, None))
        chosen = dict.fromkeys(places)
        found = {place: item for place, item in enumerate(self) if place in chosen}
        return [found[place] for place in chosen]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._count} items>"
