"""diskcache with a pointer to the latest: what a team writes for itself in an afternoon."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from diskcache import Cache

from benchmarks.peers.base import Peer


class Contender(Peer):
    """A text and its facts under a new id, and under the key the id of the latest."""

    LACKS = "no fsync, of its database neither; history and totals scan every key; nothing a person can open"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._cache = Cache(str(root), eviction_policy="none", cull_limit=0)

    def write(self, key: str, text: str) -> None:
        doc_id = uuid4().hex
        with self._cache.transact():
            self._cache[f"text/{key}/{doc_id}"] = text
            self._cache[f"facts/{key}/{doc_id}"] = {"status": "ok", "completion_tokens": 2000}
            self._cache[f"latest/{key}"] = doc_id

    def read(self, key: str) -> str:
        return str(self._cache[f"text/{key}/{self._cache[f'latest/{key}']}"])

    def history(self, key: str) -> int:
        return sum(1 for one in self._cache.iterkeys() if one.startswith(f"facts/{key}/"))

    def totals(self) -> int:
        return sum(self._cache[one]["completion_tokens"] for one in self._cache.iterkeys() if one.startswith("facts/"))
