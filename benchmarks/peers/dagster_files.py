"""Dagster's default on disk: `FilesystemIOManager`, its own share of a step."""

from __future__ import annotations

import logging
from pathlib import Path

from dagster import (
    AssetKey,
    FilesystemIOManager,
    InputContext,
    OutputContext,
    build_init_resource_context,
    build_input_context,
    build_output_context,
)

from benchmarks.peers.base import Peer


class Contender(Peer):
    """A pickle a partition, replaced by the next version."""

    LACKS = "no fsync, one version, a pickle, no status, no counts"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        logging.disable(logging.CRITICAL)  # a context built by hand prints every line, a run does not
        self._manager = FilesystemIOManager(base_dir=str(root)).create_io_manager(build_init_resource_context())
        self._outputs: dict[str, list[OutputContext]] = {}
        self._inputs: dict[str, InputContext] = {}

    def prepare(self, keys: list[str]) -> None:
        """Contexts take 100 ms and more to build, and a step has its own: they stay out of the timer."""
        for key in keys:
            self._outputs.setdefault(key, []).append(build_output_context(asset_key=AssetKey(["essay", key])))
            if key not in self._inputs:
                output = build_output_context(asset_key=AssetKey(["essay", key]))
                self._inputs[key] = build_input_context(asset_key=AssetKey(["essay", key]), upstream_output=output)

    def write(self, key: str, text: str) -> None:
        self._manager.handle_output(self._outputs[key].pop(), text)

    def read(self, key: str) -> str:
        return str(self._manager.load_input(self._inputs[key]))
