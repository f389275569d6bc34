"""The search for canaries finds them: each way in which a secret could come out turns a run red."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

SAID = {
    "print": "print(SECRET)",
    "standard_error": "print(SECRET, file=sys.stderr)",
    "log": "logging.getLogger('any').warning('with %s', SECRET)",
    "exception_in_a_log": "logging.getLogger('any').error('failed', exc_info=ValueError(SECRET))",
    "caught_error": "pytest.raises(DocIOError, fail)",
    "command": "CliRunner().invoke(click.Command('c', callback=lambda: click.echo(SECRET)))",
    "program": "subprocess.run([sys.executable, '-c', f'print({SECRET!r})'], capture_output=True)",
}
KEPT = {
    "deep_file": "(tmp_path / 'a').mkdir(); (tmp_path / 'a' / 'file').write_text('a ' + SECRET)",
    "row": "sqlite3.connect(tmp_path / 'x.sqlite').executescript(f\"CREATE TABLE t AS SELECT '{SECRET}'\").close()",
    "pickled": "(tmp_path / 'pickle').write_bytes(pickle.dumps({'password': SECRET}))",
}
SILENT = {"nothing": "assert SECRET.startswith('canary')"}
TOP = """
import logging, pickle, sqlite3, subprocess, sys
import click, pytest
from click.testing import CliRunner
from doc_io import DocIOError
from tests.canaries import canary
SECRET = canary("this test")
def fail():
    raise DocIOError(reason=SECRET)
"""


def run(folder: Path, bodies: dict[str, str], *options: str) -> str:
    """What a pytest of its own said of such tests; none of them fails by itself."""
    (folder / "run").mkdir()
    tests = [f"def test_{name}(tmp_path):\n    {body}\n" for name, body in bodies.items()]
    (folder / "run" / "test_it.py").write_text(TOP + "".join(tests))
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(folder / "run"), *options]
    paths = ["-p", "tests.canary_search", "--basetemp", str(folder / "base"), str(folder / "run" / "test_it.py")]
    done = subprocess.run([*command, *paths], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == (1 if "Leaked: " in done.stdout else 0), done.stdout
    return done.stdout


def test_a_secret_that_is_said_turns_its_test_red(tmp_path: Path) -> None:
    """Whoever says it, and whoever catches it; a test that only holds one stays green."""
    said = run(tmp_path, SAID | SILENT)

    assert f"{len(SAID)} failed, 1 passed" in said


def test_a_secret_in_a_file_turns_the_run_red(tmp_path: Path) -> None:
    """As the suite is run: the files lie in a worker's folder, and the run is the controller's."""
    said = run(tmp_path, KEPT | SILENT, "-n", "1")

    assert f"{len(KEPT) + 1} passed" in said
    for name in ("file", "x.sqlite", "pickle"):
        assert f"/{name}'" in said


def test_a_secret_that_stays_inside_is_no_leak(tmp_path: Path) -> None:
    """To hold it, and to compare it, is what it is for."""
    assert "Leaked" not in run(tmp_path, SILENT)
