"""What the providers' own libraries return becomes a document."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from doc_io import Document, InvalidDocumentError, Status, Usage


def as_object(value: Any) -> Any:
    """A dict as the object with the same attributes."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_object(each) for name, each in value.items()})
    return [as_object(each) for each in value] if isinstance(value, list) else value


CHAT = {
    "id": "c1",
    "model": "gpt-4.1",
    "choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
RESPONSE = {
    "id": "r1",
    "model": "gpt-4.1",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
    "output": [
        {"type": "reasoning", "content": None},
        {"type": "message", "content": [{"type": "output_text", "text": "hel"}, {"type": "output_text", "text": "lo"}]},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
MESSAGE = {
    "id": "m1",
    "model": "claude",
    "content": [{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "hello"}],
    "stop_reason": "max_tokens",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


@pytest.mark.parametrize(
    ("response", "model", "status"),
    [(CHAT, "gpt-4.1", Status.OK), (RESPONSE, "gpt-4.1", Status.TRUNCATED), (MESSAGE, "claude", Status.TRUNCATED)],
    ids=["chat completion", "OpenAI response", "Anthropic message"],
)
@pytest.mark.parametrize("form", [dict, as_object])
def test_text_model_usage_and_reason_come_from_the_response(
    response: dict[str, Any], model: str, status: Status, form: Any
) -> None:
    """As an object or as a dict."""
    document = Document.from_response(form(response), prompt="say hello")

    assert (document.raw, document.model_id, document.usage) == ("hello", model, Usage(3, 1))
    assert (document.outcome, document.prompt) == (status, "say hello")
    assert document.metadata == {"response_id": response["id"]}


def test_what_is_given_wins_over_the_response() -> None:
    """The asset knows better."""
    assert Document.from_response(CHAT, model_id="mine").model_id == "mine"


@pytest.mark.parametrize("response", ["text", {}, {"choices": [{"message": {"content": None}}]}, None])
def test_what_holds_no_text_is_refused(response: Any) -> None:
    """A tool call, or something else altogether."""
    with pytest.raises(InvalidDocumentError):
        Document.from_response(response)


def test_real_objects_of_the_openai_library_are_understood() -> None:
    """Not only their shape."""
    completion = pytest.importorskip("openai.types.chat").ChatCompletion.model_validate(
        {**CHAT, "created": 1, "object": "chat.completion", "choices": [{**CHAT["choices"][0], "index": 0}]}  # type: ignore[index]
    )
    assert Document.from_response(completion).raw == "hello"
