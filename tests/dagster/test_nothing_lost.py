"""What a mistake of the user's costs: never a text that was paid for, and never a silence."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, Document, DocumentsByPartition, DocumentsIndex, DocumentStore, maintenance
from tests.dagster.conftest import House, reason


@dg.asset
def broken_off(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
    """A generation that ends in the middle."""
    with documents.attempt(context) as attempt:
        attempt.raw = "half"
        raise ConnectionError("gone")


@pytest.mark.parametrize(
    "wrong", [{"db_url": "mysql://host/db"}, {"docs_root": "nowhere://bucket"}, {"docs_root": "s3://user:pw@bucket"}]
)
def test_settings_that_cannot_be_used_are_refused_before_a_body_runs(house: House, wrong: dict[str, str]) -> None:
    """A body pays for its text."""
    ran = []

    @dg.asset
    def draft() -> str:
        ran.append(True)
        return "paid for"

    result = house.run([draft], manager=wrong)

    assert (result.success, ran) == (False, [])


@pytest.mark.parametrize(
    ("returned", "metadata", "manager"),
    [
        pytest.param(Document("paid for", metadata={"o": object()}), {}, {}, id="metadata that is no JSON"),
        pytest.param(Document("paid for", metadata={"a": "x" * 65 * 2**20}), {}, {}, id="metadata of 65 MiB"),
        pytest.param(
            Document("paid for", model_id="m" * 33 * 2**20, metadata={"a": "x" * 33 * 2**20}),
            {},
            {},
            id="66 MiB in all",
        ),
        pytest.param("paid for", {"doc_io/parser": 5}, {}, id="a parser that is no name"),
        pytest.param("paid for", {}, {"stages": ["another"]}, id="a stage that is not on the list"),
        pytest.param(
            "paid for", {}, {"task_tables": {"draft": {"path": "gone.csv", "task_id": "id"}}}, id="no task table"
        ),
    ],
)
def test_the_text_of_a_document_that_cannot_be_filed_is_kept(
    house: House, returned: Any, metadata: dict[str, Any], manager: dict[str, Any]
) -> None:
    """As gen_error, with the reason; the step fails and says where it is."""

    @dg.asset(metadata=metadata, partitions_def=dg.StaticPartitionsDefinition(["a"]))
    def draft() -> Any:
        return returned

    said = reason(house.run([draft], manager=manager, partition_key="a"), "draft")
    [row] = house.store.history("draft", "a")

    assert (row.status, house.store.read(row)) == ("gen_error", "paid for")
    assert f"was kept as a gen_error document: {row.doc_id}" in said
    assert row.meta_small["error"]


def test_a_failed_attempt_is_seen_on_its_asset(house: House) -> None:
    """Dagster drops what a body logs as an event when the body raises."""
    house.run([broken_off])
    [row] = house.store.history("broken_off", "broken_off")
    [seen] = house.instance.fetch_observations(dg.AssetKey("broken_off"), limit=10).records

    assert seen.asset_observation is not None
    assert seen.asset_observation.metadata["failed_doc_id"].value == row.doc_id


def test_a_failed_attempt_waits_in_the_spool_while_the_store_is_away(house: House) -> None:
    """As what an asset returns does."""
    (house.root / "docs").write_text("in the way")

    house.run([broken_off])
    (house.root / "docs").unlink()
    [recovered] = maintenance.recover(house.store, house.root / "spool")

    assert recovered.row is not None
    assert house.store.read(recovered.row) == "half"


def test_where_neither_store_nor_spool_can_be_written_both_reasons_are_reported(house: House) -> None:
    """The first one is what must be mended."""
    (house.root / "docs").write_text("in the way")
    (house.root / "spool").write_text("in the way")

    @dg.asset
    def draft() -> str:
        return "paid for"

    said = reason(house.run([draft]), "draft")

    assert f"docs root {house.root}/docs" in said
    assert f"spool {house.root}/spool could not keep 1 document on this machine" in said


def test_metadata_that_has_no_effect_is_warned_of(house: House) -> None:
    """A misspelt key, an input that is none."""

    @dg.asset(metadata={"doc_io/stgae": "essay", "doc_io/parent": "nothere"})
    def draft() -> str:
        return "text"

    result = house.run([draft])
    warnings = [each.user_message for each in house.instance.all_logs(result.run_id) if each.level == 30]

    assert any("doc_io/stgae is nothing that doc_io knows" in each for each in warnings)
    assert any("doc_io/parent names 'nothere', and the inputs are none" in each for each in warnings)


def test_a_dict_of_what_has_no_partitions_is_refused(house: House) -> None:
    """There are no keys to give it."""

    @dg.asset
    def draft() -> str:
        return "text"

    @dg.asset
    def essay(draft: dict[str, str]) -> str:
        return str(draft)

    assert "there are no partitions that the keys of a dict could be" in reason(house.run([draft, essay]), "essay")


def test_the_index_is_where_a_store_of_the_same_root_expects_it(tmp_path: Path) -> None:
    """So that the command line and a notebook see what a pipeline wrote."""
    root = str(tmp_path / "other" / "docs")
    with DocumentStore(root) as store:
        assert DocDirIOManager(docs_root=root).store.index.name == store.index.name
    assert DocDirIOManager().store.index.name == str(Path("data/db/documents.sqlite").absolute())


def test_documents_whose_index_is_missing_fail_the_run_before_a_body_runs(house: House) -> None:
    """A new index beside them would make a pipeline believe that nothing was made yet."""

    @dg.asset
    def draft() -> str:
        return "text"

    house.run([draft])
    house.store.close()
    for file in house.root.glob("documents.sqlite*"):
        file.unlink()

    result = house.run([draft])

    assert not result.success
    assert not result.get_step_failure_events()
    said = [str(each.event_specific_data) for each in result.all_events]
    assert any("Rebuild the index with `doc-io reindex`" in each for each in said)


def test_of_a_run_over_many_partitions_with_a_wrong_key_the_right_texts_are_kept(house: House) -> None:
    """They were paid for too."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), backfill_policy=dg.BackfillPolicy.single_run())
    def draft() -> DocumentsByPartition:
        return DocumentsByPartition({"a": "text of a", "B": "text of b"})

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    said = reason(house.run([draft], tags=tags), "draft")
    [row] = house.store.history("draft", "a")

    assert "not of this run: 'B'" in said
    assert (row.status, house.store.read(row)) == ("gen_error", "text of a")


def test_a_whole_answer_of_a_refused_output_is_not_paid_for_again(house: House) -> None:
    """One value of a run over many partitions is no text, one field of another is wrong: only the first is asked again."""
    asked: list[str] = []

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), backfill_policy=dg.BackfillPolicy.single_run())
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        wrong: dict[str, Any] = {} if asked else {"metadata": {"seed": object()}}
        found: dict[str, Any] = {}
        for key in context.partition_keys:
            prompt = f"Write of {key}."
            found[key] = documents.reuse(context, prompt=prompt, partition_key=key)
            if found[key] is None:
                asked.append(key)
                found[key] = Document(f"text of {key}", prompt=prompt, **wrong)
        return DocumentsByPartition(found | ({"b": 7} if wrong else {}))

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}

    assert not house.run([draft], tags=tags).success
    assert house.run([draft], tags=tags).success
    assert asked == ["a", "b", "b"]
    assert {key: house.store.read(row) for key, row in house.store.latest_many("draft", ["a", "b"]).items()} == {
        "a": "text of a",
        "b": "text of b",
    }


@pytest.mark.parametrize("odd", [json.loads("[" * 80 + "]" * 80), 10**800], ids=["deep", "digits"])
def test_metadata_past_a_limit_of_the_record_costs_only_itself(house: House, odd: object) -> None:
    """Whoever keeps what is right of a document has the limits of the one who writes it."""

    @dg.asset
    def draft() -> Document:
        return Document("paid for", metadata={"odd": odd, "seed": 1})

    said = reason(house.run([draft]), "draft")
    [row] = house.store.history("draft", "draft")

    assert "metadata['odd']" in said
    assert (row.status, house.store.read(row), row.meta_small["seed"]) == ("gen_error", "paid for", 1)


def test_a_provider_s_response_that_is_returned_as_it_is_is_kept(house: House) -> None:
    """It is no text, so the step fails; the answer is there."""
    response = {
        "object": "chat.completion",
        "model": "m",
        "choices": [{"message": {"content": "paid for"}, "finish_reason": "stop"}],
    }

    @dg.asset(metadata={"doc_io/template_id": "essay-2"})
    def draft() -> Any:
        return response

    said = reason(house.run([draft]), "draft")
    [row] = house.store.history("draft", "draft")

    assert "it is dict, not text" in said
    assert row.doc_id in said
    assert (row.status.value, row.template_id, house.store.read(row)) == ("gen_error", "essay-2", "paid for")


def test_what_is_refused_keeps_no_prompt_where_prompts_are_not_kept(house: House) -> None:
    @dg.asset
    def draft() -> Document:
        return Document("paid for", prompt="a secret", metadata={"odd": object()})

    house.run([draft], manager={"prompt_copy": False})
    [row] = house.store.history("draft", "draft")

    assert (row.prompt_path, house.store.read(row)) == (None, "paid for")
