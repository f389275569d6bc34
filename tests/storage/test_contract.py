"""The contract of storages on each of them."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from doc_io.storage.base import Storage
from tests.servers.azure import Azure
from tests.servers.gcs import GCS
from tests.servers.s3 import S3
from tests.servers.sftp import SFTP
from tests.storage.contract import StorageContract

OBSTORE = {"client": "obstore"}
IGNORES_PRECONDITIONS = pytest.mark.xfail(
    strict=True, reason="this server ignores If-None-Match: it takes every second write, and says nothing"
)


class TestLocal(StorageContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        return str(tmp_path / "docs")


class TestMemory(StorageContract):
    processes_share_it = False

    @pytest.fixture
    def root(self) -> str:
        return f"memory://{secrets.token_hex(4)}/docs"


class TestS3(StorageContract):
    @pytest.fixture
    def root(self, s3_server: S3) -> str:
        return f"{s3_server.root}/{secrets.token_hex(4)}/docs"

    @pytest.fixture
    def options(self, s3_server: S3) -> dict[str, Any]:
        return s3_server.storage_options


class TestS3WithoutPreconditions(StorageContract):
    """A store that speaks S3 and ignores If-None-Match; `DocumentStore` is safe there too, see test_store_on_servers."""

    @pytest.fixture
    def root(self, careless_s3_server: S3) -> str:
        return f"{careless_s3_server.root}/{secrets.token_hex(4)}/docs"

    @pytest.fixture
    def options(self, careless_s3_server: S3) -> dict[str, Any]:
        return careless_s3_server.storage_options

    @IGNORES_PRECONDITIONS
    def test_a_document_that_is_there_is_not_overwritten(self, storage: Storage) -> None:
        super().test_a_document_that_is_there_is_not_overwritten(storage)

    @IGNORES_PRECONDITIONS
    def test_it_can_do_what_it_declares(self, storage: Storage) -> None:
        super().test_it_can_do_what_it_declares(storage)

    @IGNORES_PRECONDITIONS
    def test_the_caller_learns_what_was_written(self, storage: Storage) -> None:
        super().test_the_caller_learns_what_was_written(storage)


class NoFork(StorageContract):
    """A client whose threads do not survive a fork."""

    @pytest.mark.xfail(strict=True, reason="the runtime below obstore ends with a fork; a call would hang")
    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_a_forked_process_reads_and_writes(self, storage: Storage, capfd: pytest.CaptureFixture[str]) -> None:
        super().test_a_forked_process_reads_and_writes(storage, capfd)


class TestS3ByObstore(NoFork, TestS3):
    """The same store, by the other client."""

    # obstore asks for "a+folder" where others ask for "a%20folder"; moto alone checks the signature before it decodes that.
    folder = "a-folder"

    @pytest.fixture
    def options(self, s3_server: S3) -> dict[str, Any]:
        return s3_server.storage_options | OBSTORE


class TestS3WithoutPreconditionsByObstore(NoFork, TestS3WithoutPreconditions):
    @pytest.fixture
    def options(self, careless_s3_server: S3) -> dict[str, Any]:
        return careless_s3_server.storage_options | OBSTORE


class TestGCS(StorageContract):
    @pytest.fixture
    def root(self, gcs_server: GCS) -> str:
        return f"{gcs_server.root}/{secrets.token_hex(4)}/docs"

    @pytest.fixture
    def options(self, gcs_server: GCS) -> dict[str, Any]:
        return gcs_server.storage_options


class TestSFTP(StorageContract):
    @pytest.fixture
    def root(self, sftp_server: SFTP) -> str:
        return f"{sftp_server.root}/{secrets.token_hex(4)}"

    @pytest.fixture
    def options(self, sftp_server: SFTP) -> dict[str, Any]:
        return sftp_server.storage_options


@pytest.mark.azure
class TestAzure(StorageContract):
    @pytest.fixture
    def root(self, azure_server: Azure) -> str:
        return f"{azure_server.root}/{secrets.token_hex(4)}/docs"

    @pytest.fixture
    def options(self, azure_server: Azure) -> dict[str, Any]:
        return dict(azure_server.storage_options)


@pytest.mark.azure
class TestAzureByObstore(NoFork, TestAzure):
    @pytest.fixture
    def options(self, azure_server: Azure) -> dict[str, Any]:
        return azure_server.storage_options | OBSTORE
