"""What the libraries of model providers answer, read by the shape of the answer: none of them is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from doc_io.errors import InvalidDocumentError


class Answer(NamedTuple):
    """What a response says.

    Attributes:
        text: The answer.
        model_id: The model that gave it.
        finish_reason: Why it stopped, in the provider's words.
        prompt_tokens: Tokens of the prompt.
        completion_tokens: Tokens of the answer.
        provider_id: The provider's own id of the response.
    """

    text: str
    model_id: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    provider_id: str | None


def read_response(response: object) -> Answer:
    """Read a response object, or the same as a dict.

    Understood are chat completions and the Responses API of ``openai`` (LiteLLM and most other servers answer in the
    first form) and messages of ``anthropic``.

    Args:
        response: What the library returned.

    Raises:
        InvalidDocumentError: It has none of these shapes, or holds no text.
    """
    if _get(response, "choices"):
        answer = _chat_completion(response)
    elif _get(response, "output") is not None:
        answer = _openai_response(response)
    elif _get(response, "content") is not None:
        answer = _anthropic_message(response)
    else:
        raise _unknown(response, "it is no chat completion, no OpenAI response and no Anthropic message")
    return answer


def _chat_completion(response: object) -> Answer:
    choice = _get(response, "choices")[0]
    text = _get(_get(choice, "message"), "content")
    if isinstance(text, list):  # some servers answer in parts
        text = "".join(_get(part, "text") or "" for part in text)
    return _answer(
        response, text, _get(choice, "finish_reason"), prompt="prompt_tokens", completion="completion_tokens"
    )


def _openai_response(response: object) -> Answer:
    parts = [part for item in _get(response, "output") for part in _get(item, "content") or ()]
    text = "".join(_get(part, "text") or "" for part in parts if _get(part, "type") == "output_text")
    reason = _get(_get(response, "incomplete_details"), "reason") or _get(response, "status")
    return _answer(response, text, reason, prompt="input_tokens", completion="output_tokens")


def _anthropic_message(response: object) -> Answer:
    blocks = _get(response, "content")
    text = "".join(_get(block, "text") or "" for block in blocks if _get(block, "type") == "text")
    return _answer(response, text, _get(response, "stop_reason"), prompt="input_tokens", completion="output_tokens")


def _answer(response: object, text: object, finish_reason: object, *, prompt: str, completion: str) -> Answer:
    if not isinstance(text, str):
        raise _unknown(response, "it holds no text")
    usage = _get(response, "usage")
    return Answer(
        text=text,
        model_id=_get(response, "model"),
        finish_reason=None if finish_reason is None else str(finish_reason),
        prompt_tokens=_get(usage, prompt),
        completion_tokens=_get(usage, completion),
        provider_id=_get(response, "id"),
    )


def _get(value: object, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def _unknown(response: object, reason: str) -> InvalidDocumentError:
    return InvalidDocumentError(
        what=f"A response of type {type(response).__name__}",
        reason=reason,
        hint="Make a doc_io.Document from its text by hand.",
    )
