"""A worker process runs many steps: what a step costs is the write, not opening the store."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentStore
from doc_io.dagster import shared_stores
from tests.servers.postgres import Postgres
from tests.servers.s3 import S3

MAX_SECONDS = 0.02
"""Of processor time for all that is ours in a step: the store set up, a text saved and torn down again."""


@pytest.mark.parametrize("client", ["fsspec", "obstore"])
def test_a_step_on_a_warm_worker_costs_20_ms_of_processor_time_and_a_cold_one_more(
    client: str, s3_server: S3, postgres_server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a save in a store that is open already; in brackets the control, which opens it anew for each step."""
    place: dict[str, Any] = {
        "docs_root": f"{s3_server.root}/{secrets.token_hex(4)}",
        "db_url": postgres_server.new_database(),
        "storage_options": s3_server.storage_options | {"client": client},
    }
    with dg.build_init_resource_context() as context, DocumentStore(**place) as opened:

        def step() -> None:
            manager = DocDirIOManager(**place, spool=str(tmp_path))
            manager.setup_for_execution(context)
            manager.store.save("text", stage="s", task_id=secrets.token_hex(4))
            manager.teardown_after_execution(context)

        step()
        save = quickest(lambda: opened.save("text", stage="s", task_id=secrets.token_hex(4)))
        warm = quickest(step)
        monkeypatch.setattr(shared_stores, "IDLE_SECONDS", 0.0)
        step()  # the last one that finds it open
        cold = quickest(step, pause=0.05)

    print(f"save {save * 1e3:.1f} ms, warm step {warm * 1e3:.1f} ms, cold step {cold * 1e3:.1f} ms ({client})")
    assert warm < save + MAX_SECONDS
    assert cold > warm * 1.5


def quickest(work: Callable[[], object], pause: float = 0.0) -> float:
    """Seconds of processor time of this process, of the best of several."""
    times = []
    for _ in range(8):
        time.sleep(pause)
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)
