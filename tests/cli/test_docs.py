"""docs/cli.md is true: each of its examples is run, and each command has one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from doc_io import errors
from doc_io.cli.main import group
from tests import pages

PAGE = pages.page("docs/cli.md")
PYTHON = pages.blocks(pages.page("docs/python.md"), "python")
EXAMPLES = re.findall(r"^\$ doc-io (.+)$", PAGE, flags=re.MULTILINE)


def test_every_example_of_the_page_ends_with_success(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in one store, as a reader might type them."""
    monkeypatch.chdir(place)
    old = place / "old" / "3_generation" / "draft_responses_raw"
    old.mkdir(parents=True)
    (old / "task-3_v1.txt").write_text("An old draft.", encoding="utf-8")
    (place / "data" / "spool").mkdir()
    for example in EXAMPLES:
        result = CliRunner().invoke(group, shlex.split(example, comments=True))

        assert result.exit_code == 0, f"doc-io {example}\n{result.output}\n{result.exception!r}"
        assert result.output.strip() or "export" in example, example


def test_the_examples_for_python_run_one_after_the_other(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same small store; what they name is there."""
    monkeypatch.chdir(place)
    names = pages.run(PYTHON)

    assert len(names["attempts"]) == 3
    assert list(names["texts"]) == [row.doc_id for row in names["drafts"]]
    assert names["frame"]["raw"].notna().all()
    assert names["unsound"] == []
    assert names["plan"].dry_run


def test_every_command_has_an_example() -> None:
    """And a help text."""
    shown = {example.split()[0] for example in EXAMPLES}

    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    assert shown == set(commands)
    assert all(command is not None and command.help for command in commands.values())


def test_every_exit_code_is_in_the_table() -> None:
    """By kind of error."""
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)}
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.DocIOError)]

    assert {kind.exit_code for kind in kinds} <= listed
