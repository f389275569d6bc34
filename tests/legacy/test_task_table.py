"""A task table says what a task is made with and made from, or why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doc_io import ConfigurationError, Task, TaskTable, UnknownTaskError

if TYPE_CHECKING:
    from pathlib import Path

ESSAYS = """essay_task_id,draft_task_id,essay_template,generation_model
"e, 1",d1,plain,deepseek
e2,,,
"""


@pytest.fixture
def table(tmp_path: Path) -> TaskTable:
    """The essays of a pipeline."""
    path = tmp_path / "essays.csv"
    path.write_text(ESSAYS, encoding="utf-8")
    return TaskTable(
        path=str(path),
        task_id="essay_task_id",
        template_id="essay_template",
        model_id="generation_model",
        parent_task_id="draft_task_id",
        parent_stage="draft",
    )


def test_a_line_names_template_model_and_parent(table: TaskTable) -> None:
    """Each column is found by the name it was given; a quoted task id may hold a comma."""
    assert table.lookup(["e, 1"]) == {"e, 1": Task("plain", "deepseek", "d1", "draft")}


def test_an_empty_cell_names_nothing(table: TaskTable) -> None:
    """An empty cell is not an empty name, and without a parent there is no parent's stage."""
    assert table.lookup(["e2"]) == {"e2": Task()}


def test_a_task_without_a_line_is_named_with_its_table(table: TaskTable) -> None:
    """The message says which task, which table and which column."""
    with pytest.raises(
        UnknownTaskError, match=r"'e9' is not in the task table .*essays\.csv \(column essay_task_id, 2"
    ):
        table.lookup(["e2", "e9"])


def test_a_column_that_is_not_there_is_an_error_that_lists_the_others(table: TaskTable) -> None:
    """A misspelt column must not read as "not known"."""
    misspelt = TaskTable(path=table.path, task_id="essay_task")
    with pytest.raises(ConfigurationError, match=r"no column 'essay_task'.*'essay_task_id', 'draft_task_id'"):
        misspelt.lookup(["e2"])


def test_a_table_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ConfigurationError, match=r"nothing\.csv cannot be used: it is not there"):
        TaskTable(path=str(tmp_path / "nothing.csv")).lookup(["t"])


def test_two_different_lines_for_one_task_are_an_error(tmp_path: Path) -> None:
    """Which of them holds cannot be guessed; the same line twice does no harm."""
    path = tmp_path / "t.csv"
    path.write_text("task_id,model\na,x\na,x\n", encoding="utf-8")
    assert TaskTable(path=str(path), model_id="model").lookup(["a"])["a"].model_id == "x"

    path.write_text("task_id,model\na,x\na,y\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="two different things of task 'a'"):
        TaskTable(path=str(path), model_id="model").lookup(["a"])


def test_the_byte_order_mark_of_a_spreadsheet_is_not_part_of_a_name(tmp_path: Path) -> None:
    """Excel writes one when it saves "CSV UTF-8"."""
    path = tmp_path / "t.csv"
    path.write_bytes("\ufefftask_id,model\r\nä,x\r\n".encode())

    assert TaskTable(path=str(path), model_id="model").lookup(["ä"])["ä"].model_id == "x"


def test_a_table_that_was_written_again_counts(table: TaskTable, tmp_path: Path) -> None:
    """Pipelines make their task tables in the same run that uses them."""
    (tmp_path / "essays.csv").write_text(ESSAYS.replace("deepseek", "other"), encoding="utf-8")

    assert table.lookup(["e, 1"])["e, 1"].model_id == "other"


@pytest.mark.parametrize("content", [b"\xff\xfe", b'task_id\n"never closed'])
def test_a_file_that_is_no_csv_is_a_configuration_error(tmp_path: Path, content: bytes) -> None:
    """Whatever is in the file, the error says which file it was."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"t\.csv"):
        TaskTable(path=str(path)).lookup(["t"])


def test_a_parent_needs_its_stage() -> None:
    """A task alone does not say which document is meant."""
    with pytest.raises(ConfigurationError, match="only one of parent_task_id and parent_stage"):
        TaskTable(path="t.csv", parent_task_id="draft_task_id")
