"""What the tests of our own pages share: an example is launched by the ``dagster`` command, from its own file, as a user would."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from unittest import mock

_IN_ONE_PROCESS = json.dumps({"execution": {"config": {"in_process": {}}}})  # a process for each step takes ten seconds


def launch(source: Path | str, select: str = "*", *words: str) -> None:
    """Materialize assets with ``dagster asset materialize``, which ``dg launch --assets`` does too: it loads the definitions itself.

    Args:
        source: A file with definitions, or the name of a module.
        select: Which assets. Default: all.
        words: More options, such as ``--partition``.
    """
    where = ["-m", source] if isinstance(source, str) else ["-f", str(source)]
    _dagster("asset", "materialize", "--select", select, *where, "--config-json", _IN_ONE_PROCESS, *words)


def execute(source: Path, job: str) -> None:
    """Run a job with ``dagster job execute``."""
    _dagster("job", "execute", "-f", str(source), "-j", job)


def _dagster(*words: str) -> None:
    [command] = entry_points(group="console_scripts", name="dagster")
    known, handlers = set(sys.modules), logging.root.handlers[:]
    with mock.patch.object(sys, "argv", ["dagster", *words]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster's own: the command is superseded by dg, which lags behind
        try:
            command.load()()
        except SystemExit as end:
            assert not end.code, f"dagster {' '.join(words)}"
        finally:
            logging.root.handlers[:] = handlers
            for name in set(sys.modules) - known:
                if str(Path.cwd()) in str(getattr(sys.modules[name], "__file__", "")):
                    del sys.modules[name]
