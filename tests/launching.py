"""What the tests of our own pages share: an example is launched by the ``dagster`` command, from its own file, as a user would."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from unittest import mock

import pytest

_IN_ONE_PROCESS = json.dumps({"execution": {"config": {"in_process": {}}}})  # a process for each step takes ten seconds


def launch(source: Path | str, select: str = "*", *words: str) -> None:
    """Materialize assets with ``dagster asset materialize``, as ``dg launch --assets`` does: it loads the definitions itself.

    Args:
        source: A file with definitions, or the name of a module.
        select: Which assets. Default: all.
        words: More options, such as ``--partition``.
    """
    where = ["-m", source] if isinstance(source, str) else ["-f", str(source)]
    _dagster("asset", "materialize", "--select", select, *where, "--config-json", _IN_ONE_PROCESS, *words)


def execute(source: Path, job: str) -> None:
    """Run a job with ``dagster job execute``."""
    config = source.with_name("run.yaml")
    config.write_text(_IN_ONE_PROCESS, encoding="utf-8")
    _dagster("job", "execute", "-f", str(source), "-j", job, "-c", str(config))


def _dagster(*words: str) -> None:
    [command] = entry_points(group="console_scripts", name="dagster")
    known, handlers = set(sys.modules), logging.root.handlers[:]
    home = Path("dagster_home").absolute()
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    try:
        with (
            mock.patch.object(sys, "argv", ["dagster", *words]),
            mock.patch.dict(os.environ, {"DAGSTER_HOME": str(home)}),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # Dagster's own: the command is superseded by dg, which lags behind
            with pytest.raises(SystemExit) as end:
                command.load()()
    finally:
        logging.root.handlers[:] = handlers
        for name in set(sys.modules) - known:
            if str(Path.cwd()) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
    assert not end.value.code, f"dagster {' '.join(words)}"
