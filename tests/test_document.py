"""The values check themselves when they are made."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from doc_io import Document, DocumentsByPartition, InvalidDocumentError, Status, UnknownStatusError, Usage
from doc_io.document import as_document


def test_a_document_is_ok_unless_something_says_otherwise() -> None:
    """The default of an answer that came whole."""
    assert Document("text").outcome is Status.OK


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens"])
def test_an_answer_that_hit_the_token_limit_is_truncated(reason: str) -> None:
    """The providers' own words for it are understood."""
    assert Document("half", finish_reason=reason).outcome is Status.TRUNCATED


def test_a_given_status_wins_over_the_finish_reason() -> None:
    """The asset knows better than the provider whether a short text is enough."""
    assert Document("half", finish_reason="length", status="ok").outcome is Status.OK


def test_a_status_may_be_given_by_its_name() -> None:
    """A str enum: either form is the same."""
    assert Document("x", status="parse_error").status is Status.PARSE_ERROR


def test_an_unknown_status_is_an_error_that_lists_the_known_ones() -> None:
    """A misspelt status must not be written."""
    with pytest.raises(UnknownStatusError, match=r"'done'.*ok, truncated, parse_error, gen_error, skipped"):
        Document("x", status="done")


@pytest.mark.parametrize("raw", [b"bytes", 1, {"a": 1}, ["a"]])
def test_a_raw_text_that_is_no_string_is_refused(raw: Any) -> None:
    """Bytes have no encoding that could be known."""
    with pytest.raises(InvalidDocumentError, match="raw is"):
        Document(raw)


def test_only_a_failed_or_skipped_document_may_lack_its_text() -> None:
    """None is what a forgotten return gives."""
    with pytest.raises(InvalidDocumentError, match="raw is None"):
        Document(None)
    assert Document(None, status="gen_error").raw is None


def test_a_skipped_document_keeps_its_reason_and_no_text() -> None:
    """The row says why there is nothing."""
    skipped = Document.skipped("no source")

    assert (skipped.outcome, skipped.raw, skipped.metadata) == (Status.SKIPPED, None, {"skip_reason": "no source"})


def test_a_skipped_document_with_text_is_refused() -> None:
    """Skipped means that nothing was made."""
    with pytest.raises(InvalidDocumentError, match="skipped"):
        Document("text", status="skipped")


@pytest.mark.parametrize(
    "field",
    [
        {"parsed": 1},
        {"prompt": b"x"},
        {"identifiers": {"a": 1}},
        {"identifiers": [("a", "b")]},
        {"extras": {"a": 1}},
        {"metadata": [1]},
        {"metadata": {1: "x"}},
        {"usage": {"prompt_tokens": 1}},
        {"model_id": 4},
    ],
)
def test_a_field_of_a_wrong_type_is_refused_when_the_document_is_made(field: dict[str, Any]) -> None:
    """Early, where the traceback still shows the asset's own line."""
    with pytest.raises(InvalidDocumentError):
        Document("text", **field)


@pytest.mark.parametrize("count", [-1, 1.5, True, 2**63, "7"])
def test_a_token_count_that_no_column_can_hold_is_refused(count: Any) -> None:
    """Counts are integers of 0 to 2^63-1."""
    with pytest.raises(InvalidDocumentError, match="prompt_tokens"):
        Usage(prompt_tokens=count)


def test_a_document_cannot_be_changed() -> None:
    """Frozen: what was checked stays so."""
    document = Document("x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.raw = "y"  # type: ignore[misc]


def test_documents_by_partition_is_a_mapping_of_its_keys() -> None:
    """It reads like the dict it was made from."""
    documents = DocumentsByPartition({"a": "x", "b": Document("y")})

    assert (list(documents), documents["a"], len(documents)) == (["a", "b"], "x", 2)


def test_a_string_stands_for_a_document_with_that_text() -> None:
    """Assets just return text."""
    assert as_document("text") == Document("text")
