"""The values check themselves when they are made."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io import Document, DocumentsByPartition, InvalidDocumentError, Status, UnknownStatusError, Usage
from doc_io.document_checks import as_document, checked


def test_a_document_is_ok_unless_something_says_otherwise() -> None:
    """The default of an answer that came whole."""
    assert Document("text").outcome is Status.OK


@pytest.mark.parametrize(
    "reason", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "ERROR_LIMIT", "FinishReason.MAX_TOKENS"]
)
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
    """A misspelt status must not be looked for."""
    with pytest.raises(UnknownStatusError, match=r"'done'.*ok, truncated, parse_error, gen_error, skipped"):
        Status("done")


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000", "\ufeff", "\u200b\u200d\u2060", "\x00", "\u2800 \u3164"])
def test_an_empty_text_is_no_answer_unless_its_author_says_so(text: str) -> None:
    """It would become the latest, and what is made of it would be made of nothing."""
    assert (Document(text).outcome, Document(text).reason) == (Status.GEN_ERROR, "empty")
    assert Document(text, status="ok").outcome is Status.OK
    assert Document("raw", parsed=text).outcome is Status.GEN_ERROR


@pytest.mark.parametrize(
    "word",
    ["content_filter", "refusal", "SAFETY", "failed", "cancelled", "expired", "ERROR_TOXIC", "FinishReason.SPII"],
)
def test_what_the_provider_calls_no_answer_is_not_ok(word: str) -> None:
    """Also where the author built the document without `from_response`."""
    assert Document("I cannot help with that.", finish_reason=word).outcome is Status.GEN_ERROR


def test_a_finish_reason_that_is_in_no_table_is_ok_with_a_warning_that_names_it() -> None:
    """A new word of a provider must not stop a pipeline, and must not go by unseen."""
    document = Document("text", finish_reason="enough_said")

    assert document.outcome is Status.OK
    assert "enough_said" in document.warnings[0]


@pytest.mark.parametrize("raw", [b"bytes", 1, {"a": 1}, ["a"]])
def test_a_raw_text_that_is_no_string_is_refused(raw: Any) -> None:
    """Bytes have no encoding that could be known."""
    with pytest.raises(InvalidDocumentError, match="raw is"):
        Document(raw)


def test_only_a_failed_cut_or_skipped_document_may_lack_its_text() -> None:
    """None is what a forgotten return gives; a reasoning model that hit its limit has an answer without text."""
    with pytest.raises(InvalidDocumentError, match="raw is None"):
        Document(None)
    assert Document(None, status="gen_error").raw is None
    assert Document(None, finish_reason="length").outcome is Status.TRUNCATED


def test_a_skipped_document_keeps_its_reason_and_no_text() -> None:
    """The row says why there is nothing."""
    skipped = Document.skipped("no source")

    assert (skipped.outcome, skipped.raw, skipped.metadata) == (Status.SKIPPED, None, {"skip_reason": "no source"})


class Word(Enum):
    """As google-genai gives its finish reasons."""

    STOP = "STOP"


@pytest.mark.parametrize(
    ("field", "natural", "plain"),
    [
        ("usage", {"prompt_tokens": 7, "completion_tokens": 3}, Usage(7, 3)),
        ("usage", {"prompt_tokens": 7.0, "completion_tokens": 3, "total_tokens": 10}, Usage(7, 3)),
        ("usage", {"input_tokens": 7, "output_tokens": 3}, Usage(7, 3)),
        ("usage", SimpleNamespace(prompt_tokens=7, completion_tokens=3), Usage(7, 3)),
        ("finish_reason", Word.STOP, "STOP"),
        ("score", 4, 4.0),
        ("score", Decimal("0.25"), 0.25),
        ("score", True, 1.0),
        ("identifiers", {"fold": 3}, {"fold": "3"}),
        ("extras", {"a": bytearray(b"x")}, {"a": b"x"}),
        ("metadata", {1: ("a", 2)}, {"1": ["a", 2]}),
    ],
)
def test_a_natural_form_of_a_field_is_taken(field: str, natural: Any, plain: Any) -> None:
    """What a library gives, and what JSON understands."""
    document, problems = checked(Document("text", **{field: natural}))

    assert (getattr(document, field), problems, document.outcome) == (plain, (), Status.OK)


@pytest.mark.parametrize(
    ("field", "wrong", "kept"),
    [
        ("parsed", 1, None),
        ("prompt", b"x", None),
        ("status", "done", Status.GEN_ERROR),
        ("usage", "7 tokens", None),
        ("usage", Usage(-1, 3), Usage(None, 3)),
        ("usage", Usage(10**12 + 1, completion_tokens=True), Usage()),
        ("usage", {"prompt_tokens": 37.25}, Usage()),
        ("usage", {"prompt_tokens": "7", "completion_tokens": 3}, Usage(None, 3)),
        ("score", "good", None),
        ("score", float("nan"), None),
        ("model_id", 4, None),
        ("model_id", "a\0b", None),
        ("template_id", "\ud800", None),
        ("identifiers", [("a", "b")], None),
        ("identifiers", {"a": "b", "c": object()}, {"a": "b"}),
        ("extras", {"a": 1, "b": "c"}, {"b": "c"}),
        ("metadata", [1], None),
        ("metadata", {"a": object(), "b": [1]}, {"b": [1]}),
        ("metadata", {"a": float("inf"), "b": 1}, {"b": 1}),
        ("metadata", {None: 1, "b": 1}, {"b": 1}),
        ("metadata", {1: "x", "1": "y"}, {"1": "x"}),
        ("metadata", {"a": 10**5000, "b": 1}, {"b": 1}),
    ],
)
def test_a_field_that_cannot_be_stored_is_named_and_costs_nothing_else(field: str, wrong: Any, kept: Any) -> None:
    """It is told when the document is filed: here, in the body, it would cost the answer."""
    document, problems = checked(Document("text", **{"finish_reason": "stop", field: wrong}))

    assert document.raw == "text"
    assert getattr(document, field) == kept
    assert field in problems[0]
    assert document.outcome is Status.GEN_ERROR


def test_a_nesting_that_no_reader_would_read_is_named() -> None:
    """By a number, and not by the size of the stack."""
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    document, problems = checked(Document("text", metadata={"deep": deep, "flat": 1}))

    assert document.metadata == {"flat": 1}
    assert "deeper than 64 levels" in problems[0]


def test_a_skipped_document_with_text_is_kept_as_a_failure() -> None:
    """Skipped means that nothing was made, and a text was."""
    document, problems = checked(Document("text", status="skipped"))

    assert (document.outcome, document.raw) == (Status.GEN_ERROR, "text")
    assert "skipped" in problems[0]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(object),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=8,
)
FIELDS = [each.name for each in dataclasses.fields(Document) if each.name not in ("raw", "_")]


@given(raw=st.text(), given_fields=st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_whatever_fields_it_is_given_a_text_becomes_a_document(raw: str, given_fields: dict[str, Any]) -> None:
    """And what is right of it can be stored."""
    kept, problems = checked(Document(raw, **given_fields))

    assert kept.raw == raw
    assert checked(kept)[1] == ()
    assert not problems or kept.outcome is not Status.OK


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


class HostileMapping(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("iter")

    def __len__(self) -> int:
        raise RuntimeError("len")


class HostileText(str):
    """Characters that say other things of themselves."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("str")

    def encode(self, *_: Any, **__: Any) -> bytes:
        raise RuntimeError("encode")


FIELDS = [each.name for each in dataclasses.fields(Document) if each.name != "raw"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "value", [HostileMapping(), HostileText("x"), {"a": HostileMapping()}], ids=["mapping", "text", "inside"]
)
def test_a_value_whose_class_misbehaves_costs_nothing_else(field: str, value: Any) -> None:
    """Its methods raise; the text is stored."""
    document = Document(HostileText("the text"), **{field: value})
    kept, problems = checked(document)

    assert (type(kept.raw), kept.raw) == (str, "the text")
    assert isinstance(document.warnings, tuple)
    assert problems or getattr(kept, field) is not None


def test_chat_messages_are_a_prompt() -> None:
    messages = [{"role": "user", "content": "Write."}]

    assert json.loads(str(Document("text", prompt=messages).prompt)) == messages  # type: ignore[arg-type] # a natural form
