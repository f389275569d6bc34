"""The real libraries' own types are read, without a network: what a class adds to its JSON form must not matter."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from doc_io.provider_responses import read_response, response_as_json
from tests import skips
from tests.provider_samples import (
    ANTHROPIC,
    CHAT,
    COHERE,
    GEMINI,
    GEMINI_SNAKE,
    MISTRAL,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    RESPONSES,
    anthropic,
    chat,
    gemini,
    responses,
    said,
)

TEXT = {"type": "text", "text": "half"}
CALL = {"id": "t1", "type": "function", "function": {"name": "search", "arguments": "{}"}}


def library(module: str) -> Any:
    """A provider's library, untyped: mypy would read all of it for one class."""
    return importlib.import_module(module)


def openai_chat(response: dict[str, Any]) -> Any:
    """A chat completion of ``openai``, made as its client makes it."""
    kind = library("openai.types.chat").ChatCompletion
    return library("openai._models").construct_type(type_=kind, value={"created": 1, **response})


def openai_response(response: dict[str, Any]) -> Any:
    """A response of ``openai``, made as its client makes it."""
    kind = library("openai.types.responses").Response
    return library("openai._models").construct_type(type_=kind, value={"created_at": 1, **response})


def anthropic_message(response: dict[str, Any]) -> Any:
    """A message of ``anthropic``, made as its client makes it."""
    return library("anthropic._models").construct_type(type_=library("anthropic.types").Message, value=response)


def gemini_response(response: dict[str, Any]) -> Any:
    """A response of ``google-genai``."""
    return library("google.genai.types").GenerateContentResponse.model_validate(response)


def langchain_message(response: dict[str, Any]) -> Any:
    """A message of ``langchain-core``."""
    return library("langchain_core.messages").AIMessage(**response)


def langchain_chunks(response: dict[str, Any]) -> Any:
    """The sum of two chunks, as a stream gives them."""
    chunk = library("langchain_core.messages").AIMessageChunk
    return chunk(content="hel") + chunk(**{**response, "content": "lo"})


def ollama_chat(response: dict[str, Any]) -> Any:
    """A reply of ``ollama``."""
    return library("ollama").ChatResponse(**response)


def ollama_generate(response: dict[str, Any]) -> Any:
    """A generated text of ``ollama``."""
    return library("ollama").GenerateResponse(**response)


def mistral(response: dict[str, Any]) -> Any:
    """A chat completion of ``mistralai``."""
    return library("mistralai.client.models").ChatCompletionResponse.model_validate({"created": 1, **response})


def cohere(response: dict[str, Any]) -> Any:
    """A reply of ``cohere``, made as its client makes it."""
    kind = library("cohere").V2ChatResponse
    return library("cohere.core.unchecked_base_model").construct_type(type_=kind, object_=response)


LANGCHAIN: dict[str, Any] = {
    "content": "hello",
    "response_metadata": {"finish_reason": "stop", "model_name": "gpt-4.1-2025-04-14"},
    "usage_metadata": {"input_tokens": 30, "output_tokens": 5, "total_tokens": 35},
}
LANGCHAIN_PARTS = {
    **LANGCHAIN,
    "content": [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "hello"}],
}
WHOLE: list[tuple[Callable[[dict[str, Any]], Any], dict[str, Any]]] = [
    (openai_chat, CHAT),
    (openai_response, RESPONSES),
    (anthropic_message, ANTHROPIC),
    (gemini_response, GEMINI),
    (gemini_response, GEMINI_SNAKE),
    (langchain_message, LANGCHAIN),
    (langchain_message, LANGCHAIN_PARTS),
    (langchain_chunks, LANGCHAIN),
    (ollama_chat, OLLAMA_CHAT),
    (ollama_generate, OLLAMA_GENERATE),
    (mistral, MISTRAL),
    (cohere, COHERE),
]
NAMES = [make.__name__ for make, _ in WHOLE]


@pytest.mark.parametrize(("make", "response"), WHOLE, ids=NAMES)
def test_a_whole_answer_is_read(make: Callable[[dict[str, Any]], Any], response: dict[str, Any]) -> None:
    answer = read_response(make(response))

    assert (answer.text, answer.status, answer.error, answer.notes) == ("hello", "ok", None, ())
    assert (answer.prompt_tokens, answer.completion_tokens) == (30, 5)


@pytest.mark.parametrize(("make", "response"), WHOLE, ids=NAMES)
def test_its_dump_is_read_alike(make: Callable[[dict[str, Any]], Any], response: dict[str, Any]) -> None:
    made = make(response)

    assert read_response(made.model_dump()) == read_response(made)


@pytest.mark.parametrize(("make", "response"), WHOLE, ids=NAMES)
def test_its_json_is_read_alike(make: Callable[[dict[str, Any]], Any], response: dict[str, Any]) -> None:
    """``extras/response.json`` has all that was read."""
    made = make(response)

    assert read_response(json.loads(response_as_json(made))) == read_response(made)


NOT_OK: list[tuple[Callable[[dict[str, Any]], Any], dict[str, Any], str, str | None]] = [
    (openai_chat, chat({"role": "assistant", "content": None}, "length"), "truncated", None),
    (openai_chat, chat({"role": "assistant", "content": None, "refusal": "I cannot."}), "gen_error", None),
    (openai_chat, chat({"role": "assistant", "content": "half"}, "content_filter"), "gen_error", "half"),
    (openai_chat, chat({"role": "assistant", "content": None, "tool_calls": [CALL]}, "tool_calls"), "gen_error", None),
    (openai_chat, {"id": "c1", "choices": None, "error": {"message": "Too busy", "code": 502}}, "gen_error", None),
    (openai_response, responses("failed", error={"code": "server_error", "message": "Out"}), "gen_error", None),
    (openai_response, responses("cancelled"), "gen_error", None),
    (openai_response, responses("incomplete", incomplete_details={"reason": "max_output_tokens"}), "truncated", None),
    (openai_response, responses("completed", said({"type": "refusal", "refusal": "No."})), "gen_error", None),
    (anthropic_message, anthropic("max_tokens", TEXT), "truncated", "half"),
    (anthropic_message, anthropic("refusal", TEXT), "gen_error", "half"),
    (
        anthropic_message,
        anthropic("tool_use", {"type": "tool_use", "id": "t", "name": "s", "input": {}}),
        "gen_error",
        None,
    ),
    (gemini_response, gemini("MAX_TOKENS", {"text": "half"}), "truncated", "half"),
    (gemini_response, gemini("SAFETY"), "gen_error", ""),
    (gemini_response, gemini("STOP", {"functionCall": {"name": "search"}}), "gen_error", None),
    (gemini_response, {"promptFeedback": {"blockReason": "SAFETY"}}, "gen_error", None),
    (langchain_message, {**LANGCHAIN, "response_metadata": {"stop_reason": "max_tokens"}}, "truncated", "hello"),
    (ollama_chat, {**OLLAMA_CHAT, "done_reason": "length"}, "truncated", "hello"),
    (
        mistral,
        {**MISTRAL, "choices": [{**MISTRAL["choices"][0], "finish_reason": "model_length"}]},
        "truncated",
        "hello",
    ),
    (cohere, {**COHERE, "finish_reason": "MAX_TOKENS"}, "truncated", "hello"),
]


@pytest.mark.parametrize(
    ("make", "response", "status", "text"),
    NOT_OK,
    ids=[f"{make.__name__}-{number}" for number, (make, *_) in enumerate(NOT_OK)],
)
def test_what_is_not_a_whole_answer_is_not_ok(
    make: Callable[[dict[str, Any]], Any], response: dict[str, Any], status: str, text: str | None
) -> None:
    answer = read_response(make(response))

    assert (answer.status, answer.text) == (status, text)
    assert answer.error


def literals(kind: Any) -> set[str]:
    """The words of a type that lists them."""
    inner = getattr(kind, "__args__", None)
    return {word for each in inner for word in literals(each)} if inner else {kind} if isinstance(kind, str) else set()


@pytest.mark.parametrize(
    "words",
    [
        lambda: literals(library("openai.types.chat.chat_completion").Choice.__annotations__["finish_reason"]),
        lambda: literals(library("openai.types.responses").ResponseStatus),
        lambda: literals(library("openai.types.responses.response").IncompleteDetails.__annotations__["reason"]),
        lambda: literals(library("anthropic.types").StopReason),
        lambda: literals(library("anthropic.types.beta").BetaStopReason),
        lambda: {each.value for each in library("google.genai.types").FinishReason} - {"FINISH_REASON_UNSPECIFIED"},
        lambda: literals(library("mistralai.client.models").ChatCompletionChoiceFinishReason),
        lambda: literals(library("cohere").ChatFinishReason),
    ],
    ids=[
        "OpenAI chat",
        "Responses",
        "Responses, incomplete",
        "Anthropic",
        "Anthropic beta",
        "Gemini",
        "Mistral",
        "Cohere",
    ],
)
def test_every_finish_reason_that_a_library_lists_is_known(words: Callable[[], set[str]]) -> None:
    """A new version that adds one makes this fail, which is when to look it up."""
    unknown = [
        word
        for word in sorted(words())
        if any("unknown" in note for note in read_response(chat({"content": "x"}, word)).notes)
    ]

    assert words()
    assert unknown == []


@pytest.mark.filterwarnings("ignore::UserWarning")  # of pydantic, when it is imported
def test_litellm_is_read_and_its_key_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps what it called with beside its answer."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing it asks the network
    litellm = pytest.importorskip("litellm", reason=skips.NO_LITELLM)
    response = litellm.ModelResponse(**CHAT)
    response._hidden_params = {"api_key": "sk-secret"}  # noqa: SLF001  # where LiteLLM keeps it

    answer = read_response(response)

    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("hello", 30, 5)
    assert "sk-secret" not in response_as_json(response)
