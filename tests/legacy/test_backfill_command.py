"""``doc-io backfill``: what a person sees of a backfill, and what a machine does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doc_io import DocumentStore
from doc_io.cli.main import group
from doc_io.errors import ConfigurationError


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An old tree in the working directory: two versions, and one file that is none."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/3_generation/draft_responses_raw"
    folder.mkdir(parents=True)
    for version in (1, 2):
        (folder / f"t_v{version}.txt").write_text(f"version {version}", encoding="utf-8")
    (folder / "empty_v1.txt").touch()
    return tmp_path / "data"


def run(*arguments: str) -> Result:
    """The command, as it would be typed."""
    return CliRunner().invoke(group, ["backfill", *arguments], catch_exceptions=False)


def test_it_says_what_came_in_and_what_did_not(data: Path) -> None:
    """A table of counts, and the file with the reasons."""
    result = run("--data-root", "data", "--run-id", "monday")

    assert result.exit_code == 0
    assert "2 documents were added by run monday." in result.output
    assert "draft\t3\t2\t0\t1\t2\t0\t0\t0" in result.output
    assert "Not taken in: 3_generation/draft_responses_raw/empty_v1.txt: it is empty" in result.output
    assert "No task table for draft" in result.output
    assert (data / "bad_files.csv").is_file()


def test_the_store_is_the_one_of_the_options(data: Path, tmp_path: Path) -> None:
    """Named after the command as well as before it."""
    run("--docs-root", "elsewhere/docs", "--db", "elsewhere/index.sqlite")

    with DocumentStore(tmp_path / "elsewhere/docs", tmp_path / "elsewhere/index.sqlite") as store:
        row = store.latest("draft", "t")
        assert row is not None
        assert store.read(row) == "version 2"
    assert not (data / "docs").exists()


def test_a_dry_run_says_what_would_come_in(data: Path) -> None:
    """And writes nothing."""
    assert "2 documents would be added." in run("--dry-run").output
    assert [path.name for path in data.iterdir()] == ["3_generation"]


@pytest.mark.parametrize("option", [["--link"], ["--copy-mode", "link"]])
def test_texts_can_be_links(data: Path, option: list[str]) -> None:
    """Both spellings mean the same."""
    run(*option)

    inodes = {path.stat().st_ino for path in (data / "docs").rglob("raw.txt")}
    assert inodes == {path.stat().st_ino for path in (data / "3_generation").rglob("t_v*.txt")}


def test_json_holds_the_whole_report(data: Path) -> None:
    """For machines."""
    report = json.loads(run("--json", "--stage", "draft").stdout)

    assert [(stage["stage"], stage["documents"]) for stage in report["stages"]] == [("draft", 2)]
    assert report["bad_files"][0]["reason"] == "it is empty"


def test_a_layout_of_ones_own_is_read_from_toml(data: Path, tmp_path: Path) -> None:
    """Any stage, any folders, any names."""
    (data / "answers").mkdir()
    (data / "answers/rev3-question one.md").write_text("answer", encoding="utf-8")
    (tmp_path / "layout.toml").write_text(
        r"""
        [[stage]]
        name = "answer"
        raw = ["answers"]
        pattern = 'rev(?P<version>\d+)-(?P<task>.+)\.md'
        """,
        encoding="utf-8",
    )
    assert "1 document was added" in run("--layout", "layout.toml").output

    with DocumentStore(data / "docs", data / "db/documents.sqlite") as store:
        row = store.latest("answer", "question one")
        assert row is not None
        assert store.read(row) == "answer"


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("[[stage]]\nname = 'a'\nraw = ['../out']", "leaves the data root"),
        ("[[stage]]\nname = 'a'\nraws = ['a']", "no setting 'raws'"),
        ("[[stage]]\nname = 'a'\npattern = 'x'", "no group 'task'"),
        ("[[stage]]\nname = 'a'\nraw = 'b'", "'raw' of stage 'a' is not a list of folders; write raw = [\"b\"]"),
        ("[[stage]]\nname = 'a'\nraw = [1]", "'raw' of stage 'a' is not a list of folders"),
        ("[stage]\nname = 'a'", "write [[stage]], with two brackets"),
        ("stage = 'a'", "write [[stage]], with two brackets"),
        ("[[stage]]\nname = 'a'\n[stage.tasks]\npath = 't'", "write [[stage.tasks]], with two brackets"),
        ("[[stage]]\nname = 'a'\n[[stage.tasks]]\nfile = 't'", "the tasks of stage 'a' have no setting 'file'"),
        ("[[stage]]\nname = 'a'\n[[stage.tasks]]\ntask_id = 't'", "the tasks of stage 'a' have no path"),
        ("[[stage]]\nname = 'a'\npattern = '('", "the pattern of stage 'a' is no regular expression"),
        ("[[stage]]\nname = 'a'\npattern = 1", "no group 'task'"),
        ("[[stage]]\nname = 1", "stage number 1 has no name"),
        ("[[stages]]\nname = 'a'", "no setting 'stages'"),
        ("[[stage]]\nraw = ['a']", "stage number 1 has no name"),
        ("", "names no stage"),
        ("not toml", "layout.toml"),
    ],
)
def test_a_layout_that_is_not_understood_says_what(data: Path, tmp_path: Path, layout: str, message: str) -> None:
    """A misspelt setting must not read as "nothing to do"."""
    (tmp_path / "layout.toml").write_text(layout, encoding="utf-8")

    result = CliRunner().invoke(group, ["backfill", "--layout", "layout.toml"])
    assert message in str(result.exception)
    assert isinstance(result.exception, ConfigurationError)
    assert not re.search(r"\b\w+Error\b", str(result.exception))


@pytest.mark.parametrize(
    ("layout", "looked"), [(None, "the default layout"), ("[[stage]]\nname = 'a'\nraw = ['answers']", "answers")]
)
def test_a_tree_without_any_file_is_an_error_that_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str | None, looked: str
) -> None:
    """Zero documents with success would tell nobody of a wrong folder; no list of bad files is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    if layout is not None:
        Path("layout.toml").write_text(layout, encoding="utf-8")

    result = CliRunner().invoke(
        group, ["backfill", "--data-root", "old", *(["--layout", "layout.toml"] if layout else [])]
    )

    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.exit_code == 3
    assert looked in str(result.exception)
    assert "--layout" in str(result.exception)
    assert not list((tmp_path / "old").iterdir())


def test_one_document_is_singular(data: Path) -> None:
    """Of what comes in."""
    (data / "3_generation/draft_responses_raw/t_v2.txt").unlink()

    assert "1 document would be added." in run("--dry-run").output
    assert "1 document was added by run one." in run("--run-id", "one").output
