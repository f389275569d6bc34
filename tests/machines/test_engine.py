"""What an engine does to a step: it delivers its message twice, and it runs maintenance on many machines."""

from __future__ import annotations

import secrets
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentStore, build_upkeep_job, maintenance
from doc_io.errors import MaintenanceBusyError
from doc_io.maintenance.verify import NOTES
from doc_io.storage.client import MAX_REQUESTS
from doc_io.writing.draft import Origin
from tests.servers.counting import counting
from tests.servers.postgres import Postgres
from tests.servers.s3 import S3


@pytest.mark.parametrize("kind", ["with preconditions", "without preconditions"])
def test_a_message_that_is_delivered_twice_keeps_both_texts_that_were_paid_for(
    kind: str, s3_server: S3, careless_s3_server: S3, postgres_server: Postgres, tmp_path: Path
) -> None:
    """The same run, step and try, and another text each time: two documents, the runs green, lineage in order."""
    server = s3_server if kind == "with preconditions" else careless_s3_server
    root, db_url = f"{server.root}/{secrets.token_hex(4)}", postgres_server.new_database()
    paid = count(1)

    @dg.asset
    def draft() -> str:
        return f"text {next(paid)}"

    manager = DocDirIOManager(
        docs_root=root, db_url=db_url, storage_options=server.storage_options, spool=str(tmp_path / "spool")
    )
    job = dg.Definitions(assets=[draft], resources={"io_manager": manager}).resolve_implicit_global_asset_job_def()
    run_id = dg.DagsterRun(job_name="j").run_id
    runs = [job.execute_in_process(run_id=run_id, instance=dg.DagsterInstance.ephemeral()) for _ in range(2)]

    with DocumentStore(root, db_url=db_url, storage_options=server.storage_options) as store:
        newest, oldest = store.history("draft", "draft")
        assert [store.read(row) for row in (oldest, newest)] == ["text 1", "text 2"]
        assert oldest.attempt == newest.attempt
        assert newest.lineage_prev_doc_id == oldest.doc_id
        assert [each for each in maintenance.verify(store, full=True) if each.kind not in NOTES] == []
    assert all(run.success for run in runs)


def test_a_lost_index_is_made_again_and_verified_by_the_engine(
    s3_server: S3, postgres_server: Postgres, tmp_path: Path
) -> None:
    """On S3 and PostgreSQL, with the parts and their results on the servers and nothing on a machine."""
    root = f"{s3_server.root}/{secrets.token_hex(4)}"
    lost, new = postgres_server.new_database(), postgres_server.new_database()
    with DocumentStore(root, db_url=lost, storage_options=s3_server.storage_options) as store:
        store.save_many([(f"text {n}", Origin(f"stage {n % 3}", f"t{n}", str(n))) for n in range(60)])
        before = [row.as_dict() for row in store.index.scan()]
    manager = DocDirIOManager(docs_root=root, db_url=new, storage_options=s3_server.storage_options)
    job = build_upkeep_job(reindex="all", verify="hashes", steps=3)

    defs = dg.Definitions(jobs=[job], resources={"io_manager": manager})
    result = defs.resolve_job_def(job.name).execute_in_process()

    assert result.success
    with DocumentStore(root, db_url=new, storage_options=s3_server.storage_options) as store:
        assert [row.as_dict() for row in store.index.scan()] == before


@pytest.mark.parametrize("client", ["fsspec", pytest.param("obstore", marks=pytest.mark.slow)])
def test_eight_jobs_have_more_requests_under_way_than_one(client: str, careless_s3_server: S3, tmp_path: Path) -> None:
    """Counted at the server: threads do not wait for each other's connections."""
    root = f"{careless_s3_server.root}/{secrets.token_hex(4)}"
    with DocumentStore(root, tmp_path / "db.sqlite", storage_options=careless_s3_server.storage_options) as store:
        origins = [Origin(f"stage {n % 4}", f"t{n}", str(n)) for n in range(80)]
        store.save_many([("text", origin) for origin in origins])
    found = []
    with counting(careless_s3_server.endpoint, seconds=0.1) as slow:
        options = careless_s3_server.options_at(slow.endpoint) | {"client": client}
        with DocumentStore(root, tmp_path / "db.sqlite", storage_options=options) as store:
            for jobs in (1, 8):
                slow.clear()
                assert [each for each in maintenance.verify(store, jobs=jobs) if each.kind not in NOTES] == []
                found.append(slow.most_at_once)

    assert found[0] <= MAX_REQUESTS < found[1]


def test_parts_of_one_upkeep_share_the_maintenance_lock(postgres_server: Postgres, tmp_path: Path) -> None:
    """And exclude whatever needs it for itself; on both engines."""
    places: list[dict[str, Any]] = [{"db_url": postgres_server.new_database()}, {"db_path": tmp_path / "db.sqlite"}]
    for place in places:
        with DocumentStore(tmp_path / "docs", **place) as store, DocumentStore(tmp_path / "docs", **place) as other:
            with store.unchecked.index.maintenance_lock(shared=True):
                with other.unchecked.index.maintenance_lock(shared=True):
                    pass
                with pytest.raises(MaintenanceBusyError), other.unchecked.index.maintenance_lock():
                    pass
            refused = other.unchecked.index.maintenance_lock(shared=True)
            with store.unchecked.index.maintenance_lock(), pytest.raises(MaintenanceBusyError), refused:
                pass
