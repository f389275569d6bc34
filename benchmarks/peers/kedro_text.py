"""Kedro's versioned text data set."""

from __future__ import annotations

from pathlib import Path

from kedro.io import Version
from kedro.io.core import generate_timestamp
from kedro_datasets.text import TextDataset

from benchmarks.peers.base import Peer


class Contender(Peer):
    """A folder a version, named by its time."""

    LACKS = "no fsync, no index, no status, no counts; the latest by name, failed or not"

    def _dataset(self, key: str, version: Version) -> TextDataset:
        return TextDataset(filepath=str(self.root / f"{key}.txt"), version=version)

    def write(self, key: str, text: str) -> None:
        self._dataset(key, Version(None, generate_timestamp())).save(text)

    def read(self, key: str) -> str:
        return str(self._dataset(key, Version(None, None)).load())

    def history(self, key: str) -> int:
        return sum(1 for _ in Path(self.root / f"{key}.txt").iterdir())
