"""A pipeline can be replayed on the documents it saw."""

import os
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager
from tests.dagster.conftest import House, reason


@dg.asset
def essay(draft: str) -> str:
    """Which draft it saw."""
    return f"from {draft}"


DRAFT = dg.AssetSpec("draft")


def drafts(house: House) -> Any:
    """Two versions, and a run that read the first of them."""
    old = house.store.save("old", stage="draft", task_id="draft")
    first = house.run([DRAFT, essay])
    new = house.store.save("new", stage="draft", task_id="draft")
    return old, first.run_id, new


def newest_essay(house: House, stage: str = "essay") -> str:
    """What the last run made."""
    return house.store.read(house.store.history(stage, stage)[0])


def test_without_a_pin_the_newest_is_read(house: House) -> None:
    """The ordinary case."""
    drafts(house)
    house.run([DRAFT, essay])
    assert newest_essay(house) == "from new"


@pytest.mark.parametrize("how", ["tag", "option"])
def test_a_time_pins_what_there_was_then(house: House, how: str) -> None:
    """As a run's tag, or for every run as an option."""
    old, _, _ = drafts(house)
    pin = {"tags": {"doc_io/as_of": old.created_at}} if how == "tag" else {"manager": {"as_of": old.created_at}}
    assert house.run([DRAFT, essay], **pin).success
    assert newest_essay(house) == "from old"


def test_a_run_pins_what_it_read(house: House) -> None:
    """Its steps' parents, whatever was made since."""
    _, run_id, _ = drafts(house)
    assert house.run([DRAFT, essay], tags={"doc_io/as_of": run_id}).success
    assert newest_essay(house) == "from old"


def test_a_run_also_pins_what_it_did_not_read_to_its_own_time(house: House) -> None:
    """A new step of the pipeline sees the world of that run."""
    house.store.save("old", stage="draft", task_id="draft")

    @dg.asset
    def other() -> str:
        return "x"

    run = house.run([other])
    house.store.save("new", stage="draft", task_id="draft")
    house.run([DRAFT, essay], tags={"doc_io/as_of": run.run_id})
    assert newest_essay(house) == "from old"


@pytest.mark.parametrize("pin", ["no-such-run", "2026-99-99"])
def test_a_pin_that_names_nothing_is_a_clear_error(house: House, pin: str) -> None:
    """Not the present in its place."""
    drafts(house)
    assert f"as_of = '{pin}'" in reason(house.run([DRAFT, essay], tags={"doc_io/as_of": pin}), "essay")


@pytest.mark.skipif(
    not hasattr(dg.AssetExecutionContext, "load_asset_value"), reason="this Dagster has no context.load_asset_value"
)
def test_a_value_that_the_body_loads_by_itself_is_a_parent_too(house: House) -> None:
    """context.load_asset_value has no step of its own; it runs within one."""

    @dg.asset
    def draft() -> str:
        return "d"

    @dg.asset(deps=[draft])
    def summary(context: dg.AssetExecutionContext) -> str:
        return f"of {context.load_asset_value(dg.AssetKey('draft'))}"

    house.run([draft, summary])
    row = house.store.history("summary", "summary")[0]

    assert house.store.read(row) == "of d"
    assert row.parent_doc_id == house.store.history("draft", "draft")[0].doc_id


def test_a_rerun_from_failure_reads_what_the_failed_run_wrote(house: House) -> None:
    """The run that it re-executes comes before newer documents of others."""
    failed = house.store.save("of the failed run", stage="draft", task_id="draft", run_id="parent")
    house.store.save("newer", stage="draft", task_id="draft", run_id="other")

    assert house.store.latest("draft", "draft", runs=["rerun", "parent"]) == failed


def chain() -> dg.JobDefinition:
    """A draft and its review, whose texts and failures the environment decides."""

    @dg.asset
    def draft() -> str:
        return os.environ["DRAFT"]

    @dg.asset
    def review(draft: str) -> str:
        if os.environ.get("BROKEN"):
            raise ValueError("not yet")
        return f"from {draft}"

    root = os.environ["ROOT"]
    return (
        dg.Definitions(
            assets=[draft, review],
            resources={"io_manager": DocDirIOManager(docs_root=f"{root}/docs", db_path=f"{root}/documents.sqlite")},
            jobs=[dg.define_asset_job("chain", executor_def=dg.in_process_executor)],
        )
        .get_repository_def()
        .get_job("chain")
    )


def test_a_rerun_of_a_rerun_reads_what_its_newest_ancestor_made(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run 1, made again by run 2, which run 3 goes on from, and run 4 from that: not what run 1 made."""
    monkeypatch.setenv("ROOT", str(house.root))

    def execute(draft: str, parent: str | None, *, broken: bool) -> str:
        monkeypatch.setenv("DRAFT", draft)
        monkeypatch.setenv("BROKEN", "yes" if broken else "")
        again = ["review"] if draft == "not made" else ["draft", "review"]
        options = None if parent is None else dg.ReexecutionOptions(parent_run_id=parent, step_selection=again)
        with dg.execute_job(
            dg.reconstructable(chain), instance=house.instance, reexecution_options=options, raise_on_error=False
        ) as result:
            return result.run_id

    first = execute("of run 1", None, broken=False)
    second = execute("of run 2", first, broken=True)
    third = execute("not made", second, broken=True)
    house.store.save("of somebody else", stage="draft", task_id="draft")
    execute("not made", third, broken=False)

    assert newest_essay(house, "review") == "from of run 2"
