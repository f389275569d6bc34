"""S3: moto checks every signature and honours If-None-Match; rclone ignores it, as some stores do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.canaries import canary, watched
from tests.servers.process import free_port, running

BUCKET = "documents"
REGION = "us-east-1"

_POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
_UNSIGNED_CALLS = 3  # that make the user, its policy and its key; every later request must be signed with that key


@dataclass(frozen=True)
class S3:
    """A running S3 server with one empty bucket.

    Attributes:
        endpoint: Its URL.
        key: The access key.
        secret: The secret key.
    """

    endpoint: str
    key: str
    secret: str = field(repr=False)

    @property
    def root(self) -> str:
        """The bucket as a docs root."""
        return f"s3://{BUCKET}"

    @property
    def storage_options(self) -> dict[str, Any]:
        """What fsspec needs to reach it."""
        return self.options_at(self.endpoint)

    def options_at(self, endpoint: str) -> dict[str, Any]:
        """The same, by way of another address: a proxy's."""
        return {
            "key": self.key,
            "secret": self.secret,
            "endpoint_url": endpoint,
            "client_kwargs": {"region_name": REGION},
        }


@contextmanager
def moto(folder: Path) -> Iterator[S3]:
    """An S3 that refuses a wrong signature with 403 and a conditional PUT onto an object with 412."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_UNSIGNED_CALLS)}
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    with running(command, port=port, log=folder / "moto.log", env=env):
        server = S3(endpoint, **_new_user(endpoint))
        _client("s3", server).create_bucket(Bucket=BUCKET)
        yield server


@contextmanager
def rclone(folder: Path) -> Iterator[S3]:
    """An S3 without preconditions: it takes ``If-None-Match: *`` and overwrites."""
    port = free_port()
    data = folder / "rclone"
    (data / BUCKET).mkdir(parents=True)
    server = S3(f"http://127.0.0.1:{port}", "a-key", canary("rclone"))
    program = Path(sys.executable).with_name("rclone")
    command = (
        program,
        "serve",
        "s3",
        data,
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        f"{server.key},{server.secret}",
    )
    env = {**os.environ, "RCLONE_CONFIG": os.devnull}
    with running(command, port=port, log=folder / "rclone.log", env=env):
        yield server


def _new_user(endpoint: str) -> dict[str, str]:
    iam = _client("iam", S3(endpoint, "nobody-yet", "nobody-yet"))
    iam.create_user(UserName="writer")
    iam.put_user_policy(UserName="writer", PolicyName="all", PolicyDocument=_POLICY)
    made = iam.create_access_key(UserName="writer")["AccessKey"]
    return {"key": made["AccessKeyId"], "secret": watched(made["SecretAccessKey"], "moto")}


def _client(service: str, server: S3) -> Any:
    from botocore.session import get_session  # noqa: PLC0415 - a second that only its users pay

    return get_session().create_client(
        service,
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
    )
