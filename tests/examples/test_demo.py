"""The demo: what a newcomer sees first, run as they run it."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo has run once."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def output(home: Path) -> str:
    """What the first run printed."""
    return run_demo(home)


def run_demo(folder: Path) -> str:
    """Run the demo as ``make demo`` does, in a folder of its own, with no model in the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "DAGSTER_"))}
    environment["PYTHONPATH"] = os.pathsep.join([environment.get("PYTHONPATH", ""), str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-m", "examples.essay_pipeline.demo"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def counted(folder: Path) -> list[tuple[str, str, int]]:
    """What the README's line of SQL answers."""
    connection = sqlite3.connect(folder / "data/db/documents.sqlite")
    try:
        return connection.execute("select stage, status, count(*) from documents group by 1, 2").fetchall()
    finally:
        connection.close()


def told(output: str) -> list[tuple[str, str, int]]:
    """The demo's own table."""
    lines = re.findall(r"^  (draft|essay|evaluation|scoreboard) +(\w+) +(\d+)$", output, re.MULTILINE)
    return [(stage, status, int(count)) for stage, status, count in lines]


def test_its_table_is_what_the_index_holds(home: Path, output: str) -> None:
    """Ten packages, one of them twice; one draft and one essay were cut, and one essay again; nothing ran on what was cut."""
    assert told(output) == counted(home)
    assert told(output) == [
        ("draft", "ok", 10),
        ("draft", "truncated", 1),
        ("essay", "ok", 9),
        ("essay", "truncated", 2),
        ("evaluation", "ok", 9),
        ("scoreboard", "ok", 1),
    ]


def test_the_folders_it_names_open(home: Path, output: str) -> None:
    """One good document and one that failed, each with its text."""
    (document,) = re.findall(r"^  (data/docs/evaluation/\S+)/$", output, re.MULTILINE)
    (failure,) = re.findall(r"^  (data/docs/essay/\S+)$", output, re.MULTILINE)

    assert (home / document / "parsed.txt").read_text() in {str(score) for score in range(11)}
    assert "SCORE:" in (home / document / "raw.txt").read_text()
    assert "How well does the essay keep" in (home / document / "prompt.txt").read_text()
    assert len((home / failure).read_text().split()) == 25


def test_it_traces_an_evaluation_to_its_draft(output: str) -> None:
    """The lineage is three lines, from the judged to the first."""
    assert re.search(r"evaluation +\w{16} .*\n +← essay +\w{16} .*\n +← draft +\w{16} ", output)


def test_it_ends_with_the_two_templates_compared(output: str) -> None:
    """Half of the packages got each, one of them both; the second template keeps more of the notes."""
    groups = sorted(re.findall(r"^  (essay-[12]) +(\d+) +([\d.]+) +([\d.]+)$", output, re.MULTILINE))
    assert [(name, int(count)) for name, count, _, _ in groups] == [("essay-1", 4), ("essay-2", 5)]
    (_, _, first, _), (_, _, second, _) = groups
    assert float(second) > float(first)


def test_its_commands_are_those_of_the_environment_that_runs_it(output: str) -> None:
    """As they are to be typed where the environment is not activated."""
    commands = re.findall(r"^  (\S*doc-io) (?:compare|serve)", output, re.MULTILINE)

    assert commands == [str(Path(sys.executable).with_name("doc-io"))] * 2


def test_every_row_has_a_folder_that_opens(home: Path, output: str) -> None:
    """The index tells the truth about the disk."""
    connection = sqlite3.connect(home / "data/db/documents.sqlite")
    folders = [folder for (folder,) in connection.execute("select doc_dir from documents")]
    connection.close()

    assert len(folders) == 32
    assert all((home / "data/docs" / folder / "raw.txt").is_file() for folder in folders)


def test_a_second_run_adds_versions(home: Path, output: str) -> None:
    """Nothing is replaced: the first run's documents stay."""
    first = counted(home)
    second = run_demo(home)

    assert counted(home) == [(stage, status, 2 * count) for stage, status, count in first]
    assert told(second) == counted(home)
