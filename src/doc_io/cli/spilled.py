"""Findings of any number: kept in a temporary file, so that they can be counted, printed and repaired in flat memory."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator

from doc_io.maintenance.verify import NOTES, Finding, Kind


class SpilledFindings:
    """What `verify` found; it can be iterated over again and again.

    Args:
        findings: Read once.

    Attributes:
        counts: How many there are of each kind.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.counts: Counter[Kind] = Counter()
        self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - it is closed with this object
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
