"""The servers as fixtures: one of each in a test process, started by the first test that asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import azure, gcs, postgres, s3, sftp


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    """An S3 that checks signatures and preconditions."""
    with s3.moto(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def careless_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    """An S3 that ignores preconditions."""
    with s3.rclone(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gcs.GCS]:
    """A Google Cloud Storage."""
    with gcs.fake_gcs(tmp_path_factory.mktemp("gcs")) as server:
        yield server


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sftp.SFTP]:
    """An SFTP server."""
    with sftp.asyncssh_server(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azure.Azure]:
    """An Azure Blob Storage; the test is skipped where azurite is not installed."""
    program = azure.find_azurite()
    if program is None:
        pytest.skip("azurite is not installed (npm install azurite); DOC_IO_AZURITE may name it")
    with azure.azurite(program, tmp_path_factory.mktemp("azure")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL server."""
    with postgres.postgres() as server:
        yield server
