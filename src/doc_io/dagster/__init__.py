"""The face to Dagster: it asks a context what it knows and hands it to the store."""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from dagster_shared.libraries import DagsterLibraryRegistry  # where Dagster's own libraries take it from

with suppress(PackageNotFoundError):  # run from a source tree: there is no version to tell
    # Shown with a code location in the UI, so that people know what it runs on.
    DagsterLibraryRegistry.register("doc-io", version("doc-io"), is_dagster_package=False)
