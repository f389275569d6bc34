"""Dagster's own tests, with `DocDirIOManager` in the place of its default IO managers: ``python -m tests.dagster_suite``.

The sdist of the installed Dagster has its tests. It is downloaded into a temporary folder, and only ``dagster_tests`` is
unpacked, so that the installed Dagster is what runs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.dagster_suite.files import ALL, SHORT

REPOSITORY = Path(__file__).resolve().parents[2]

# What the tests import beyond Dagster, without dependencies: those are there, or would hide the versions under test.
PACKAGES = ("pytest-asyncio", "morefs", "aiofile", "caio")

# dagster_tests is imported by pytest and by every process of an executor, always before the module with the test.
INSTALL = "\nfrom tests.dagster_suite.adapter import install\n\ninstall()\n"


def main() -> int:
    """Run the files and give pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.dagster_suite")
    parser.add_argument("--short", action="store_true", help="only the files that CI runs")
    parser.add_argument("--sdist", type=Path, help="an sdist of Dagster that is here already; default: download it")
    parser.add_argument("-n", "--workers", default="2", help="processes of pytest (default: 2)")
    parser.add_argument(
        "only", nargs="*", help="files or tests below dagster_tests; default: all that go through an IO manager"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dagster_suite-") as name:
        work = Path(name)
        unpack(chosen.sdist or download(work / "sdist"), work)
        pip("install", "--no-deps", "--target", str(work / "packages"), *PACKAGES)
        return run(work, chosen.only or (SHORT if chosen.short else ALL), chosen.workers)


def download(folder: Path) -> Path:
    """Fetch the sdist of the Dagster that is installed."""
    version = importlib.metadata.version("dagster")
    pip("download", "--no-deps", "--no-binary", "dagster", "--dest", str(folder), f"dagster=={version}")
    return next(folder.glob("dagster-*.tar.gz"))


def unpack(sdist: Path, work: Path) -> None:
    """Unpack ``dagster_tests`` into a folder, and have it install the adapter whenever it is imported."""
    with tarfile.open(sdist) as archive:
        for member in archive:
            _, _, member.name = member.name.partition("/")
            if member.name.startswith("dagster_tests/"):
                archive.extract(member, work, filter="data")
    (work / "dagster_tests/conftest.py").unlink()  # it imports dagster_test, which is not published
    with (work / "dagster_tests/__init__.py").open("a", encoding="utf-8") as module:
        module.write(INSTALL)
    (work / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")


def run(work: Path, tests: list[str], workers: str) -> int:
    """Run tests with pytest in a process of its own."""
    (work / "home").mkdir()
    paths = [str(REPOSITORY / "src"), str(REPOSITORY), str(work), str(work / "packages")]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", workers, "--timeout", "300", "-p", "no:cacheprovider"),
            *(
                "-p",
                "tests.dagster_suite.plugin",
                "-p",
                "pytest_asyncio",
                "--tb",
                "short",
                "--disable-warnings",
            ),
            *(f"dagster_tests/{test}" for test in tests),
        ],
        cwd=work,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "DAGSTER_RECORD_DEFENSIVE_CHECKS": "true",  # as their conftest.py has it
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "TMPDIR": str(work / "home"),
        },
    ).returncode


def pip(*arguments: str) -> None:
    """Run pip quietly."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
