"""``doc-io rename``: what is typed, what is answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doc_io import DocumentStore
from tests.cli.conftest import Run


def test_a_renamed_stage_is_found_under_its_new_name_and_renamed_back(run: Run) -> None:
    """Every command asks the same index."""
    before = run("ls", "--json").stdout

    assert run("rename", "draft", "first_draft").stdout == "Renamed 5 documents of draft to first_draft.\n"

    assert run("cat", "first_draft/task-2").stdout == "second draft of task-2"
    assert run("ls", "--stage", "draft").returncode == 4
    assert run("verify", "--full", "--no-notes").returncode == 0
    assert run("rename", "first_draft", "draft").returncode == 0
    assert run("ls", "--json").stdout == before


def test_an_asset_without_partitions_and_one_task_are_renamed(run: Run, place: Path) -> None:
    """What becomes of the task is said."""
    with DocumentStore(place / "data" / "docs") as store:
        store.save("a post", stage="blog.post", task_id="blog/post")

    assert "Task blog/post is item." in run("rename", "blog.post", "item").stdout
    assert "Task task-1 is a/b." in run("rename", "draft/task-1", "draft/a/b").stdout
    assert run("cat", "item/item").stdout == "a post"
    assert run("show", "draft/a/b").returncode == 0


def test_a_dry_run_and_json_say_what_would_be_renamed(run: Run) -> None:
    """Nothing is changed."""
    said = json.loads(run("rename", "draft/task-1", "draft/x", "--dry-run", "--json").stdout)

    assert said == {"documents": 3, "tasks": {"task-1": "x"}, "merged": 0, "dry_run": True}
    assert run("show", "draft/x").returncode == 4


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("drafts", "x"), 4, "Did you mean draft?"),
        (("draft/task-9", "draft/x"), 4, "draft/task-1"),
        (("draft", "essay"), 5, "--merge"),
        (("draft", "blog/draft"), 2, "blog.draft"),
        (("draft/task-1", "x"), 2, "STAGE/TASK"),
        (("draft", "draft"), 2, "the same name"),
        (("draft",), 2, "NEW"),
    ],
)
def test_what_cannot_be_renamed_is_answered_with_what_to_do(
    run: Run, words: tuple[str, ...], code: int, hint: str
) -> None:
    """And nothing is changed."""
    result = run("rename", *words)

    assert (result.returncode, hint in result.stderr) == (code, True), result.stderr
