"""What the tests share: a store in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from doc_io import DocumentStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store on the local disk with a SQLite index."""
    with DocumentStore(tmp_path / "docs") as opened:
        yield opened
