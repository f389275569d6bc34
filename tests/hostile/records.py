"""Commit records that somebody else made up."""

from __future__ import annotations

import hashlib


def signed(body: str) -> bytes:
    """A record with a checksum that holds, over whatever it says: anyone can compute one."""
    checksum = hashlib.sha256(body.encode()).hexdigest()
    return f'{{\n{body}  "checksum": "{checksum}"\n}}\n'.encode()
