"""The whole path: what a Dagster step costs with doc_io, with the default manager and with none, and what of it is ours."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import (
    AssetIn,
    AssetsDefinition,
    DagsterInstance,
    FilesystemIOManager,
    InputContext,
    IOManager,
    OutputContext,
    asset,
    build_init_resource_context,
    execute_job,
    materialize,
    mem_io_manager,
    reconstructable,
)

from benchmarks import steps_job
from benchmarks.floors import TEXT
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from doc_io import DocDirIOManager

STEPS = 8
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""What a terminal takes to show Dagster's lines is nobody's share."""

FLOOR = "a step whose text stays in memory"


class Watched(IOManager):
    """Another IO manager, with a stopwatch around its two methods."""

    def __init__(self, inner: IOManager) -> None:
        self._inner = inner
        self.seconds = 0.0

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Hand on and time."""
        start = time.perf_counter()
        self._inner.handle_output(context, obj)
        self.seconds += time.perf_counter() - start

    def load_input(self, context: InputContext) -> Any:
        """Hand on and time."""
        start = time.perf_counter()
        try:
            return self._inner.load_input(context)
        finally:
            self.seconds += time.perf_counter() - start


def contests(setting: Setting) -> Iterator[Contest]:
    """A chain of assets, each loading the one before; seconds a step."""
    folder = setting.folder / "steps"
    folder.mkdir()
    steps = 3 if setting.short else STEPS
    assets = _chain(steps)
    rounds = max(1, setting.rounds // 3)
    ours = _doc_io(folder / "share")
    default = _default(folder / "share-default")
    with DagsterInstance.ephemeral() as instance:
        yield Contest(
            "own share of a step: handle_output and load_input, in-memory instance",
            [
                Lane(FLOOR, _whole(assets, _nowhere(), instance)),
                Lane("doc_io's own share", _share(assets, ours, instance), FLOOR, goal=0.05),
                Lane(
                    "FilesystemIOManager's own share",
                    _share(assets, default, instance),
                    FLOOR,
                    note="no fsync, one version",
                ),
                Lane("the whole step with doc_io", _whole(assets, ours, instance), FLOOR),
                Lane("the whole step with FilesystemIOManager", _whole(assets, default, instance), FLOOR),
            ],
            rounds,
        )
    home = folder / "home"
    home.mkdir()
    with DagsterInstance.local_temp(str(home)) as instance:
        yield Contest(
            "a step in a stored instance, in process",
            [
                Lane(FLOOR, _whole(assets, _nowhere(), instance)),
                Lane(
                    "the whole step with FilesystemIOManager",
                    _whole(assets, _default(folder / "default"), instance),
                    FLOOR,
                ),
                Lane("the whole step with doc_io", _whole(assets, _doc_io(folder / "stored"), instance), FLOOR),
            ],
            max(1, rounds // 2),
        )
        if not setting.short:
            yield Contest(
                "a step of the multiprocess executor",
                [
                    Lane("a step that hands nothing on", _many_processes("nothing", folder, instance)),
                    *(
                        Lane(title, _many_processes(name, folder, instance), "a step that hands nothing on")
                        for name, title in (
                            ("files", "the whole step with FilesystemIOManager"),
                            ("documents", "the whole step with doc_io"),
                        )
                    ),
                ],
                3,
            )


def _whole(assets: list[AssetsDefinition], manager: IOManager, instance: DagsterInstance) -> Timed:
    def run() -> float:
        with timed(len(assets)) as watch:
            materialize(assets, instance=instance, resources={"io_manager": manager}, run_config=QUIET)
        return watch.per_operation

    return run


def _share(assets: list[AssetsDefinition], manager: IOManager, instance: DagsterInstance) -> Timed:
    watched = Watched(manager)

    def run() -> float:
        watched.seconds = 0.0
        materialize(assets, instance=instance, resources={"io_manager": watched}, run_config=QUIET)
        return watched.seconds / len(assets)

    return run


def _many_processes(name: str, folder: Path, instance: DagsterInstance) -> Timed:
    """A run of the multiprocess executor, which starts a Python for each step."""

    def run() -> float:
        os.environ[steps_job.FOLDER] = str(folder)
        with (
            timed(steps_job.STEPS) as watch,
            execute_job(reconstructable(getattr(steps_job, name)), instance, run_config=QUIET) as result,
        ):
            if not result.success:
                raise AssertionError(name)
        return watch.per_operation

    return run


def _doc_io(folder: Path) -> IOManager:
    return DocDirIOManager(docs_root=str(folder / "docs"), db_path=str(folder / "docs.sqlite"))


def _default(folder: Path) -> IOManager:
    manager: IOManager = FilesystemIOManager(base_dir=str(folder)).create_io_manager(build_init_resource_context())
    return manager


def _chain(count: int) -> list[AssetsDefinition]:
    """Assets that each load the one before and return a text."""

    @asset(name="text_0")
    def first() -> str:
        return TEXT

    chain = [first]
    for number in range(1, count):

        @asset(name=f"text_{number}", ins={"before": AssetIn(key=f"text_{number - 1}")})
        def one(before: str) -> str:
            return before

        chain.append(one)
    return chain


def _nowhere() -> IOManager:
    manager: IOManager = mem_io_manager(build_init_resource_context())
    return manager
