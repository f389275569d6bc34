"""The store's trouble never costs a second generation."""

import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import tenacity
from click.testing import CliRunner

from doc_io import Document, DocumentStore, maintenance
from doc_io.cli.main import group
from doc_io.errors import ConfigurationError
from doc_io.writing.spool import spooled
from tests.dagster.conftest import House, failure, reason


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
def draft() -> Document:
    """A text that was paid for."""
    return Document("paid \ud800 for", prompt="p", extras={"a": b"\0"}, metadata={"seed": 1})


def test_a_text_that_the_store_cannot_take_waits_in_the_spool(house: House) -> None:
    """The step fails once, and says how to recover."""
    (house.root / "docs").write_text("in the way")
    result = house.run([draft])
    said = reason(result, "draft")

    assert spooled(house.root / "spool") == 1
    assert f"doc-io --docs-root {house.root}/docs --db {house.root}/documents.sqlite recover {house.root}/spool" in said
    assert not any(event.event_type_value == "STEP_UP_FOR_RETRY" for event in result.all_events)


def test_the_command_that_the_failure_names_files_the_text(house: House) -> None:
    """To be copied and pasted."""
    (house.root / "docs").write_text("in the way")
    result = house.run([draft])
    (house.root / "docs").unlink()
    said = failure(result, "draft").user_failure_data.description
    command = said.split("file them with: doc-io ")[1].split(". The reason")[0]
    done = CliRunner().invoke(group, shlex.split(command))

    assert done.exit_code == 0, done.output
    assert house.store.read(house.store.history("draft", "draft")[0]) == "paid \ud800 for"


def test_what_is_recovered_counts_as_materialized(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partition turns green, with the metadata that its run would have left, and nothing is paid for again."""
    paid: list[str] = []

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a/b", "draft"]))
    def draft(context: dg.AssetExecutionContext) -> str:
        paid.append(context.partition_key)
        return f"paid for {context.partition_key}"

    @dg.asset
    def other() -> str:
        return "no partitions"

    @dg.asset
    def failed() -> Document:
        return Document("cut", status="truncated")

    home = tmp_path / "dagster_home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (house.root / "docs").write_text("in the way")
    for key in ("a/b", "draft"):
        house.run([draft], partition_key=key)
    house.run([other, failed])
    said = reason(house.run([other]), "other")
    (house.root / "docs").unlink()
    done = CliRunner().invoke(group, shlex.split(said.split("file them with: doc-io ")[1].split(". The reason")[0]))

    assert done.exit_code == 0, done.output
    assert "Reported 5 of them" in done.output
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("draft")) == {"a/b", "draft"}
        event = instance.get_latest_materialization_event(dg.AssetKey("other"))
        assert event is not None
        assert event.asset_materialization is not None
        newest = house.store.latest("other", "other")
        assert newest is not None
        assert event.asset_materialization.metadata["doc_id"].value == newest.doc_id
        assert event.asset_materialization.partition is None
        assert instance.get_latest_materialization_event(dg.AssetKey("failed")) is None
        assert instance.fetch_observations(dg.AssetKey("failed"), limit=1).records
    assert paid == ["a/b", "draft"]


def test_the_next_run_says_what_still_waits(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """With the command: where Dagster's storage was away too, nobody was told when it was spooled."""
    (house.root / "docs").write_text("in the way")
    house.run([draft])
    (house.root / "docs").unlink()
    capfd.readouterr()
    house.run([dg.asset(name="other")(lambda: "text")])

    said = capfd.readouterr().err
    assert "1 document of failed steps" in said
    assert f"recover {house.root}/spool" in said


def test_a_spooled_text_is_filed_once_under_its_identity(house: House) -> None:
    """With all that belongs to it; then the spool is empty."""
    (house.root / "docs").write_text("in the way")
    result = house.run([draft])
    (house.root / "docs").unlink()
    [recovered] = list(maintenance.recover(house.store, house.root / "spool"))
    [row] = house.store.history("draft", "draft")

    assert (recovered.row, recovered.error) == (row, None)
    assert (row.run_id, row.asset_key) == (result.run_id, "draft")
    assert (house.store.read(row), house.store.read(row, "prompt")) == ("paid \ud800 for", "p")
    assert house.store.stored(row).metadata == {"seed": 1}
    assert (spooled(house.root / "spool"), list(maintenance.recover(house.store, house.root / "spool"))) == (0, [])


def test_what_was_filed_before_is_not_made_anew(house: House) -> None:
    """A recovery that died after the row and before the spool was emptied."""
    (house.root / "docs").write_text("in the way")
    house.run([draft])
    (house.root / "docs").unlink()
    kept = house.root / "kept"
    (house.root / "spool").rename(kept)
    shutil.copytree(kept, house.root / "spool")
    first, second = (
        next(iter(maintenance.recover(house.store, folder))).row for folder in (kept, house.root / "spool")
    )

    assert first == second
    assert len(house.store.history("draft", "draft")) == 1


def test_a_damaged_spooled_text_stays_and_does_not_stop_the_rest(house: House) -> None:
    """It is named with its reason."""
    (house.root / "docs").write_text("in the way")
    house.run([draft])
    house.run([draft])
    (house.root / "docs").unlink()
    damaged = min((house.root / "spool").rglob("raw.txt"))
    damaged.write_text("other")
    found = {each.doc_id: each for each in maintenance.recover(house.store, house.root / "spool")}

    assert sorted(each.error is None for each in found.values()) == [False, True]
    assert "not what was saved" in str(found[damaged.parent.name].error)
    assert spooled(house.root / "spool") == 1


def test_a_short_trouble_is_waited_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the manager: neither Dagster nor the user sees any of it."""
    in_the_way = house.root / "docs"
    in_the_way.write_text("in the way")
    # It ends while the manager waits before another try.
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: in_the_way.unlink()))

    result = house.run([draft])

    assert result.success
    assert spooled(house.root / "spool") == 0


def test_without_a_spool_the_error_is_the_stores_own(house: House) -> None:
    """Whoever turned it off is told what failed."""
    (house.root / "docs").write_text("in the way")
    assert "The docs root" in reason(house.run([draft], manager={"spool": ""}), "draft")
    assert not (house.root / "spool").exists()


@pytest.mark.parametrize("trouble", ["index"])
def test_a_text_is_spooled_also_when_the_index_is_away(house: House, tmp_path: Path, trouble: str) -> None:
    """Identity needs no index."""
    (house.root / "gone").write_text(trouble)
    result = house.run([draft], manager={"db_path": str(house.root / "gone" / "documents.sqlite")})

    assert not result.success
    assert spooled(house.root / "spool") == 1
    list(maintenance.recover(house.store, house.root / "spool"))
    assert house.store.history("draft", "draft")[0].run_id == result.run_id


def test_a_spool_of_another_store_is_neither_filled_nor_filed(house: House, tmp_path: Path) -> None:
    """Two stores of one working folder have the same spool by default; what one could not take must not end in the other."""

    @dg.asset
    def draft() -> str:
        return "paid for"

    elsewhere = {"docs_root": str(tmp_path / "other"), "db_path": str(tmp_path / "other.sqlite")}
    for root in ("docs", "other"):
        (tmp_path / root).write_text("in the way")
    house.run([draft])
    said = reason(house.run([draft], manager=elsewhere), "draft")
    for root in ("docs", "other"):
        (tmp_path / root).unlink()

    with DocumentStore(tmp_path / "other", tmp_path / "other.sqlite") as other:
        with pytest.raises(ConfigurationError, match="meant for another store"):
            list(maintenance.recover(other, house.root / "spool"))
        [beside] = tmp_path.glob("spool-*")
        assert str(beside) in said
        assert [each.error for each in maintenance.recover(other, beside)] == [None]
    assert [each.error for each in maintenance.recover(house.store, house.root / "spool")] == [None]


@pytest.mark.parametrize("of", ["this store", "another store", "this store before it had an id"])
def test_a_docs_root_is_no_spool_and_loses_nothing(house: House, tmp_path: Path, of: str) -> None:
    """What is recovered leaves its spool: documents would leave their docs root."""
    row = house.store.save("here to stay", stage="draft", task_id="t")
    root = house.root / "docs"
    if of == "this store before it had an id":
        (root / ".doc_io" / "store.json").unlink()
    store = DocumentStore(tmp_path / "other" / "docs") if of == "another store" else house.store

    with pytest.raises(ConfigurationError, match="it is a docs root"):
        list(maintenance.recover(store, root))
    assert (root / row.doc_dir / "raw.txt").read_text() == "here to stay"


def test_a_spool_in_the_place_of_the_docs_root_is_refused_before_a_body_runs(house: House) -> None:
    """A copy that is kept meanwhile would be removed from it with its document."""
    ran = []

    @dg.asset
    def draft() -> str:
        ran.append(True)
        return "text"

    result = house.run([draft], manager={"spool": str(house.root / "docs")})

    assert not result.success
    assert ran == []
