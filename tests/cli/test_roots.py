"""What the command line says of a docs root that it cannot use."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from doc_io import DocumentStore
from tests.cli.conftest import Run


@pytest.mark.parametrize("words", [("ls",), ("reindex",), ("copy", "elsewhere", "db.sqlite")])
@pytest.mark.parametrize("root", ["s3://key:hidden@bucket/docs", "az://container/docs?sig=hidden"])
def test_a_secret_in_a_root_is_not_repeated(run: Run, root: str, words: tuple[str, ...]) -> None:
    """Neither where there is an index nor where there is none; the message says where it belongs."""
    for index in ("data/db/documents.sqlite", "nothing.sqlite"):
        said = run("--docs-root", root, "--db", index, *words)

        assert said.returncode == 3
        assert "`DOC_IO_STORAGE_OPTIONS`" in said.stderr
        assert "hidden" not in said.stdout + said.stderr


def test_a_secret_in_the_root_of_a_copy_is_not_repeated(run: Run) -> None:
    """The target's, too."""
    said = run("copy", "s3://key:hidden@bucket/docs", "db.sqlite")

    assert said.returncode == 3
    assert "hidden" not in said.stdout + said.stderr


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A docs root with one document; its index is beside it."""
    with DocumentStore(tmp_path / "home" / "data" / "docs") as store:
        store.save("text", stage="draft", task_id="t")
    return tmp_path / "home" / "data" / "docs"


def test_a_root_one_level_off_is_reported_where_the_documents_are(run: Run, documents: Path) -> None:
    """And makes no index of nothing."""
    for root in (documents.parent, documents / "draft"):
        for command in ("ls", "reindex"):
            said = run("--docs-root", str(root), command)
            assert said.returncode == 3
            assert f"The documents are in {documents}:" in said.stderr
    assert not list(documents.parent.parent.glob("db"))


def test_an_index_that_is_missing_is_made_by_the_command_that_the_error_names(run: Run, documents: Path) -> None:
    """On the store that was named."""
    for file in (documents.parent / "db").iterdir():
        file.unlink()
    said = run("--docs-root", str(documents), "ls")
    command = said.stderr.partition("`doc-io ")[2].partition("`")[0]

    assert command == f"--docs-root {documents} reindex"
    assert run(*shlex.split(command)).returncode == 0
    assert run("--docs-root", str(documents), "ls").returncode == 0


@pytest.mark.parametrize("spelling", ["{home}/data/docs", "file://{home}/data/docs", "~/data/docs"])
@pytest.mark.parametrize("how", ["option", "environment", "pyproject"])
def test_the_place_of_a_store_is_the_same_however_it_is_spelled(
    run: Run, documents: Path, tmp_path: Path, spelling: str, how: str
) -> None:
    """Its index is beside it, as for `DocumentStore` in Python."""
    home = documents.parent.parent
    root, folder = spelling.format(home=home), tmp_path / "project"
    folder.mkdir()
    options, environment = [], {"HOME": str(home)}
    if how == "option":
        options = ["--docs-root", root]
    elif how == "environment":
        environment["DOC_IO_DOCS_ROOT"] = root
    else:
        (folder / "pyproject.toml").write_text(f'[tool.doc_io]\ndocs_root = "{root}"\n')

    said = json.loads(run("status", "--json", *options, cwd=folder, **environment).stdout)

    assert said["documents"] == 1
    assert said["index"] == str(documents.parent / "db" / "documents.sqlite")


def test_the_command_in_an_error_about_the_target_of_a_copy_acts_on_the_target(
    run: Run, documents: Path, tmp_path: Path
) -> None:
    """Pasted, it must not empty the index of the source."""
    target = tmp_path / "new place"
    root, index = target / "docs", target / "db" / "documents.sqlite"
    with DocumentStore(root, index) as store:
        store.save("text", stage="draft", task_id="t")
    root.rename(target / "unmounted")
    source = ["--docs-root", str(documents)]

    said = run(*source, "copy", str(root), str(index))
    command = said.stderr.partition("`doc-io ")[2].partition("`")[0]

    assert said.returncode == 8
    assert shlex.split(command) == ["--docs-root", str(root), "--db", str(index), "reindex", "--empty"]
    assert run(*shlex.split(command)).returncode == 0
    assert json.loads(run(*source, "status", "--json").stdout)["documents"] == 1


def test_the_command_in_an_error_about_the_source_of_a_copy_acts_on_the_source(
    run: Run, documents: Path, tmp_path: Path
) -> None:
    """As for any other command."""
    documents.rename(documents.with_name("unmounted"))

    said = run("--docs-root", str(documents), "copy", str(tmp_path / "new" / "docs"), str(tmp_path / "new.sqlite"))

    assert f"`doc-io --docs-root {documents} reindex --empty`" in said.stderr
    assert not (tmp_path / "new.sqlite").exists()


def test_a_reindex_says_when_it_takes_an_index_over_and_when_it_leaves_documents_out(
    run: Run, documents: Path, tmp_path: Path
) -> None:
    """Both are obeyed: rows can be made again from the documents."""
    other = tmp_path / "other.sqlite"
    with DocumentStore(tmp_path / "other" / "docs", other) as store:
        store.save("text", stage="draft", task_id="t")
    source = ["--docs-root", str(documents), "--db", str(other), "reindex"]

    first, again, empty = run(*source), run(*source), run(*source, "--empty")

    assert [said.returncode for said in (first, again, empty)] == [0, 0, 0]
    assert "another store" in first.stderr
    assert "another store" not in again.stderr
    assert "brings them in" in empty.stderr
    assert "brings them in" not in again.stderr


def test_a_file_that_a_reindex_renames_is_told(run: Run, documents: Path, tmp_path: Path) -> None:
    """To a person and to a program; its content stays."""
    notes = tmp_path / "notes.txt"
    for words in ([], ["--json"]):
        notes.write_text("mine, and no database")
        said = run("--docs-root", str(documents), "--db", str(notes), "reindex", *words)
        kept = json.loads(said.stdout)["set_aside"] if words else said.stderr.partition("kept as ")[2].strip(".\n")

        assert Path(kept).read_text() == "mine, and no database"
        Path(kept).unlink()


def test_an_unknown_setting_is_answered_with_the_one_that_was_meant(run: Run, tmp_path: Path) -> None:
    """As a mistyped command is."""
    (tmp_path / "pyproject.toml").write_text('[tool.doc_io]\ndoc_root = "data/docs"\n')

    said = run("ls", cwd=tmp_path)

    assert said.returncode == 3
    assert "Did you mean docs_root?" in said.stderr
