"""Fixtures of all tests."""

from tests.servers.fixtures import (  # noqa: F401 - pytest finds fixtures by their being here
    azure_server,
    careless_s3_server,
    gcs_server,
    postgres_server,
    s3_server,
    sftp_server,
)
