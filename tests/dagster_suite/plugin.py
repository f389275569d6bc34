"""A plugin of pytest's: each test of `differences.py` is expected to fail, and to say so when it no longer does."""

from __future__ import annotations

import pytest

from tests.dagster_suite.differences import DIFFERENCES

FOLDER = "dagster_tests/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is on the list.

    Raises:
        pytest.UsageError: An entry names no test of a file that was collected.
    """
    unused, files = set(DIFFERENCES), set()
    for item in items:
        name = item.nodeid.removeprefix(FOLDER)
        files.add(name.partition("::")[0])
        for test in (name, name.partition("[")[0]):
            if test in DIFFERENCES:
                item.add_marker(pytest.mark.xfail(reason=DIFFERENCES[test], strict=True))
                unused.discard(test)
    stale = sorted(test for test in unused if test.partition("::")[0] in files)
    if stale:
        raise pytest.UsageError(f"differences.py names tests that this version of Dagster does not have: {stale}")
