"""The essay pipeline with its documents on S3 and its index in PostgreSQL: only the binding of its IO manager differs."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentsIndex, DocumentStore
from doc_io.document import Parent
from examples.essay_pipeline.corpus import longest
from examples.essay_pipeline.definitions import defs
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.s3 import S3

PACKAGES = longest(2)
OF_THE_RUN = {"seq", "created_at", "run_id"}  # what two runs of one pipeline may differ in


@pytest.fixture
def local(tmp_path: Path) -> dict[str, Any]:
    """The example's own binding, in a folder of its own."""
    return {"docs_root": str(tmp_path / "docs"), "db_path": str(tmp_path / "documents.sqlite")}


@pytest.fixture(params=["fsspec", "obstore"])
def remote(
    request: pytest.FixtureRequest, s3_server: S3, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """S3 and PostgreSQL, the secrets from the environment."""
    monkeypatch.setenv("TEST_DB_URL", postgres_server.new_database())
    return {
        "docs_root": f"{s3_server.root}/{secrets.token_hex(4)}",
        "db_url": dg.EnvVar("TEST_DB_URL"),
        "storage_options": s3_server.storage_options | {"client": request.param},
    }


def run_all(binding: dict[str, Any]) -> list[dg.ExecuteInProcessResult]:
    """Two packages through draft, essay and evaluation, an answer that is cut, and the scoreboard; ids of runs are fixed."""
    # The example's own definitions, bound elsewhere; its other resources stay.
    bound = {**(defs.resources or {}), "io_manager": DocDirIOManager(**binding), "documents": DocumentsIndex(**binding)}
    there = dg.Definitions(assets=defs.assets, jobs=defs.jobs, resources=bound)
    quiet: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    cut = quiet | {"ops": {"essay": {"config": {"max_tokens": 5}}}}
    results = []
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("packages", PACKAGES)
        for number, (job, package, config) in enumerate(
            [
                *(("write_essays", package, quiet) for package in PACKAGES),
                ("write_essays", PACKAGES[0], cut),
                ("compare_essays", None, quiet),
            ]
        ):
            results.append(
                there.resolve_job_def(job).execute_in_process(
                    instance=instance,
                    partition_key=package,
                    run_config=config,
                    tags={"doc_io/force": "true"},  # the third run asks again what the first was answered
                    run_id=f"00000000-0000-4000-8000-{number:012}",
                    raise_on_error=False,
                )
            )
    return results


def contents(store: DocumentStore) -> dict[str, tuple[dict[str, Any], list[Parent], str]]:
    """Every document: its row, its parents and its text."""
    found = {}
    for row in store.index.scan():
        facts = {name: value for name, value in row.as_dict().items() if name not in OF_THE_RUN}
        found[row.doc_id] = facts, store.parents(row.doc_id), store.read(row, "raw")
    return found


def test_the_documents_and_rows_are_the_same_as_on_this_disk(
    local: dict[str, Any], remote: dict[str, Any], s3_server: S3
) -> None:
    """Ids, texts, parents, statuses and counts; and no secret in any event."""
    here, there = run_all(local), run_all(remote)

    assert [result.success for result in here] == [result.success for result in there] == [True, True, False, True]
    with DocumentStore(**local) as one, DocumentStore(**remote | {"db_url": remote["db_url"].get_value()}) as other:
        assert contents(other) == contents(one)
        assert len(contents(other)) == 9
    said = str([event for result in there for event in result.all_events])
    assert PASSWORD not in said
    assert s3_server.secret not in said
