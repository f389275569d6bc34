"""What a provider's library returned becomes a document, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io import Document, Status, Usage
from doc_io.document_checks import checked

CHAT = {
    "id": "c1",
    "model": "gpt-4.1-2026-01-01",
    "choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


def test_text_usage_and_reason_come_from_the_response() -> None:
    """The model that answered is metadata: the one that was asked for is the identity."""
    document = Document.from_response(CHAT, prompt="say hello", model_id="gpt-4.1")

    assert (document.raw, document.prompt, document.usage) == ("hello", "say hello", Usage(3, 1))
    assert (document.outcome, document.model_id, document.finish_reason) == (Status.OK, "gpt-4.1", "stop")
    assert document.metadata == {
        "response_id": "c1",
        "provider": "openai_chat",
        "provider_model": "gpt-4.1-2026-01-01",
    }


def test_the_whole_response_is_kept_unless_it_is_not_wanted() -> None:
    """In extras/response.json, beside the author's own extras."""
    extras = Document.from_response(CHAT, extras={"mine": "x"}).extras

    assert extras is not None
    assert extras["mine"] == "x"
    assert json.loads(extras["response.json"]) == CHAT
    assert Document.from_response(CHAT, keep_response=False).extras is None


@pytest.mark.parametrize("usage", [{"prompt_tokens": 1151, "completion_tokens": -35}, {"prompt_tokens": 37.25}])
def test_an_odd_statistic_costs_no_answer(usage: dict[str, Any]) -> None:
    """It is not known, it is noted, and the answer stands."""
    document = Document.from_response({**CHAT, "usage": usage})

    assert (document.raw, document.outcome) == ("hello", Status.OK)
    assert document.warnings
    assert document.metadata is not None
    assert document.metadata["response_notes"] == list(document.warnings)


def test_a_reasoning_model_that_hit_its_limit_leaves_a_truncated_document() -> None:
    """With its prompt and what it cost."""
    response = {**CHAT, "choices": [{"message": {"content": None}, "finish_reason": "length"}]}
    document = Document.from_response(response, prompt="think")

    assert (document.outcome, document.raw, document.prompt) == (Status.TRUNCATED, None, "think")
    assert document.usage == Usage(3, 1)


@pytest.mark.parametrize("response", [None, 7, {}, {"outputs": ["x"]}, object(), [CHAT]])
def test_a_response_that_is_not_understood_is_kept_as_a_failure_that_names_its_type(response: object) -> None:
    """Never as an empty ok document."""
    document = Document.from_response(response, prompt="p")

    assert (document.outcome, document.prompt) == (Status.GEN_ERROR, "p")
    assert document.metadata is not None
    assert type(response).__name__ in document.metadata["error"]
    assert document.extras is not None
    assert "response.json" in document.extras


def test_a_status_or_reason_of_the_author_wins_over_the_response() -> None:
    """The asset knows better."""
    cut = {**CHAT, "choices": [{"message": {"content": "hel"}, "finish_reason": "length"}]}

    assert Document.from_response(cut).outcome is Status.TRUNCATED
    assert Document.from_response(cut, status="ok").outcome is Status.OK
    assert Document.from_response(cut, finish_reason="stop").outcome is Status.OK


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.builds(object),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted([*CHAT, "message", "content"])), inner),
    )
)
def test_no_response_makes_it_raise(response: object) -> None:
    """And what it makes of it can be stored."""
    document = Document.from_response(response)

    assert checked(document)[1] == ()
