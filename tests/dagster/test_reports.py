"""The report assets: what they say of a store, and how they are kept."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from doc_io import Document, Usage, documents_consistency_report, documents_latest_report
from doc_io.testing import TemporaryDocuments, temporary_documents


@pytest.fixture
def documents() -> Iterator[TemporaryDocuments]:
    with temporary_documents() as made:
        yield made


def latest(documents: TemporaryDocuments) -> tuple[list[dict[str, str]], dg.AssetMaterialization]:
    """The report's CSV, and what it said to Dagster."""
    result = dg.materialize([documents_latest_report], resources=documents.resources)
    text = documents.read(documents_latest_report)
    assert text is not None
    [materialization] = result.asset_materializations_for_node("documents_latest_report")
    return list(csv.DictReader(io.StringIO(text))), materialization


def test_the_latest_report_has_a_line_for_every_task(documents: TemporaryDocuments) -> None:
    first = documents.store.save(Document("a", usage=Usage(10, 20)), stage="draft", task_id="cats")
    documents.store.save(Document("b", finish_reason="length"), stage="draft", task_id="cats")
    documents.store.save(Document("c", finish_reason="length"), stage="draft", task_id="dogs")

    lines, _ = latest(documents)

    found = [(each["task_id"], each["doc_id"], each["attempts"], each["newest_status"]) for each in lines]
    assert found == [("dogs", "", "1", "truncated"), ("cats", first.doc_id, "2", "truncated")]


def test_what_is_not_ok_comes_first_with_its_reason_and_a_summary_above(documents: TemporaryDocuments) -> None:
    """Never ok, then failing, then the rest; nobody scrolls past what is well."""
    documents.store.save("a", stage="draft", task_id="ants")
    documents.store.save("b", stage="draft", task_id="bees")
    documents.store.save(Document("half", finish_reason="length"), stage="draft", task_id="bees")
    error = {"error": "TimeoutError:\nafter 30 s"}
    documents.store.save(Document(None, status="gen_error", metadata=error), stage="draft", task_id="cats")

    lines, materialization = latest(documents)
    table = materialization.metadata["latest"]

    assert [(line["task_id"], line["reason"]) for line in lines] == [
        ("cats", "TimeoutError: after 30 s"),
        ("bees", "finish_reason length"),
        ("ants", ""),
    ]
    shown = [name for name in materialization.metadata if name in ("summary", "latest", "tasks")]
    assert shown == ["summary", "latest", "tasks"]
    assert materialization.metadata["summary"].value == (
        "**2 of 3 tasks not ok**: 1 gen_error, 1 truncated. 1 of them never had an ok document."
    )
    assert isinstance(table, dg.TableMetadataValue)
    assert [(record.data["newest_status"], record.data["reason"]) for record in table.records] == [
        ("gen_error", "TimeoutError: after 30 s"),
        ("truncated", "finish_reason length"),
        ("ok", ""),
    ]


def test_a_report_on_what_is_well_says_so(documents: TemporaryDocuments) -> None:
    documents.store.save("a", stage="draft", task_id="cats")

    said = latest(documents)[1].metadata["summary"].value

    assert said == "**1 task, and the newest attempt of each is ok.**"


def test_its_numbers_are_metadata_that_the_ui_plots(documents: TemporaryDocuments) -> None:
    documents.store.save(Document("a", usage=Usage(10, 20)), stage="draft", task_id="cats")
    documents.store.save(Document("b", usage=Usage(1, 2)), stage="draft", task_id="dogs")
    documents.store.save(Document("c", finish_reason="length"), stage="draft", task_id="owls")

    _, materialization = latest(documents)

    names = ("tasks", "tasks_without_ok", "prompt_tokens", "completion_tokens")
    assert [materialization.metadata[name].value for name in names] == [3, 1, 11, 22]


def test_its_table_is_in_the_metadata(documents: TemporaryDocuments) -> None:
    documents.store.save("a", stage="draft", task_id="cats")

    table = latest(documents)[1].metadata["latest"]

    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["task_id"] for record in table.records] == ["cats"]


def test_a_report_leaves_itself_out(documents: TemporaryDocuments) -> None:
    documents.store.save("a", stage="draft", task_id="cats")
    latest(documents)

    assert [line["stage"] for line in latest(documents)[0]] == ["draft"]


def test_a_report_of_an_empty_store_has_no_lines(documents: TemporaryDocuments) -> None:
    assert latest(documents)[0] == []


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(documents: TemporaryDocuments) -> None:
    documents.store.save("a", stage="draft", task_id='=HYPERLINK("http://127.0.0.1")')

    assert latest(documents)[0][0]["task_id"] == '\'=HYPERLINK("http://127.0.0.1")'


def test_a_hostile_name_is_escaped_in_the_table(documents: TemporaryDocuments) -> None:
    documents.store.save("a", stage="draft", task_id="\x1b[31mred")

    table = latest(documents)[1].metadata["latest"]

    assert isinstance(table, dg.TableMetadataValue)
    assert table.records[0].data["task_id"] == r"\x1b[31mred"


def differences(documents: TemporaryDocuments) -> tuple[list[dict[str, str]], dg.AssetMaterialization]:
    """The consistency report's CSV, and what it said to Dagster."""
    result = dg.materialize([documents_consistency_report], resources=documents.resources)
    text = documents.read(documents_consistency_report)
    assert text is not None
    [materialization] = result.asset_materializations_for_node("documents_consistency_report")
    return list(csv.DictReader(io.StringIO(text))), materialization


def test_the_consistency_report_finds_nothing_in_a_sound_store(documents: TemporaryDocuments) -> None:
    documents.store.save("a", stage="draft", task_id="cats")

    lines, materialization = differences(documents)

    assert lines == []
    assert materialization.metadata["damages"].value == 0


def test_a_lost_file_is_in_the_consistency_report(documents: TemporaryDocuments) -> None:
    """In the CSV, in the table, and as a number that the UI plots."""
    row = documents.store.save("a", stage="draft", task_id="cats")
    Path(str(documents.store.resolve_doc_dir(row)), "raw.txt").unlink()

    lines, materialization = differences(documents)

    assert [(line["kind"], line["where"]) for line in lines] == [("damaged", row.doc_dir)]
    assert materialization.metadata["damages"].value == 1
    assert materialization.metadata["found/damaged"].value == 1
    table = materialization.metadata["findings"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["where"] for record in table.records] == [row.doc_dir]


def test_a_task_without_an_ok_document_is_a_note_and_no_damage(documents: TemporaryDocuments) -> None:
    documents.store.save(Document("cut", finish_reason="length"), stage="draft", task_id="cats")

    _, materialization = differences(documents)

    assert [materialization.metadata[name].value for name in ("damages", "notes")] == [0, 1]
