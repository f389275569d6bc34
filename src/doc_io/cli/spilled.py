"""Findings of any number: kept in a temporary file, so that they can be counted, printed and repaired in flat memory."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from doc_io.maintenance.verify import NOTES, Finding, Kind

if TYPE_CHECKING:
    from typing_extensions import Self


class SpilledFindings:
    """What `verify` found; it can be iterated over again and again. A context manager, which removes the file.

    Attributes:
        counts: How many there are of each kind.
    """

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - closed at the end of the block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add_all(self, findings: Iterable[Finding]) -> None:
        """Keep findings as they come."""
        for finding in findings:
            self._file.write(f"{json.dumps(finding)}\n")
            self.counts[finding.kind] += 1

    def __iter__(self) -> Iterator[Finding]:
        self._file.seek(0)
        for line in self._file:
            yield Finding(*json.loads(line))

    @property
    def unsound(self) -> int:
        """How many are no mere notes."""
        return sum(count for kind, count in self.counts.items() if kind not in NOTES)
