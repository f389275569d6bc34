"""`DocumentStoreComponent`: the IO manager, the resource and the checks of a project, from YAML."""

from typing import Any

from dagster import Component, ComponentLoadContext, Definitions, EnvVar, Model, Resolvable
from pydantic import Field

from doc_io.dagster.checks import build_document_checks
from doc_io.dagster.io_manager import DocDirIOManager
from doc_io.dagster.reports import documents_latest_report
from doc_io.dagster.resource import DocumentsIndex


class FromEnvironment(Model, Resolvable):
    """A value that is looked up when a run needs it, and that the UI shows by its name only."""

    env: str = Field(description="The name of the environment variable.")


class DocumentStoreComponent(Component, Resolvable, Model):
    """A document store for a project: ``type: doc_io.DocumentStoreComponent`` in a ``defs.yaml``.

    Defines the resources ``io_manager`` (`DocDirIOManager`) and ``documents`` (`DocumentsIndex`), the checks of the
    assets listed, and if asked for the reports.
    """

    docs_root: str | FromEnvironment = Field(
        default="data/docs",
        description="Where the documents are: a path, or any URL that fsspec can write to; or {env: NAME}.",
    )
    db_path: str | FromEnvironment = Field(
        default="data/db/documents.sqlite", description="The SQLite file of the index; or {env: NAME}."
    )
    db_url: str | FromEnvironment | None = Field(
        default=None,
        description="A PostgreSQL URL for the index instead of SQLite; or {env: NAME}, which keeps it out of the UI.",
    )
    storage_options: dict[str, Any] = Field(default={}, description="Handed to fsspec.", repr=False)
    io_manager: dict[str, Any] = Field(
        default={}, description="Further fields of DocDirIOManager, such as preview_chars or model_id."
    )
    checks: list[str] = Field(
        default=[], description="Keys of assets (a/b) whose documents get the six checks of build_document_checks."
    )
    blocking: bool = Field(
        default=False, description="Whether an error of a check keeps the assets downstream of it from being made."
    )
    reports: bool = Field(default=False, description="Whether to add the report assets.")

    def build_defs(self, context: ComponentLoadContext) -> Definitions:  # noqa: ARG002 - the name is Dagster's
        """What Dagster loads."""
        place: dict[str, Any] = {
            "docs_root": _value(self.docs_root),
            "db_path": _value(self.db_path),
            "db_url": _value(self.db_url),
            "storage_options": self.storage_options,
        }
        return Definitions(
            assets=[documents_latest_report] if self.reports else [],
            asset_checks=build_document_checks(assets=self.checks_by_key, blocking=self.blocking),
            resources={
                "io_manager": DocDirIOManager(**place, **self.io_manager),
                "documents": DocumentsIndex(**place),
            },
        )

    @property
    def checks_by_key(self) -> list[list[str]]:
        """The keys of `checks`, in their parts."""
        return [key.split("/") for key in self.checks]


def _value(given: str | FromEnvironment | None) -> Any:
    return EnvVar(given.env) if isinstance(given, FromEnvironment) else given
