"""`DocumentStoreComponent`: the IO manager, the resource and the checks of a project, from YAML."""

from collections.abc import Iterable
from typing import Annotated, Any

from dagster import Component, ComponentLoadContext, Definitions, EnvVar, Model, Resolvable, Resolver
from pydantic import ConfigDict, Field

from doc_io.dagster.checks import build_document_checks
from doc_io.dagster.io_manager import DocDirIOManager
from doc_io.dagster.report_assets import documents_consistency_report, documents_latest_report
from doc_io.dagster.resource import DocumentsIndex
from doc_io.dagster.settings import refuse_unknown, shown_fields


def described(description: str) -> Resolver:
    """A field as it is, with the sentence that ``dg`` and an editor show for it."""
    resolver: Resolver = Resolver.default(description=description)
    return resolver


class FromEnvironment(Model, Resolvable):
    """A value that is looked up when a run needs it, and that the UI shows by its name only."""

    env: Annotated[str, described("The name of the environment variable.")]


class DocumentStoreComponent(Component, Resolvable, Model):
    """A document store for a project: ``type: doc_io.DocumentStoreComponent`` in a ``defs.yaml``.

    Defines the resources ``io_manager`` (`DocDirIOManager`) and ``documents`` (`DocumentsIndex`), the checks of the
    assets listed, and if asked for the reports.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    docs_root: Annotated[
        str | FromEnvironment,
        described("Where the documents are: a path, or any URL that fsspec can write to; or {env: NAME}."),
    ] = "data/docs"
    db_path: Annotated[
        str | FromEnvironment | None,
        described(
            "The SQLite file of the index, made on first use; or {env: NAME}. Default: db/documents.sqlite beside a local"
            " docs root, data/db/documents.sqlite for a remote one."
        ),
    ] = None
    db_url: Annotated[
        str | FromEnvironment | None,
        described("A PostgreSQL URL for the index instead of SQLite; as {env: NAME} it stays out of the UI."),
    ] = Field(default=None, repr=False)
    db_read_url: Annotated[
        str | FromEnvironment | None,
        described("The same database with a role that may only read, for SQL; as {env: NAME} it stays out of the UI."),
    ] = Field(default=None, repr=False)
    storage_options: Annotated[dict[str, Any], described("Handed to fsspec.")] = Field(default={}, repr=False)
    io_manager: Annotated[
        dict[str, Any],
        described(
            "Further fields of DocDirIOManager, such as preview_chars or model_id; spool and the like hold for both."
        ),
    ] = Field(default={}, repr=False)
    checks: Annotated[
        list[str], described("Keys of assets, as in a/b, whose documents get the six checks of build_document_checks.")
    ] = Field(default=[])
    blocking: Annotated[
        bool, described("Whether an error of a check keeps the assets downstream of it from being made.")
    ] = False
    reports: Annotated[bool, described("Whether to add the report assets.")] = False

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return shown_fields(super().__repr_args__())

    def build_defs(self, context: ComponentLoadContext) -> Definitions:  # noqa: ARG002 - the name is Dagster's
        """What Dagster loads."""
        place: dict[str, Any] = {
            "docs_root": _value(self.docs_root),
            "db_path": _value(self.db_path),
            "db_url": _value(self.db_url),
            "db_read_url": _value(self.db_read_url),
            "storage_options": self.storage_options,
        }
        refuse_unknown(DocDirIOManager, self.io_manager, but=place)
        shared = {name: value for name, value in self.io_manager.items() if name in DocumentsIndex.model_fields}
        return Definitions(
            assets=[documents_latest_report, documents_consistency_report] if self.reports else [],
            asset_checks=build_document_checks(assets=self.checks_by_key, blocking=self.blocking),
            resources={
                "io_manager": DocDirIOManager(**place, **self.io_manager),
                "documents": DocumentsIndex(**place, **shared),
            },
        )

    @property
    def checks_by_key(self) -> list[list[str]]:
        """The keys of `checks`, in their parts."""
        return [key.split("/") for key in self.checks]


def _value(given: str | FromEnvironment | None) -> Any:
    return EnvVar(given.env) if isinstance(given, FromEnvironment) else given
