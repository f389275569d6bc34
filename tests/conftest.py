"""What the tests share: a store in a folder of its own, and real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from doc_io import DocumentStore
from tests.servers.fixtures import (  # noqa: F401 - pytest finds fixtures by their being here
    azure_server,
    careless_s3_server,
    gcs_server,
    postgres_server,
    s3_server,
    sftp_server,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store on the local disk with a SQLite index."""
    with DocumentStore(tmp_path / "docs") as opened:
        yield opened
