"""Where the documents are: the fields that the IO manager and the resource share, and the store they open."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from dagster import Config, ConfigurableResource, EnvVar
from pydantic import ConfigDict, Field, PrivateAttr

from doc_io.dagster.safekeeping import recovery_command
from doc_io.dagster.shared_stores import hold, release, shared_store
from doc_io.errors import ConfigurationError
from doc_io.escaping import counted, without_credentials
from doc_io.maintenance.answer_copies import file_orphans
from doc_io.nearest import nearest
from doc_io.store import DocumentStore
from doc_io.task_table import TaskTable
from doc_io.writing.spool import DEFAULT_SPOOL, refuse_docs_root, spooled

REBUILD_TAG = "doc_io/rebuild"
"""The tag of runs that make the index anew, and so run where it does not belong to the docs root."""

INDEX_FLAG = "DD_DOCS_INDEX_ENABLED"
LEGACY_FLAG = "DD_DOCS_LEGACY_WRITE_ENABLED"
_PROMPT_FLAG = "DD_DOCS_PROMPT_COPY_ENABLED"
_FLAGS = (INDEX_FLAG, LEGACY_FLAG, _PROMPT_FLAG)

_UNSHOWN = frozenset({"db_url", "db_read_url", "storage_options"})


def shown_fields(fields: Iterable[tuple[str | None, Any]]) -> list[tuple[str | None, Any]]:
    """What a repr may say of a class's fields, given as pydantic's ``__repr_args__`` has them."""
    # Of a field that a subclass's base also has, pydantic forgets that it is not to be shown.
    return [(name, without_credentials(value)) for name, value in fields if name not in _UNSHOWN]


def refuse_unknown(kind: type, given: Iterable[str], *, but: Collection[str] = ()) -> None:
    """Compare what a class is made with to its fields.

    Args:
        kind: The class: a pydantic model or a dataclass.
        given: The names of its arguments.
        but: Fields that cannot be given here.

    Raises:
        ConfigurationError: It has no such setting.
    """
    fields = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {})
    known = [name for name in fields if name not in but]
    unknown = [name for name in given if name not in known]
    if unknown:
        near = nearest(unknown[0], known)
        hint = f"Did you mean {near}?" if near else f"It has: {', '.join(sorted(known))}."
        raise ConfigurationError(
            setting=f"{kind.__name__}({unknown[0]}=…)", reason="there is no such setting", hint=hint
        )


def task_table_config(table: Any) -> Any:
    """A task table as Dagster's config holds it, from a `TaskTable` or from its fields.

    Raises:
        ConfigurationError: It has no such field.
    """
    if isinstance(table, Mapping):
        refuse_unknown(TaskTable, table)
    return table.as_config() if isinstance(table, TaskTable) else table


def openable(url: str | None) -> str | None:
    """An address for Dagster's events, which everybody may read who looks at a run.

    Raises:
        ValueError: A browser cannot open it, or it holds a password.
    """
    if url is None or isinstance(url, EnvVar):
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is not an http URL; give the address of `doc-io serve`, such as http://localhost:8712")
    if parts.username or parts.password:
        raise ValueError("it holds a name or a password, and everybody who looks at a run would see it")
    return url.rstrip("/")


class ParentStore(Config):
    """A store that another one reads through to: production's, for a branch deployment."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __init__(self, **given: Any) -> None:
        """Refuse a setting that there is not: pydantic would drop a misspelt one in silence."""
        refuse_unknown(type(self), given)
        super().__init__(**given)

    docs_root: str = Field(description="Where its documents are: a path, or any URL that fsspec knows.")
    db_path: str | None = Field(
        default=None, description="The SQLite file of its index. Default: as for a DocumentStore of that root."
    )
    db_url: str | None = Field(default=None, description="The PostgreSQL URL of its index instead.", repr=False)
    db_read_url: str | None = Field(
        default=None, description="The same database with a role that may only read, for SQL.", repr=False
    )
    storage_options: dict[str, Any] = Field(default={}, description="Handed to fsspec. Never shown.", repr=False)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return shown_fields(super().__repr_args__())

    def settings(self) -> dict[str, Any]:
        """What a store is opened with."""
        return {
            "docs_root": _from_environment(self.docs_root),
            "db_path": _from_environment(self.db_path),
            "db_url": _from_environment(self.db_url),
            "db_read_url": _from_environment(self.db_read_url),
            "storage_options": _from_environment(self.storage_options),
        }


class StoreSettings(ConfigurableResource[Any]):
    """Which store to use. Every field takes an ``EnvVar`` too."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __init__(self, **given: Any) -> None:
        """Refuse a setting that there is not: pydantic would drop a misspelt one in silence."""
        refuse_unknown(type(self), given)
        super().__init__(**given)

    docs_root: str = Field(
        default="data/docs",
        description="Where the documents are: a path, or any URL that fsspec can write to. Without credentials in it.",
    )
    db_path: str | None = Field(
        default=None,
        description="The SQLite file of the index; made on first use. Default: db/documents.sqlite beside a local docs"
        " root, so data/db/documents.sqlite for data/docs, and for a remote one too. Not used where db_url is given.",
    )
    db_url: str | None = Field(
        default=None,
        description="A PostgreSQL URL for the index instead of SQLite: postgresql://user@host/db. Give the password by"
        " EnvVar or by libpq's own means.",
        repr=False,
    )
    db_read_url: str | None = Field(
        default=None,
        description="The same database with a role that may only read, for SQL that people write. Default: db_url.",
        repr=False,
    )
    db_on_network: bool = Field(
        default=False,
        description="Allow db_path on NFS, SMB or FUSE, where SQLite is safe for one process at most.",
    )
    storage_options: dict[str, Any] = Field(
        default={},
        description="Handed to fsspec: endpoint, credentials and the like; with client: obstore, to that client of S3"
        " and Azure instead. Never shown.",
        repr=False,
    )
    experiment: str | None = Field(
        default=None,
        description="The experiment that new documents belong to. The run tag doc_io/experiment wins over it.",
    )
    spool: str = Field(
        default=DEFAULT_SPOOL,
        description="The folder on this machine that keeps texts while the store cannot be reached, until"
        " `doc-io recover` files them. Empty: none.",
    )
    parent: ParentStore | None = Field(
        default=None,
        description="Another store, such as production's, where documents are read that this one has not made yet."
        " It is never written to.",
    )

    _store: DocumentStore | None = PrivateAttr(default=None)

    @property
    def store(self) -> DocumentStore:
        """The store itself, for whatever has no method of its own here; opened at its first use.

        Raises:
            ConfigurationError: The docs root or the database cannot be used.
        """
        if self._store is None:
            self._store = shared_store(
                docs_root=_from_environment(self.docs_root),
                db_path=_from_environment(self.db_path),
                db_url=_from_environment(self.db_url),
                db_read_url=_from_environment(self.db_read_url),
                storage_options=_from_environment(self.storage_options),
                db_on_network=self.db_on_network,
                parent=None if self.parent is None else self.parent.settings(),
            )
        return self._store

    def setup_for_execution(self, context: Any) -> None:
        """Refuse unusable settings before a body runs and pays for a text that could not be saved.

        Names what waits in the spool, and files the texts of processes that were killed before these were stored.

        Raises:
            ConfigurationError: The docs root or the database cannot be used.
            StoreMismatchError: They do not belong together.
        """
        hold(self.store)
        if REBUILD_TAG in (context.run.tags if context.run else ()):
            return
        self.store.check()
        if not self.spool:
            return
        refuse_docs_root(self.spool, self.store.docs_root)
        if waiting := spooled(self.spool):
            context.log.warning(
                f"In the spool of the host {socket.gethostname()}: {counted(waiting, 'document')} of failed steps."
                f" File them with: {recovery_command(self.store, self.spool)}"
            )
        for orphan in file_orphans(self.spool, self.store):
            if orphan.error is not None:
                context.log.warning(
                    f"A text of a process that was killed stays in the spool, {orphan.doc_id}: {orphan.error}"
                )
            else:
                context.log.info(f"A text of a process that was killed is kept as {orphan.doc_id}")

    def teardown_after_execution(self, context: Any) -> None:  # noqa: ARG002 - the name is Dagster's
        """Let go of the connections when the run, or the step's process, ends."""
        if self._store is not None:
            release(self._store)
            self._store = None

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return shown_fields(super().__repr_args__())


def store_of(resources: Any, resource_key: str, whose: str) -> DocumentStore:
    """The store that a resource knows.

    Args:
        resources: Those of a step.
        resource_key: Which of them.
        whose: What was given the key, for the error.

    Raises:
        ConfigurationError: It knows none.
    """
    resource = getattr(resources, resource_key)
    resource = getattr(resource, "documents", resource)  # of a RolloutIOManager
    if not isinstance(resource, StoreSettings):
        raise ConfigurationError(
            setting=f"resource_key={resource_key!r} of {whose}",
            reason=f"that resource is {type(resource).__name__}, which knows no store",
            hint="Name a DocDirIOManager or a DocumentsIndex.",
        )
    return resource.store


def copies_prompts(option: bool | None, environment: Mapping[str, str] = os.environ) -> bool:  # noqa: FBT001 - a setting
    """Whether prompts go to prompt.txt: what the option says, else the flag, else yes.

    Raises:
        ConfigurationError: The flag is neither true nor false.
    """
    return flag(_PROMPT_FLAG, environment, default=True) if option is None else option


def flag(name: str, environment: Mapping[str, str], *, default: bool) -> bool:
    """A flag of the environment.

    Raises:
        ConfigurationError: It is neither true nor false; or there is one of a misspelt name, which would have no effect.
    """
    for other in environment:
        if other.startswith("DD_DOCS_") and other not in _FLAGS:
            near = nearest(other, _FLAGS)
            hint = f"Did you mean {near}?" if near else f"There are {', '.join(_FLAGS)}."
            raise ConfigurationError(setting=other, reason="there is no such environment variable", hint=hint)
    value = environment.get(name, "").strip().lower()
    if value in ("true", "1", "yes", "on"):
        return True
    if value in ("false", "0", "no", "off"):
        return False
    if value == "":
        return default
    raise ConfigurationError(
        setting=f"{name}={value!r}", reason="it is neither true nor false", hint="Set it to true or false."
    )


def _from_environment(value: Any) -> Any:
    """The value with every ``EnvVar`` in it looked up: Dagster looks up fields, and not what stands inside a mapping."""
    if isinstance(value, dict):
        if value.keys() == {"env"}:  # what Dagster makes of an EnvVar inside a mapping
            return _from_environment(EnvVar(value["env"]))
        return {name: _from_environment(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_from_environment(each) for each in value]
    if isinstance(value, EnvVar):
        found = value.get_value()
        if found is None:
            raise ConfigurationError(
                setting=f"The environment variable {value.env_var_name}", reason="it is not set", hint="Set it."
            )
        return found
    return value
