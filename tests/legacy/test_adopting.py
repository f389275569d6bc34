"""``docs/adopting.md`` is run as it is written: each section in an empty folder, each block in order; definitions are launched."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from doc_io.cli.main import group
from tests.launching import launch

GUIDE = (Path(__file__).parents[2] / "docs" / "adopting.md").read_text(encoding="utf-8")
SECTIONS = [section for section in re.split(r"^## ", GUIDE, flags=re.MULTILINE) if "```" in section]
BLOCK = re.compile(
    r"^```(?P<kind>\w+) ?(?P<name>\S*)\n(?P<body>.*?)^```$|^<!-- for the test:\n(?P<setup>.*?)^-->$",
    re.DOTALL | re.MULTILINE,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; modules that a section writes there are forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "dagster_home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("section", SECTIONS, ids=[section.splitlines()[0] for section in SECTIONS])
def test_a_section_of_the_guide_does_what_it_says(folder: Path, section: str) -> None:
    """What it says is printed is what is printed."""
    printed = ""
    for block in BLOCK.finditer(section):
        kind, name, body = block["kind"], block["name"], block["body"]
        if block["setup"] is not None:
            exec(compile(block["setup"], "setup", "exec"), {})  # noqa: S102 - this repository's own guide
        elif kind == "text":
            assert printed == body
        elif kind == "console":
            assert_console(body)
        elif kind in ("python", "toml"):
            path = folder / (name or "block.py")
            path.write_text(body, encoding="utf-8")
            if kind == "python":
                printed = run(path)
            if name == "definitions.py":
                launch(path, "*", *(["--partition", "d1"] if "partitions_def=" in body else []))


def run(path: Path) -> str:
    """What a program prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(path), run_name="__main__")
    return printed.getvalue()


def assert_console(body: str) -> None:
    """A command prints these lines, whatever it takes to line up their columns."""
    command, *expected = body.splitlines()
    result = CliRunner().invoke(group, command.removeprefix("$ doc-io ").split(), catch_exceptions=False)

    assert [line.split() for line in result.output.splitlines()] == [line.split() for line in expected]
