"""The contract of indexes on both engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from doc_io.index.open import open_index
from doc_io.index.sql_index import Index
from tests.index.contract import PARENTS_OF_SCHEMA_2, IndexContract
from tests.servers.postgres import Postgres


class TestSqlite(IndexContract):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[Index]:
        index = open_index(tmp_path / "documents.sqlite")
        yield index
        index.close()

    def reopened(self, index: Index) -> Index:
        return open_index(index.name)

    def set_schema(self, index: Index, version: int) -> None:
        with closing(sqlite3.connect(index.name)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("ALTER TABLE documents ADD COLUMN of_another_schema")
            for statement in PARENTS_OF_SCHEMA_2:
                connection.execute(statement)

    def count_raw(self, index: Index) -> int:
        with closing(sqlite3.connect(index.name)) as connection:
            return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])


class TestPostgres(IndexContract):
    @pytest.fixture
    def url(self, postgres_server: Postgres) -> str:
        return postgres_server.new_database()

    @pytest.fixture
    def index(self, url: str) -> Iterator[Index]:
        self.url_of_index = url
        index = open_index("", url)
        yield index
        index.close()

    def reopened(self, index: Index) -> Index:  # noqa: ARG002 - it cannot tell its own URL
        return open_index("", self.url_of_index)

    def set_schema(self, index: Index, version: int) -> None:  # noqa: ARG002 - as above
        with psycopg.connect(self.url_of_index) as connection:
            connection.execute(f"COMMENT ON TABLE documents IS 'doc_io index, schema {version}'")
            connection.execute("ALTER TABLE documents ADD COLUMN of_another_schema text")
            for statement in PARENTS_OF_SCHEMA_2:
                connection.execute(statement)

    def count_raw(self, index: Index) -> int:  # noqa: ARG002 - as above
        with psycopg.connect(self.url_of_index) as connection:
            (count,) = connection.execute("SELECT count(*) FROM documents").fetchone() or (0,)
            return int(count)
