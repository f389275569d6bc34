"""DVC without git: a tracked file a key."""

from __future__ import annotations

from pathlib import Path

import dvc.api
from dvc.repo import Repo

from benchmarks.peers.base import Peer


class Contender(Peer):
    """`dvc add`; the versions of a key would be commits of a git repository around it."""

    LACKS = "no fsync; one version without git, no status, no counts"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._repo = Repo.init(str(root), no_scm=True)
        self._repo.config["core"]["analytics"] = False

    def write(self, key: str, text: str) -> None:
        path = self.root / f"{key}.txt"
        path.write_text(text, encoding="utf-8")
        self._repo.add(str(path))

    def read(self, key: str) -> str:
        return str(dvc.api.read(f"{key}.txt", repo=str(self.root)))
