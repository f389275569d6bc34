"""What the tests share: a store in a folder of its own, real servers, and skips that must be on a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.hypothesis_profile  # noqa: F401 - importing it loads the profile
from doc_io import DocumentStore
from tests.servers.fixtures import (  # noqa: F401 - pytest finds fixtures by their being here
    azure_server,
    careless_s3_server,
    gcs_server,
    postgres_server,
    s3_server,
    sftp_server,
)
from tests.skips import is_allowed

pytest_plugins = ["tests.canary_search"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store on the local disk with a SQLite index."""
    with DocumentStore(tmp_path / "docs") as opened:
        yield opened


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which a test was skipped for a reason that is not on the list."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of xdist: the controller has every report
        return
    skipped = [report.longrepr for report in reporter.stats.get("skipped", ())]
    reasons = {reason.removeprefix("Skipped: ") for _, _, reason in skipped}
    strange = sorted(reason for reason in reasons if not is_allowed(reason))
    if strange:
        reporter.write_line(f"Skipped for reasons that tests/skips.py does not list: {strange}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
