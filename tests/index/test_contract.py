"""The contract of indexes on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from doc_io.index.base import Index
from doc_io.index.open import open_index
from tests.index.contract import IndexContract
from tests.servers.postgres import Postgres


class TestSqlite(IndexContract):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[Index]:
        index = open_index(tmp_path / "documents.sqlite")
        yield index
        index.close()


class TestPostgres(IndexContract):
    @pytest.fixture
    def index(self, postgres_server: Postgres) -> Iterator[Index]:
        index = open_index("", postgres_server.new_database())
        yield index
        index.close()
