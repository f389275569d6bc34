"""Which store a command means: its options, else the environment, else pyproject.toml, else ``data/docs``."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doc_io.errors import ConfigurationError
from doc_io.nearest import nearest
from doc_io.storage.open import OPTIONS_VARIABLE
from doc_io.store import DocumentStore

DEFAULT_ROOT = "data/docs"
_SETTINGS = {"docs_root": str, "db": str, "db_read_url": str, "db_on_network": bool, "storage_options": dict}
_VARIABLES = ("DOC_IO_DOCS_ROOT", "DOC_IO_DB", "DOC_IO_DB_READ_URL", OPTIONS_VARIABLE, "DOC_IO_TOKEN")
_LIKE = 0.75  # of 1: how like one of ours a variable must be, as others may begin like ours
_OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT|PORT)(_|$)")  # which a service named doc-io sets
_LIKE_OUR_TABLE = re.compile(r"^\s*\[.*doc.?io", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class StoreLocation:
    """Where a store is.

    Attributes:
        docs_root: A path or a URL.
        db: The path of a SQLite file, or a database URL. Default: where `DocumentStore` has the index of this root.
        storage_options: What fsspec gets, from pyproject.toml or the environment.
        db_read_url: The database with a role that may only read, for `doc-io sql`. Default: ``db``.
        db_on_network: Whether a SQLite file may be on a network disk. Default: no.
    """

    docs_root: str
    db: str | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    db_read_url: str | None = field(default=None, repr=False)
    db_on_network: bool = False

    def open(self) -> DocumentStore:
        """The store; nothing is made or read yet."""
        if "://" in f"{self.docs_root} {self.db}":
            import logging  # noqa: PLC0415 - a store on this machine does without

            logging.getLogger("psycopg.pool").disabled = True  # it says at each try what the error says at the end
            logging.getLogger("doc_io").disabled = True  # of an index on this machine only `copy` and `status` tell
        if self.db is not None and "://" in self.db:
            return DocumentStore(
                self.docs_root, db_url=self.db, db_read_url=self.db_read_url, storage_options=self.storage_options
            )
        return DocumentStore(
            self.docs_root, self.db, storage_options=self.storage_options, db_on_network=self.db_on_network
        )

    def existing(self) -> DocumentStore:
        """The store, where there is one: a command that only reads makes none.

        Raises:
            ConfigurationError: There is no index at this location.
        """
        store = self.open()  # refuses a root with a password in it, which must not be shown
        if not store.unchecked.index.exists:
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
        index = store.unchecked.index
        if not has_documents and (not index.exists or index.select(limit=1)):
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
    for name, value in said.items():
        if not isinstance(value, _SETTINGS.get(name, ())):
            raise _unusable_setting(name, folder / "pyproject.toml")
    _refuse_unknown_variable()
    options = {**said.get("storage_options", {}), **_from_environment()}
    root = docs_root or _in(folder, said.get("docs_root")) or DEFAULT_ROOT
    named = None if docs_root else _in(folder, said.get("db"))  # the index of the root that is named beside it
    read_url = os.environ.get("DOC_IO_DB_READ_URL") or said.get("db_read_url")
    return StoreLocation(root, db or named, options, read_url, said.get("db_on_network", False))


def _refuse_unknown_variable() -> None:
    for name in os.environ:
        if name in _VARIABLES or not name.upper().replace("_", "").startswith("DOCIO") or _OF_KUBERNETES.search(name):
            continue
        near = nearest(name.upper(), _VARIABLES, _LIKE)
        if near:
            hint = f"Did you mean {near}? There are {', '.join(_VARIABLES)}."
            raise ConfigurationError(setting=name, reason="there is no such environment variable", hint=hint)


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


_KINDS = {str: "a text", bool: "true or false", dict: "a table"}


def _unusable_setting(name: str, path: Path) -> ConfigurationError:
    kind = _SETTINGS.get(name)
    near = nearest(name, _SETTINGS)
    reason = "there is no such setting" if kind is None else f"it is not {_KINDS[kind]}"
    hint = f"Did you mean {near}?" if near and near != name else f"There are {', '.join(_SETTINGS)}."
    return ConfigurationError(setting=f"[tool.doc_io] {name} in {path}", reason=reason, hint=hint)


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
            if "doc_io" not in text and not _LIKE_OUR_TABLE.search(text):
                return {}, folder
            return _our_table(_parsed(text, path), path), folder
    return {}, Path.cwd()


def _our_table(content: dict[str, Any], path: Path) -> dict[str, Any]:
    tables = {f"tool.{name}": table for name, table in content.get("tool", {}).items()}
    for name in (*content, *tables):
        if name != "tool.doc_io" and re.fullmatch(r"(tool\.)?doc.?io", name, re.IGNORECASE):
            raise ConfigurationError(
                setting=f"[{name}] in {path}", reason="there is no such table", hint="Did you mean [tool.doc_io]?"
            )
    table = tables.get("tool.doc_io", {})
    if not isinstance(table, dict):
        raise ConfigurationError(setting=f"tool.doc_io in {path}", reason="it is no table", hint="Write [tool.doc_io].")
    return table


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        toml = importlib.import_module("tomllib")  # from Python 3.11 on
    except ModuleNotFoundError:
        toml = importlib.import_module("tomli")
    try:
        return dict(toml.loads(text))
    except toml.TOMLDecodeError as error:
        raise ConfigurationError(setting=str(path), reason=error, hint="Correct it.") from None
