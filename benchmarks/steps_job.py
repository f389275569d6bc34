"""Jobs that the multiprocess executor can import in each step's own process."""

import os

from dagster import AssetIn, Definitions, FilesystemIOManager, JobDefinition, asset, define_asset_job

from benchmarks.floors import TEXT

FOLDER = "DOC_IO_BENCH_FOLDER"
STEPS = 3


def nothing() -> JobDefinition:
    """Steps in a row that return nothing, so that no IO manager is called."""

    @asset
    def one() -> None: ...

    @asset(deps=[one])
    def two() -> None: ...

    @asset(deps=[two])
    def three() -> None: ...

    job = define_asset_job("nothing")
    return Definitions([one, two, three], jobs=[job]).resolve_job_def("nothing")


def files() -> JobDefinition:
    """The texts as pickles."""
    return _texts("files", FilesystemIOManager(base_dir=f"{os.environ[FOLDER]}/pickles"))


def documents() -> JobDefinition:
    """The texts as documents."""
    from doc_io import DocDirIOManager  # noqa: PLC0415 - the other jobs do not pay for it

    folder = os.environ[FOLDER]
    return _texts("documents", DocDirIOManager(docs_root=f"{folder}/job-docs", db_path=f"{folder}/job-docs.sqlite"))


def _texts(name: str, manager: object) -> JobDefinition:
    @asset
    def one() -> str:
        return TEXT

    @asset(ins={"before": AssetIn("one")})
    def two(before: str) -> str:
        return before

    @asset(ins={"before": AssetIn("two")})
    def three(before: str) -> str:
        return before

    job = define_asset_job(name)
    return Definitions([one, two, three], jobs=[job], resources={"io_manager": manager}).resolve_job_def(name)
