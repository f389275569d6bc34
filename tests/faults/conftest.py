"""What the fault tests share: the compiled library, or a listed skip where there can be none."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import skips
from tests.faults.harness import build_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that counts and breaks calls."""
    if sys.platform != "linux":
        pytest.skip(skips.NOT_LINUX)
    if shutil.which("cc") is None:
        pytest.skip(skips.NO_COMPILER)
    return build_library(tmp_path_factory.mktemp("calls"))


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: in these tests a sync is written down, not waited for."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108 - made below with a name of its own
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="doc_io-") as folder:
        yield Path(folder)
