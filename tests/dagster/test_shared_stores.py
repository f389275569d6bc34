"""What a process holds does not grow with the IO managers that Dagster makes in it."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentsIndex, StoreMismatchError
from doc_io.dagster import shared_stores


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


def test_a_store_stays_open_while_one_of_two_runs_still_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one to end must not close the connections of the other; some seconds after the last one they are."""
    monkeypatch.setattr(shared_stores, "IDLE_SECONDS", 0.5)
    first, second = (DocDirIOManager(docs_root=str(tmp_path / "docs")) for _ in range(2))
    with dg.build_init_resource_context() as context:
        first.setup_for_execution(context)
        second.setup_for_execution(context)
        first.store.save("text", stage="s", task_id="t")
        held = descriptors()
        first.teardown_after_execution(context)
        assert descriptors() == held
        second.teardown_after_execution(context)
        assert descriptors() == held
        until(lambda: descriptors() < held)


def test_the_next_step_of_a_worker_uses_the_same_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster sets a new IO manager up for each step, and tears it down; a step that is in time keeps the store open."""
    monkeypatch.setattr(shared_stores, "IDLE_SECONDS", 1.0)
    stores = []
    with dg.build_init_resource_context() as context:
        for number in range(4):
            manager = DocDirIOManager(docs_root=str(tmp_path / "docs"))
            manager.setup_for_execution(context)
            stores.append(manager.store)
            manager.store.save("text", stage="s", task_id=f"t{number}")
            manager.teardown_after_execution(context)
            time.sleep(0.4)

    assert all(store is stores[0] for store in stores)
    until(lambda: not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)])
    assert DocDirIOManager(docs_root=str(tmp_path / "docs")).store is not stores[0]


def test_a_docs_root_that_is_lost_between_two_steps_is_noticed(tmp_path: Path) -> None:
    """An open connection does not stand for the comparison that each step begins with."""
    manager = DocDirIOManager(docs_root=str(tmp_path / "docs"))
    with dg.build_init_resource_context() as context:
        manager.setup_for_execution(context)
        manager.store.save("text", stage="s", task_id="t")
        manager.teardown_after_execution(context)
        shutil.rmtree(tmp_path / "docs")
        with pytest.raises(StoreMismatchError):
            DocDirIOManager(docs_root=str(tmp_path / "docs")).setup_for_execution(context)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_a_store_of_its_own(tmp_path: Path) -> None:
    """And ends with its parent's connections as they were, also where one was idle when it was forked."""
    manager = DocDirIOManager(docs_root=str(tmp_path / "docs"))
    with dg.build_init_resource_context() as context:
        manager.setup_for_execution(context)
        store = manager.store
        store.save("text", stage="s", task_id="t")
        manager.teardown_after_execution(context)
        child = os.fork()
        if child == 0:
            own = DocDirIOManager(docs_root=str(tmp_path / "docs"))
            own.setup_for_execution(context)
            own.store.save("of the child", stage="s", task_id="child")
            own.teardown_after_execution(context)
            os._exit(0 if own.store is not store else 1)
        assert os.waitpid(child, 0)[1] == 0

    assert store.latest("s", "child") is not None


def until(holds: Callable[[], bool]) -> None:
    """Wait for something, for some seconds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
