"""Which store a command means: its options, else the environment, else pyproject.toml, else ``data/docs``."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doc_io.errors import ConfigurationError
from doc_io.storage.open import OPTIONS_VARIABLE
from doc_io.store import DocumentStore

DEFAULT_ROOT = "data/docs"
_SETTINGS = ("docs_root", "db", "db_read_url", "storage_options")


@dataclass(frozen=True)
class StoreLocation:
    """Where a store is.

    Attributes:
        docs_root: A path or a URL.
        db: The path of a SQLite file, or a database URL. Default: where `DocumentStore` has the index of this root.
        storage_options: What fsspec gets, from pyproject.toml or the environment.
        db_read_url: The database with a role that may only read, for `doc-io sql`. Default: ``db``.
    """

    docs_root: str
    db: str | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    db_read_url: str | None = field(default=None, repr=False)

    def open(self) -> DocumentStore:
        """The store; nothing is made or read yet."""
        if self.db is not None and "://" in self.db:
            import logging  # noqa: PLC0415 - a store on this machine does without

            logging.getLogger("psycopg.pool").disabled = True  # it says at each try what the error says at the end
            return DocumentStore(
                self.docs_root, db_url=self.db, db_read_url=self.db_read_url, storage_options=self.storage_options
            )
        return DocumentStore(self.docs_root, self.db, storage_options=self.storage_options)

    def existing(self) -> DocumentStore:
        """The store, where there is one: a command that only reads makes none.

        Raises:
            ConfigurationError: There is no index at this location.
        """
        store = self.open()  # refuses a root with a password in it, which must not be shown
        if "://" not in store.unchecked.index.name and not Path(store.unchecked.index.name).exists():
            has_documents, hint = _documents_near(store)
            if has_documents:
                hint = "There are documents; make their index with `doc-io reindex`."
            reason = f"its index {store.unchecked.index.name} does not exist"
            raise ConfigurationError(setting=f"The store at {store.docs_root}", reason=reason, hint=hint)
        return store

    def with_documents(self) -> DocumentStore:
        """The store, where its docs root holds documents: an index of nothing would hide a wrong path.

        Raises:
            ConfigurationError: There is no document, and the index is not an empty one either.
        """
        store = self.open()
        has_documents, hint = _documents_near(store)
        if not has_documents and (_no_index(store) or store.unchecked.index.select(limit=1)):
            raise ConfigurationError(
                setting=f"The docs root {store.docs_root}", reason="there is no document in it", hint=hint
            )
        return store


def index_bytes(store: DocumentStore) -> int | None:
    """The size of a SQLite index; not known of a database on a server."""
    return None if "://" in store.unchecked.index.name else Path(store.unchecked.index.name).stat().st_size


def find(docs_root: str | None, db: str | None) -> StoreLocation:
    """The location of the store.

    Args:
        docs_root: From the command line or the environment.
        db: Likewise.

    Raises:
        ConfigurationError: pyproject.toml says something that cannot be used.
    """
    said, folder = _from_pyproject()
    options = {**said.pop("storage_options", {}), **_from_environment()}
    for name, value in said.items():
        if name not in _SETTINGS or not isinstance(value, str):
            raise _unknown_setting(name, folder / "pyproject.toml")
    root = docs_root or _in(folder, said.get("docs_root")) or DEFAULT_ROOT
    named = None if docs_root else _in(folder, said.get("db"))  # the index of the root that is named beside it
    read_url = os.environ.get("DOC_IO_DB_READ_URL") or said.get("db_read_url")
    return StoreLocation(root, db or named, options, read_url)


def _from_environment() -> dict[str, Any]:
    try:
        options = json.loads(os.environ.get(OPTIONS_VARIABLE) or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):  # not shown: it may hold a secret
        raise ConfigurationError(setting=OPTIONS_VARIABLE, reason="it is no JSON object", hint="Correct it.")
    return options


_HOW = (
    "Name a store with --docs-root and --db, with DOC_IO_DOCS_ROOT and DOC_IO_DB, or in pyproject.toml:"
    ' [tool.doc_io] docs_root = "…", db = "…".'
)


def _no_index(store: DocumentStore) -> bool:
    index = store.unchecked.index
    return "://" not in index.name and not Path(index.name).exists()


def _documents_near(store: DocumentStore) -> tuple[bool, str]:
    """Whether the docs root holds documents, and what to do if it does not: they may be one folder above or below."""
    root = Path(store.docs_root)
    if "://" in store.docs_root:
        from doc_io.integrity import is_document_folder  # noqa: PLC0415 - only this question needs it

        return any(is_document_folder(folder) for folder in store.unchecked.storage.folders()), _HOW
    if next(root.glob("*/*/*/metadata.json"), None) is not None:
        return True, ""
    below = next(root.glob("*/*/*/*/metadata.json"), None)
    above = next(root.glob("*/*/metadata.json"), None)
    near = below.parents[3] if below is not None else root.parent if above is not None else None
    return False, _HOW if near is None else f"The documents are in {near}: give that as --docs-root."


def _unknown_setting(name: str, path: Path) -> ConfigurationError:
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    near = get_close_matches(name, _SETTINGS, n=1)
    return ConfigurationError(
        setting=f"[tool.doc_io] {name} in {path}",
        reason="only the texts docs_root, db and db_read_url, and the table storage_options, are known",
        hint=f"Did you mean {near[0]}?" if near and near[0] != name else "Correct it.",
    )


def _in(folder: Path, path: str | None) -> str | None:
    """A path of pyproject.toml, relative to that file wherever the command is run; ``~`` is the home folder."""
    if path is None or "://" in path:
        return path
    return str(folder / Path(path).expanduser())


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
        toml = importlib.import_module("tomli")
    try:
        return dict(toml.loads(text))
    except toml.TOMLDecodeError as error:
        raise ConfigurationError(setting=str(path), reason=error, hint="Correct it.") from None
