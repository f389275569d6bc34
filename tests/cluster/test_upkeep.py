"""`build_upkeep_job` on Celery: its shards run on hosts that share no disk, and what they come to adds up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doc_io import maintenance
from doc_io.document import DocumentRow
from doc_io.maintenance.verify import NOTES
from tests.cluster.running import Running

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

TOPICS = [f"kept-{number}" for number in range(6)]


def test_a_lost_index_is_made_again_verified_and_pruned_by_the_workers(running: Running) -> None:
    """One job of four steps for each verb: the same rows, no problems, and the older drafts are gone."""
    for _ in range(2):
        running.driver.run(TOPICS, ["draft"])
        running.driver.wait()
    running.settle(TOPICS)  # makes essays of the newer drafts, so that nothing keeps the older ones
    before = rows_of(running)
    with running.cluster.hosts["control"].network(), running.cluster.sql() as sql:
        sql.execute("DROP SCHEMA public CASCADE")
        sql.execute("CREATE SCHEMA public")

    running.driver.run(["-"], ["upkeep"])
    [outcome] = running.driver.wait()

    assert outcome["success"], outcome["errors"]
    after = rows_of(running)
    assert after == {doc_id: row for doc_id, row in before.items() if doc_id in after}
    assert sorted(row.task_id for doc_id, row in before.items() if doc_id not in after) == TOPICS
    assert {row.task_id for row in after.values() if row.stage == "draft"} >= set(TOPICS)
    with running.cluster.hosts["visitor"].network(), running.cluster.store() as store:
        assert [each for each in maintenance.verify(store, full=True) if each.kind not in NOTES] == []


def rows_of(running: Running) -> dict[str, DocumentRow]:
    """Every row, by its id; rows get their numbers anew, in the order of their times."""
    with running.cluster.hosts["visitor"].network(), running.cluster.store() as store:
        return {row.doc_id: replace(row, seq=0) for row in store.index.scan()}
