"""What Dagster's UI shows of a document: the answer first, nothing of the author's replaced, no failure over a good one."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from doc_io import Document, DocumentsByPartition, DocumentsIndex
from doc_io.errors import ConfigurationError
from tests.dagster.conftest import House, failure, materializations, reason

PAGE = "http://localhost:8712"
TOPICS = dg.StaticPartitionsDefinition(["cats", "dogs"])
IN_ONE_RUN = dg.BackfillPolicy.single_run()
OF_BOTH = {"dagster/asset_partition_range_start": "cats", "dagster/asset_partition_range_end": "dogs"}


def observed(house: House, asset: str) -> list[dict[str, Any]]:
    """The metadata of an asset's observations, the newest first."""
    records = house.instance.fetch_observations(dg.AssetKey(asset), limit=10).records
    return [
        {name: value.value for name, value in record.asset_observation.metadata.items()}
        for record in records
        if record.asset_observation is not None
    ]


def test_a_person_sees_page_status_score_and_preview_first(house: House) -> None:
    """And ids and paths after all that one may want to know."""

    @dg.asset
    def score() -> Document:
        return Document("7 of 10", score=7)

    made = materializations(house.run([score], manager={"page_url": f"{PAGE}/"}))["score"]
    row = house.store.latest("score", "score")

    assert row is not None
    assert list(made)[:4] == ["page", "status", "score", "preview"]
    assert list(made)[-2:] == ["path", "dagster/uri"]
    assert (made["page"], made["status"], made["score"]) == (f"{PAGE}/d/{row.doc_id}", "ok", 7.0)


def test_no_page_is_named_where_none_is_given(house: House) -> None:
    @dg.asset
    def draft() -> str:
        return "text"

    assert next(iter(materializations(house.run([draft]))["draft"])) == "status"


@pytest.mark.parametrize("url", ["ftp://host/docs", "localhost:8712", "http://user:word@host"])
def test_a_page_that_nobody_could_or_should_open_is_refused(house: House, url: str) -> None:
    """It goes into every event."""
    with pytest.raises(ValueError, match="page_url") as refused:
        house.run([], manager={"page_url": url})

    assert "word" not in str(refused.value).replace("password", "")


def test_a_long_line_of_a_preview_is_wrapped(house: House) -> None:
    """Dagster scrolls a code block sideways; no character is lost."""
    text = f"{'many words ' * 30}\n    indented\n\n{'x' * 100}"

    @dg.asset
    def draft() -> str:
        return text

    preview = materializations(house.run([draft]))["draft"]["preview"]
    lines = preview.split("\n")[1:-1]

    assert max(map(len, lines)) <= 80
    assert "".join(lines) == text.replace("\n", "")
    assert "    indented" in lines


def test_a_kept_failure_does_not_cover_the_good_document(house: House) -> None:
    """Both are in the partition's panel: no name of the failure is one of the materialization's, but that of its page."""
    answers = iter(["good", Document("half", finish_reason="length")])

    @dg.asset
    def draft() -> Any:
        return next(answers)

    settings = {"page_url": PAGE}
    good = materializations(house.run([draft], manager=settings))["draft"]
    house.run([draft], manager=settings)
    [failed] = observed(house, "draft")
    kept = house.store.history("draft", "draft")[0]

    assert set(good).isdisjoint(failed)
    assert list(failed)[:4] == ["failed_page", "failed_status", "failed_reason", "failed_preview"]
    assert failed["failed_page"] == f"{PAGE}/d/{kept.doc_id}"
    assert (failed["failed_status"], failed["failed_doc_id"]) == ("truncated", kept.doc_id)


def test_a_task_that_was_never_ok_shows_why(house: House) -> None:
    """What an observation of it says, and the page of the attempt in the body's own case too."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context, prompt="Why?") as attempt:
            attempt.raw = "half an"
            raise TimeoutError("after 30 s")

    house.run([draft], manager={"page_url": PAGE})
    [failed] = observed(house, "draft")

    assert failed["failed_reason"] == "TimeoutError: after 30 s"
    assert next(iter(failed)) == "failed_page"
    assert "half an" in failed["failed_preview"]


def test_the_failure_of_a_step_begins_with_the_page_too(house: House) -> None:
    """Of one document, of several, and of one that could not be filed as it was."""

    @dg.asset
    def one() -> Document:
        return Document("half", finish_reason="length")

    @dg.asset(partitions_def=TOPICS, backfill_policy=IN_ONE_RUN)
    def several() -> DocumentsByPartition:
        return DocumentsByPartition({"cats": Document("half", finish_reason="length"), "dogs": "whole"})

    @dg.asset
    def refused() -> Document:
        return Document("paid for", metadata={"no json": {object()}})

    settings = {"page_url": PAGE}
    shown = {
        asset.key.to_user_string(): failure(
            house.run([asset], manager=settings, tags=OF_BOTH if asset is several else {}), asset.key.to_user_string()
        ).user_failure_data.metadata
        for asset in (one, several, refused)
    }
    kept = house.store.latest("several", "cats", {"truncated"})

    assert kept is not None
    assert {name: next(iter(each)) for name, each in shown.items()} == {
        "one": "failed_page",
        "several": "page",
        "refused": "failed_page",
    }
    [listed] = shown["several"]["failed_documents"].value
    assert (listed["page"], listed["reason"]) == (f"{PAGE}/d/{kept.doc_id}", "finish_reason length")


def by_context(context: dg.AssetExecutionContext) -> Any:
    context.add_output_metadata({"preview": "mine", "status": "final"})
    return "text"


def by_output(context: dg.AssetExecutionContext) -> dg.Output[str]:
    return dg.Output("text", metadata={"preview": "mine", "status": "final"})


def by_result(context: dg.AssetExecutionContext) -> Any:
    return dg.MaterializeResult(value="text", metadata={"preview": "mine", "status": "final"})


def by_asset_metadata(context: dg.AssetExecutionContext) -> Any:
    context.add_asset_metadata({"preview": "mine", "status": "final"})
    return "text"


@pytest.mark.parametrize("body", [by_context, by_output, by_result, by_asset_metadata])
def test_the_authors_own_metadata_is_not_replaced(
    house: House, body: Callable[[dg.AssetExecutionContext], Any]
) -> None:
    """The same way for each form."""
    draft = dg.asset(name="draft")(body)

    made = materializations(house.run([draft]))["draft"]

    assert (made["preview"], made["status"]) == ("mine", "final")
    assert made["raw_chars"] == 4


@pytest.mark.parametrize("body", [by_context, by_output, by_result, by_asset_metadata])
def test_nor_is_it_in_a_run_over_several_partitions(
    house: House, body: Callable[[dg.AssetExecutionContext], Any]
) -> None:
    """Where Dagster lets what an IO manager says of a partition win over everything."""

    def both(context: dg.AssetExecutionContext) -> Any:
        made = body(context)
        texts = DocumentsByPartition({"cats": "text", "dogs": "text"})
        if isinstance(made, dg.Output):
            return dg.Output(texts, metadata=made.metadata)
        if isinstance(made, dg.MaterializeResult):
            return dg.MaterializeResult(value=texts, metadata=made.metadata)
        return texts

    if body is by_output:
        both.__annotations__["return"] = dg.Output
    draft = dg.asset(name="draft", partitions_def=TOPICS, backfill_policy=IN_ONE_RUN)(both)

    made = materializations(house.run([draft], tags=OF_BOTH))

    assert {(each["preview"], each["status"]) for each in made.values()} == {("mine", "final")}
    assert len(made) == 2


def test_what_an_author_says_of_one_partition_is_not_replaced(house: House) -> None:
    """By context.add_asset_metadata with a partition; the other partition has ours."""

    @dg.asset(partitions_def=TOPICS, backfill_policy=IN_ONE_RUN)
    def draft(context: dg.AssetExecutionContext) -> DocumentsByPartition:
        context.add_asset_metadata({"status": "final"}, partition_key="cats")
        return DocumentsByPartition({"cats": "text", "dogs": "text"})

    made = materializations(house.run([draft], tags=OF_BOTH))

    assert (made["draft|cats"]["status"], made["draft|dogs"]["status"]) == ("final", "ok")


def test_the_partitions_of_a_run_are_not_listed_again_for_each_of_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's add_asset_metadata does that, and copies what it was told before: 70 s for 20,000 partitions."""
    listed = dg.StaticPartitionsDefinition.get_partition_keys_in_range
    times = 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal times
        times += 1
        return listed(*arguments, **options)

    def listings(count: int) -> int:
        nonlocal times
        keys = [f"{number:02}" for number in range(count)]

        @dg.asset(partitions_def=dg.StaticPartitionsDefinition(keys), backfill_policy=IN_ONE_RUN)
        def draft() -> DocumentsByPartition:
            return DocumentsByPartition({key: f"text {key}" for key in keys})

        times = 0
        ends = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
        made = materializations(house.run([draft], tags=ends))
        assert [each["status"] for each in made.values()] == ["ok"] * count
        return times

    monkeypatch.setattr(dg.StaticPartitionsDefinition, "get_partition_keys_in_range", counted)

    assert listings(40) == listings(10)


def test_what_an_author_says_is_with_the_good_ones_of_a_run_that_fails(house: House) -> None:
    """on_bad_status: skip makes their materializations itself."""

    @dg.asset(partitions_def=TOPICS, backfill_policy=IN_ONE_RUN)
    def draft(context: dg.AssetExecutionContext) -> DocumentsByPartition:
        context.add_output_metadata({"status": "final", "topic": "animals"})
        return DocumentsByPartition({"cats": "text", "dogs": Document("half", finish_reason="length")})

    house.run([draft], manager={"on_bad_status": "skip"}, tags=OF_BOTH)
    [record] = house.instance.fetch_materializations(dg.AssetKey("draft"), limit=10).records
    made = record.asset_materialization

    assert made is not None
    assert (made.partition, made.metadata["status"].value, made.metadata["topic"].value) == ("cats", "final", "animals")


@pytest.mark.parametrize(
    ("value", "what_to_do"), [(None, "-> None"), ({"a": 1}, "json.dumps"), ([1], "io_manager_key"), (b"x", "decode()")]
)
def test_what_is_no_text_is_answered_with_what_to_return(house: House, value: object, what_to_do: str) -> None:
    @dg.asset
    def draft() -> Any:
        return value

    assert what_to_do in reason(house.run([draft]), "draft")


@pytest.mark.parametrize("tag", ["experiment", "as_of", "force"])
def test_a_run_tag_without_its_prefix_is_warned_of(house: House, capfd: pytest.CaptureFixture[str], tag: str) -> None:
    """It would have no effect, in silence."""

    @dg.asset
    def draft() -> str:
        return "text"

    house.run([draft], tags={tag: "pilot"})

    assert f"did you mean doc_io/{tag}?" in capfd.readouterr().err


def test_a_misspelt_run_tag_of_ours_is_warned_of(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    @dg.asset
    def draft() -> str:
        return "text"

    house.run([draft], tags={"doc_io/experimnt": "pilot"})

    assert "doc_io/experimnt is nothing that doc_io knows" in capfd.readouterr().err


def test_an_unknown_setting_is_refused_at_launch_too(house: House) -> None:
    """As when the class is made: docs would go elsewhere in silence."""
    with pytest.raises(ConfigurationError, match="Did you mean docs_root"):
        house.run([], manager={"doc_root": "elsewhere"})
