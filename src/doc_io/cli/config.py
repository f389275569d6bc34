"""Which store a command means: its options, else the environment, else pyproject.toml, else ``data/docs``."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doc_io.errors import ConfigurationError
from doc_io.store import DocumentStore

DEFAULT_ROOT = "data/docs"
DEFAULT_DB = "data/db/documents.sqlite"


@dataclass(frozen=True)
class StoreLocation:
    """Where a store is.

    Attributes:
        docs_root: A path or a URL.
        db: The path of a SQLite file, or a database URL.
        storage_options: What fsspec gets; only from pyproject.toml.
    """

    docs_root: str
    db: str
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def open(self) -> DocumentStore:
        """The store; nothing is made or read yet."""
        if "://" in self.db:
            return DocumentStore(self.docs_root, db_url=self.db, storage_options=self.storage_options)
        return DocumentStore(self.docs_root, self.db, storage_options=self.storage_options)

    def existing(self) -> DocumentStore:
        """The store, where there is one: a look at a store makes none.

        Raises:
            ConfigurationError: There is no index at this location.
        """
        store = self.open()  # refuses a root with a password in it, which must not be shown
        if "://" not in self.db and not Path(self.db).expanduser().exists():
            has_documents = "://" in self.docs_root or Path(self.docs_root).expanduser().exists()
            hint = "Make it from the documents with `doc-io reindex`." if has_documents else _HOW
            raise ConfigurationError(
                setting=f"The store at {self.docs_root}", reason=f"{self.db} is not there", hint=hint
            )
        return store

    def index_bytes(self) -> int | None:
        """The size of a SQLite index; not known of a database on a server."""
        return None if "://" in self.db else Path(self.db).expanduser().stat().st_size


def find(docs_root: str | None, db: str | None) -> StoreLocation:
    """The location of the store.

    Args:
        docs_root: From the command line or the environment.
        db: Likewise.

    Raises:
        ConfigurationError: pyproject.toml says something that cannot be used.
    """
    said, folder = _from_pyproject()
    options = said.pop("storage_options", {})
    for name, value in said.items():
        if name not in ("docs_root", "db") or not isinstance(value, str):
            raise ConfigurationError(
                setting=f"[tool.doc_io] {name} in {folder / 'pyproject.toml'}",
                reason="only the texts docs_root and db, and the table storage_options, are known",
                hint="Correct it.",
            )
    root = docs_root or _in(folder, said.get("docs_root")) or DEFAULT_ROOT
    named = None if docs_root else _in(folder, said.get("db"))  # the index of the root that is named beside it
    return StoreLocation(root, db or named or _beside(root), options)


def _beside(docs_root: str) -> str:
    """Where a store has its index unless it is told, as `DocumentStore` has it."""
    if "://" in docs_root or docs_root == DEFAULT_ROOT:
        return DEFAULT_DB
    return str(Path(docs_root).expanduser().resolve().parent / "db" / "documents.sqlite")


_HOW = (
    "Name one with --docs-root and --db, with DOC_IO_DOCS_ROOT and DOC_IO_DB, or in pyproject.toml:"
    ' [tool.doc_io] docs_root = "…", db = "…".'
)


def _in(folder: Path, path: str | None) -> str | None:
    """A path of pyproject.toml holds from where the file lies, wherever the command is run."""
    if path is None or "://" in path or os.path.isabs(path):  # noqa: PTH117 - a URL is no Path
        return path
    return str(folder / path)


def _from_pyproject() -> tuple[dict[str, Any], Path]:
    for folder in (Path.cwd(), *Path.cwd().parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            if "doc_io" not in text:
                return {}, folder
            return dict(_parsed(text, path).get("tool", {}).get("doc_io", {})), folder
    return {}, Path.cwd()


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        toml = importlib.import_module("tomllib")  # from Python 3.11 on
    except ModuleNotFoundError:
        toml = importlib.import_module("tomli")  # Dagster brings it to Python 3.10
    try:
        return dict(toml.loads(text))
    except toml.TOMLDecodeError as error:
        raise ConfigurationError(setting=str(path), reason=error, hint="Correct it.") from None
