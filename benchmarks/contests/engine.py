"""Many machines: a step on a warm worker, a walk over a bucket and maintenance, each against the bare engine and client.

The servers run on this machine; see `benchmarks.contests.servers`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import dagster as dg
import psycopg

from benchmarks.contests.servers import INSERT, S3FS
from benchmarks.contests.steps import QUIET
from benchmarks.floors import TEXT, row
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from doc_io import DocDirIOManager, Document, DocumentStore, Origin, build_upkeep_job, maintenance
from tests.servers import s3
from tests.servers.postgres import Postgres, postgres

DOCUMENTS = 1000
STAGES = 4


def contests(setting: Setting) -> Iterator[Contest]:
    """On S3 and PostgreSQL, as on a cluster."""
    (setting.folder / "engine").mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(s3.moto(setting.folder / "engine"))
        database = stack.enter_context(postgres({"fsync": "on"}))
        yield _steps(setting, server, database)
        count = 60 if setting.short else DOCUMENTS
        place: dict[str, Any] = {
            "docs_root": f"{server.root}/walked",
            "db_url": database.new_database(),
            "storage_options": server.storage_options,
        }
        store = stack.enter_context(DocumentStore(**place))
        origins = [Origin(stage=f"stage {n % STAGES}", task_id=f"t{n}", attempt="1") for n in range(count)]
        rows = store.save_many([(Document(TEXT), origin) for origin in origins])
        records = [f"walked/{each.doc_dir}/metadata.json" for each in rows]
        yield _walks(setting, server, place, store, records)


def _steps(setting: Setting, server: s3.S3, database: Postgres) -> Contest:
    url = database.new_database()
    with DocumentStore(f"{server.root}/bare", db_url=url, storage_options=server.storage_options) as store:
        store.save("text", stage="s", task_id="t")  # makes the tables
    managers: dict[str, Any] = {
        "nothing is stored": _Bare(lambda: None),
        "four PUTs at once by s3fs, INSERT and COMMIT": _Bare(_stored(S3FS(server).put_all(), psycopg.connect(url))),
        "doc_io": DocDirIOManager(
            docs_root=f"{server.root}/steps",
            db_url=database.new_database(),
            storage_options=server.storage_options,
            spool=str(setting.folder / "engine" / "spool"),
        ),
    }
    nothing, floor, ours = managers
    lanes = [
        Lane(floor, _step(managers[floor])),
        Lane(nothing, _step(managers[nothing]), floor, note="Dagster alone"),
        Lane(ours, _step(managers[ours]), floor),
    ]
    return Contest("a step of a warm process: an asset that returns 8 KB, to S3 and PostgreSQL", lanes, setting.rounds)


class _Bare(dg.IOManager):
    """What somebody would write by hand, without a document to find again."""

    def __init__(self, store: Callable[[], object]) -> None:
        self._store = store

    def handle_output(self, context: dg.OutputContext, obj: str) -> None:  # noqa: ARG002 - Dagster's signature
        self._store()

    def load_input(self, context: dg.InputContext) -> str:
        raise NotImplementedError


def _stored(put: Timed, connection: psycopg.Connection[Any]) -> Callable[[], None]:
    def store() -> None:
        put()
        with connection.transaction():
            connection.execute(INSERT, row(secrets.token_hex(8), secrets.token_hex(8)))

    return store


def _step(manager: Any) -> Timed:
    @dg.asset
    def essay() -> str:
        return TEXT

    def run() -> float:
        with timed() as watch:
            assert dg.materialize([essay], resources={"io_manager": manager}, run_config=QUIET).success
        return watch.per_operation

    return run


def _walks(
    setting: Setting, server: s3.S3, place: dict[str, Any], store: DocumentStore, records: Sequence[str]
) -> Contest:
    job = build_upkeep_job(reindex=None, verify="lengths")
    manager = DocDirIOManager(**place, spool="")
    defs = dg.Definitions(jobs=[job], resources={"io_manager": manager}).resolve_job_def(job.name)
    bare = S3FS(server)
    read_all = bare.get_all(records)
    listing, reading = "s3fs: every page", "s3fs: every page, and each record, 32 at once"
    work: dict[str, tuple[Callable[[], object], str | None]] = {
        listing: (lambda: bare.list("walked"), None),
        "doc_io: a walk over its folders": (lambda: sum(1 for _ in store.storage.folders()), listing),
        reading: (lambda: (bare.list("walked"), read_all()), None),
        "doc_io: verify": (lambda: list(maintenance.verify(store)), reading),
        "doc_io: verify, 8 jobs": (lambda: list(maintenance.verify(store, jobs=8)), reading),
        "doc_io: reindex": (lambda: maintenance.reindex(store), reading),
        "build_upkeep_job, verify, in this process": (lambda: defs.execute_in_process(run_config=QUIET), reading),
    }
    lanes = [Lane(name, _each(len(records), do), floor) for name, (do, floor) in work.items()]
    return Contest(f"{len(records):,} documents on S3 gone over, each", lanes, min(setting.rounds, 3))


def _each(count: int, work: Callable[[], object]) -> Timed:
    def run() -> float:
        with timed(count) as watch:
            work()
        return watch.per_operation

    return run
