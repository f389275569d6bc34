"""Azure Blob Storage: azurite, where npm installed it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.canaries import watched
from tests.servers.process import free_port, running

CONTAINER = "documents"
# Not a secret: the account that azurite is documented to have (learn.microsoft.com, "Use Azurite").
_ACCOUNT = "devstoreaccount1"
_KEY = watched("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==", "azure")


@dataclass(frozen=True)
class Azure:
    """A running server with one empty container.

    Attributes:
        root: The container as a docs root.
    """

    root: str
    storage_options: dict[str, str] = field(repr=False)


def find_azurite() -> Path | None:
    """The program, from ``DOC_IO_AZURITE`` (its main.js, or the command) or the search path."""
    named = os.environ.get("DOC_IO_AZURITE") or shutil.which("azurite-blob")
    return Path(named).resolve() if named else None


@contextmanager
def azurite(program: Path, folder: Path) -> Iterator[Azure]:
    """Blobs in memory."""
    import adlfs  # noqa: PLC0415 - only its users need it

    port = free_port()
    node = shutil.which("node")
    assert node is not None
    command = (node, program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence")
    with running((*command, "--skipApiVersionCheck", "--silent"), port=port, log=folder / "azurite.log"):
        connection = (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/{_ACCOUNT};"
        )
        options = {"connection_string": connection}
        adlfs.AzureBlobFileSystem(**options, skip_instance_cache=True).mkdir(CONTAINER)
        yield Azure(f"az://{CONTAINER}", options)
