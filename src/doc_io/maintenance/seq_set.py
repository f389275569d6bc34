"""Sets of rows by their ``seq``: a bit each, so that a million rows take 125 KB."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CHUNK = 4096  # bytes
_NOT_ZERO = re.compile(rb"[^\0]")


class SeqSet:
    """A set of ``seq`` numbers."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._count = 0

    def __contains__(self, seq: int) -> bool:
        byte, bit = divmod(seq, 8)
        return byte < len(self._bits) and bool(self._bits[byte] >> bit & 1)

    def __len__(self) -> int:
        return self._count

    def add(self, seq: int) -> None:
        """Put a row in."""
        if seq not in self:
            byte, bit = divmod(seq, 8)
            if byte >= len(self._bits):
                self._bits.extend(bytes(byte + _CHUNK - len(self._bits)))
            self._bits[byte] |= 1 << bit
            self._count += 1

    def discard(self, seq: int) -> None:
        """Take a row out, if it is in."""
        if seq in self:
            byte, bit = divmod(seq, 8)
            self._bits[byte] &= ~(1 << bit)
            self._count -= 1

    def newest_first(self) -> Iterator[int]:
        """Every row, the highest ``seq`` first; what was given already may be taken out meanwhile."""
        for start in reversed(range(0, len(self._bits), _CHUNK)):
            chunk = bytes(self._bits[start : start + _CHUNK])
            for found in reversed(list(_NOT_ZERO.finditer(chunk))):
                byte = found.start()
                for bit in range(7, -1, -1):
                    if chunk[byte] >> bit & 1:
                        yield (start + byte) * 8 + bit
