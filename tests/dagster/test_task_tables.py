"""A CSV of tasks gives template, model and parent to the documents of its partitions."""

import dagster as dg
import pytest

from doc_io import Document, TaskTable
from tests.dagster.conftest import House, reason

TASKS = dg.StaticPartitionsDefinition(["e1", "e2", "unlisted"])


@dg.asset(partitions_def=TASKS)
def essay() -> str:
    """A text of a task."""
    return "e"


@pytest.fixture
def table(house: House) -> dict[str, TaskTable]:
    """Two essays, each of a draft."""
    path = house.root / "essay_tasks.csv"
    path.write_text("essay_task,template,llm,draft_task\ne1,t1,m1,d1\ne2,t2,m2,d2\n")
    return {
        "essay": TaskTable(
            path=str(path),
            task_id="essay_task",
            template_id="template",
            model_id="llm",
            parent_task_id="draft_task",
            parent_stage="draft",
        )
    }


def test_template_model_and_parent_come_from_the_table(house: House, table: dict[str, TaskTable]) -> None:
    """The parent is the latest ok document of the task that it names."""
    parent = house.store.save("d", stage="draft", task_id="d1")
    house.store.save(Document("half", status="truncated"), stage="draft", task_id="d1")
    assert house.run([essay], partition_key="e1", manager={"task_tables": table}).success
    [row] = house.store.history("essay", "e1")

    assert (row.template_id, row.model_id, row.parent_doc_id) == ("t1", "m1", parent.doc_id)


def test_what_the_asset_says_wins_over_the_table(house: House, table: dict[str, TaskTable]) -> None:
    """The document, and the output's metadata."""

    @dg.asset(partitions_def=TASKS, name="essay")
    def telling() -> Document:
        return Document("e", model_id="mine")

    house.run([telling], partition_key="e1", manager={"task_tables": table})
    assert house.store.history("essay", "e1")[0].model_id == "mine"


def test_a_task_that_the_table_lacks_is_a_clear_error(house: House, table: dict[str, TaskTable]) -> None:
    """It names task and table; the text is kept as a failed one."""
    said = reason(house.run([essay], partition_key="unlisted", manager={"task_tables": table}), "essay")

    assert "unlisted" in said
    assert "essay_tasks.csv" in said
    assert [row.status for row in house.store.history("essay", "unlisted")] == ["gen_error"]
