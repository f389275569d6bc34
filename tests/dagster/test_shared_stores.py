"""What a process holds does not grow with the IO managers that Dagster makes in it."""

import os
import threading
from pathlib import Path
from typing import Any

import dagster as dg

from doc_io import DocDirIOManager, DocumentsIndex


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - what the kernel counts


def test_loading_values_in_a_loop_opens_nothing_more(tmp_path: Path) -> None:
    """A dashboard, a notebook, a service: Dagster makes a new manager for each load."""

    @dg.asset
    def draft() -> str:
        return "text"

    io_manager = DocDirIOManager(docs_root=str(tmp_path / "docs"))
    defs = dg.Definitions(assets=[draft], resources={"io_manager": io_manager})
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        dg.materialize([draft], resources={"io_manager": io_manager}, instance=instance)
        counts = []
        for _ in range(6):
            with defs.get_asset_value_loader(instance=instance) as loader:
                assert loader.load_asset_value("draft") == "text"
            counts.append((descriptors(), threading.active_count()))

    assert counts[-1] <= counts[1]


def test_an_io_manager_and_a_resource_of_one_place_share_their_store(tmp_path: Path) -> None:
    """And another place has another one."""
    place: dict[str, Any] = {"docs_root": str(tmp_path / "docs")}

    store = DocDirIOManager(**place).store

    assert DocumentsIndex(**place).store is store
    assert DocDirIOManager(docs_root=str(tmp_path / "other")).store is not store


def test_a_store_stays_open_while_one_of_two_runs_still_uses_it(tmp_path: Path) -> None:
    """The first one to end must not close the connections of the other; the last one does."""
    first, second = (DocDirIOManager(docs_root=str(tmp_path / "docs")) for _ in range(2))
    with dg.build_init_resource_context() as context:
        first.setup_for_execution(context)
        second.setup_for_execution(context)
        first.store.save("text", stage="s", task_id="t")
        held = descriptors()
        first.teardown_after_execution(context)
        assert descriptors() == held
        second.teardown_after_execution(context)
        assert descriptors() < held
