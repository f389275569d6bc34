"""The search for canaries: a test, or a run, in which a secret of `tests.canaries` came out is red.

A pytest plugin, which the suite's conftest loads. It looks at what each test printed and logged, at what the programs and
commands it ran answered, at every error of doc_io, whoever catches it, and at the end at every file below the base of all temporary folders:
documents, indexes, Dagster's own databases, spools, pickles.
"""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from doc_io import DocIOError
from tests.canaries import SECRETS

ALLOWED_FILES: dict[str, str] = {
    r"(s3|sftp|gcs|azure)\d+/": "The servers' own folders: a server knows its passwords.",
}
"""Paths below a process's base folder that may hold a secret (as regular expressions), to why that is no leak."""

_MOST = 2**26  # bytes of a file that are looked at

_found: dict[str, None] = {}
_originals: list[tuple[Any, str, Any]] = []


def look(text: str, where: str) -> None:
    """Note every secret in a text."""
    for secret, name in list(SECRETS.items()):
        if secret in text:
            _found[f"the secret of {name} in {where}"] = None


class _Log(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        look(self.format(record), f"the log of {record.name}")


def pytest_configure(config: pytest.Config) -> None:
    """Be there whenever something is said."""
    make, invoke, communicate = DocIOError.__init__, CliRunner.invoke, subprocess.Popen.communicate

    def make_and_look(error: DocIOError, **facts: object) -> None:
        make(error, **facts)
        look(f"{error} {error!r} {error.facts!r}", f"the error {type(error).__name__}")

    def invoke_and_look(runner: CliRunner, *arguments: Any, **options: Any) -> Any:
        result = invoke(runner, *arguments, **options)
        look(f"{result.output} {result.exception!r}", "the output of a command")
        return result

    def communicate_and_look(process: subprocess.Popen[Any], *arguments: Any, **options: Any) -> Any:
        outputs = communicate(process, *arguments, **options)
        for output in outputs:
            look(
                output if isinstance(output, str) else bytes(output or b"").decode(errors="replace"),
                "the output of a program",
            )
        return outputs

    for owner, name, function in (
        (DocIOError, "__init__", make_and_look),
        (CliRunner, "invoke", invoke_and_look),
        (subprocess.Popen, "communicate", communicate_and_look),
    ):
        _originals.append((owner, name, getattr(owner, name)))
        setattr(owner, name, function)
    handler = _Log()
    logging.getLogger().addHandler(handler)
    config.add_cleanup(lambda: logging.getLogger().removeHandler(handler))
    config.add_cleanup(_put_back)


def _put_back() -> None:
    while _originals:
        setattr(*_originals.pop())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test in which a secret came out."""
    report = yield
    for title, text in report.sections:
        look(text, title)
    if _found and report.passed:
        report.outcome, report.longrepr = "failed", f"Leaked: {'; '.join(_found)}"
        _found.clear()
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where a file holds a secret; a worker of xdist tells its controller."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    base = getattr(factory, "_basetemp", None)  # not made where no test asked for a folder
    told = [*_found, *(_in_files(base) if base else ())]
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["canaries"] = told
        return
    told += _of_workers
    if told:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"Leaked: {told}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_of_workers: list[str] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a worker of xdist found."""
    _of_workers.extend(getattr(node, "workeroutput", {}).get("canaries", ()))


def _in_files(base: Path) -> Iterator[str]:
    if not SECRETS:
        return
    pattern = re.compile(b"|".join(re.escape(secret.encode()) for secret in SECRETS))
    for path in base.rglob("*"):
        relative = path.relative_to(base).as_posix()
        if path.is_symlink() or not path.is_file() or any(re.match(allowed, relative) for allowed in ALLOWED_FILES):
            continue
        try:
            with path.open("rb") as file:
                hit = pattern.search(file.read(_MOST))
        except OSError:
            continue
        if hit:
            yield f"the secret of {SECRETS[hit[0].decode()]} in the file {relative}"
