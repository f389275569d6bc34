"""Failed generations are kept, and then the step fails."""

from typing import Any

import dagster as dg
import pytest

from doc_io import Document, DocumentsIndex, register_parser
from tests.dagster.conftest import House, failure, reason


def ok_then(house: House, document: Any) -> Any:
    """An asset that made a good document, and now makes another; with one asset downstream."""
    answers = iter(["good", document])

    @dg.asset
    def draft() -> Any:
        return next(answers)

    @dg.asset
    def essay(draft: str) -> str:
        return f"from {draft}"

    house.run([draft])
    return house.run([draft, essay])


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (Document("half", finish_reason="length"), "truncated"),
        (Document("half", finish_reason="max_tokens"), "truncated"),
        (Document("bad", status="parse_error"), "parse_error"),
        (Document("raw", parser="no.such.parser"), "parse_error"),
        (Document(None, status="gen_error"), "gen_error"),
    ],
)
def test_a_document_that_is_not_ok_is_written_and_then_its_step_fails(
    house: House, document: Document, status: str
) -> None:
    """Downstream never runs on it, and the older ok version stays the latest."""
    result = ok_then(house, document)
    kept, good = house.store.history("draft", "draft")

    assert not result.success
    assert (kept.status, house.store.latest("draft", "draft")) == (status, good)
    assert house.store.stored(kept).raw == document.raw
    assert house.store.history("essay", "essay") == []


def test_the_failure_shows_the_kept_document(house: House) -> None:
    """doc_id, doc_dir, status and a preview."""
    result = ok_then(house, Document("half an answer", finish_reason="length"))
    kept = house.store.history("draft", "draft")[0]
    shown = failure(result, "draft").user_failure_data

    assert kept.doc_id in shown.description
    assert {name: shown.metadata[f"failed_{name}"].value for name in ("doc_id", "doc_dir", "status", "reason")} == {
        "doc_id": kept.doc_id,
        "doc_dir": kept.doc_dir,
        "status": "truncated",
        "reason": "finish_reason length",
    }
    assert "half an answer" in shown.metadata["failed_preview"].value


def test_an_observation_records_it_on_the_asset_and_no_materialization_does(house: House) -> None:
    """The partition must not look made."""
    result = ok_then(house, Document("half", finish_reason="length"))
    kept = house.store.history("draft", "draft")[0]
    [observed] = house.instance.fetch_observations(dg.AssetKey("draft"), limit=10).records
    made = house.instance.fetch_materializations(dg.AssetKey("draft"), limit=10).records

    assert observed.asset_observation is not None
    assert observed.asset_observation.metadata["failed_doc_id"].value == kept.doc_id
    assert observed.run_id == result.run_id
    assert result.run_id not in {record.run_id for record in made}


def test_a_parser_that_raises_keeps_the_raw_answer(house: House) -> None:
    """doc_io/parser names it; the answer was paid for."""
    register_parser("strict", lambda raw: str(int(raw)))
    answers = iter(["42", "forty-two"])

    @dg.asset(metadata={"doc_io/parser": "strict"})
    def score() -> str:
        return next(answers)

    house.run([score])
    result = house.run([score])
    bad, good = house.store.history("score", "score")

    assert (house.store.read(good), good.parser) == ("42", "strict")
    assert (bad.status, house.store.read(bad, "raw"), bad.parsed_chars) == ("parse_error", "forty-two", None)
    assert "invalid literal" in reason(result, "score")


def test_a_retry_policy_may_try_again_and_every_attempt_is_kept(house: House) -> None:
    """Another generation may be good; each attempt is a document of its own."""
    answers = iter([Document("1", finish_reason="length"), Document("2", finish_reason="length"), "3"])

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=3))
    def draft() -> Any:
        return next(answers)

    assert house.run([draft]).success
    history = house.store.history("draft", "draft")
    assert [(row.status, house.store.read(row)) for row in history] == [
        ("ok", "3"),
        ("truncated", "2"),
        ("truncated", "1"),
    ]
    assert len({row.doc_id for row in history}) == 3


def test_what_a_body_had_when_it_raised_is_kept(house: House) -> None:
    """Prompt and answer so far, as gen_error; the exception goes on."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a"]), metadata={"doc_io/template_id": "t"})
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context, prompt="say it", model_id="m") as attempt:
            attempt.raw += "half an ans"
            raise ConnectionError("the line went dead")

    result = house.run([draft], partition_key="a")
    [row] = house.store.history("draft", "a")

    assert "the line went dead" in reason(result, "draft")
    assert (row.status, row.template_id, row.model_id, row.run_id) == ("gen_error", "t", "m", result.run_id)
    assert (house.store.read(row), house.store.read(row, "prompt")) == ("half an ans", "say it")
    assert row.meta_small["error"] == "ConnectionError: the line went dead"


def test_an_attempt_that_succeeds_writes_nothing_by_itself(house: House) -> None:
    """What the body returns is the document."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context) as attempt:
            attempt.raw += "whole"
        return attempt.raw

    assert house.run([draft]).success
    assert [row.status for row in house.store.history("draft", "draft")] == ["ok"]


def test_each_failed_attempt_inside_of_one_body_is_kept(house: House) -> None:
    """A body may catch the error and ask again."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        for number in range(2):
            try:
                with documents.attempt(context) as attempt:
                    attempt.raw = f"try {number}"
                    raise TimeoutError  # noqa: TRY301 - this is what is tested
            except TimeoutError:
                pass
        return "at last"

    assert house.run([draft]).success
    assert [row.status for row in house.store.history("draft", "draft")] == ["ok", "gen_error", "gen_error"]


def test_an_error_in_the_body_is_what_the_user_sees_though_it_could_not_be_kept(house: House) -> None:
    """The store's own trouble must not hide it."""
    (house.root / "docs").write_text("in the way")

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context):
            raise KeyError("the real one")

    assert "the real one" in reason(house.run([draft]), "draft")


def test_a_skipped_document_is_a_row_and_no_failure(house: House) -> None:
    """Nothing was to be made; nothing downstream has anything to read."""

    @dg.asset
    def draft() -> Document:
        return Document.skipped("no source")

    assert house.run([draft]).success
    [row] = house.store.history("draft", "draft")
    assert (row.status, row.raw_chars, row.meta_small["skip_reason"]) == ("skipped", None, "no source")


def test_a_reader_of_a_skipped_task_gets_the_ok_document_before_it(house: House) -> None:
    """A skip is no document to read; where there never was one, an input that may be missing gets None."""
    house.store.save("made before", stage="draft", task_id="a")
    allowed = dg.AssetIn(metadata={"allow_missing_partitions": True})
    partitions = dg.StaticPartitionsDefinition(["a", "b"])
    seen = []

    @dg.asset(partitions_def=partitions)
    def draft() -> Document:
        return Document.skipped("nothing new")

    @dg.asset(partitions_def=partitions, ins={"draft": allowed})
    def essay(draft: str | None) -> Document:
        seen.append(draft)
        return Document.skipped("only looked")

    assert all(house.run([draft, essay], partition_key=key).success for key in "ab")
    assert seen == ["made before", None]


def test_one_bad_output_of_a_multi_asset_leaves_the_good_one_written(house: House) -> None:
    """Dagster aborts the step, and what was written before stays."""

    @dg.multi_asset(outs={"left": dg.AssetOut(), "right": dg.AssetOut()})
    def both() -> tuple[Any, Any]:
        return "good", Document("half", finish_reason="length")

    assert not house.run([both]).success
    assert [house.store.history(name, name)[0].status for name in ("left", "right")] == ["ok", "truncated"]
