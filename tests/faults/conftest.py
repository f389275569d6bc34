"""What the fault tests share: the compiled library, or a listed skip where there can be none."""

from __future__ import annotations

import shutil
import sys
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
