"""ZenML: an artifact version a version, in its local SQLite store."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.peers.base import Peer


class Contender(Peer):
    """`save_artifact` and `load_artifact` outside a pipeline; the newest version is the latest."""

    LACKS = "texts without fsync, no status, no counts; its database is synced"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        os.environ |= {
            "ZENML_CONFIG_PATH": str(root / "config"),
            "ZENML_LOCAL_STORES_PATH": str(root / "stores"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_LOGGING_VERBOSITY": "ERROR",
        }
        import zenml  # noqa: PLC0415 - reads the variables when it is imported
        from zenml.client import Client  # noqa: PLC0415

        self._zenml = zenml
        self._client = Client()

    def write(self, key: str, text: str) -> None:
        self._zenml.save_artifact(text, name=key, extract_metadata=False)

    def read(self, key: str) -> str:
        return str(self._zenml.load_artifact(key))

    def history(self, key: str) -> int:
        return int(self._client.list_artifact_versions(artifact=key, size=100).total)
