"""What providers answer is read by its whole shape, and only a whole answer is ok."""

from __future__ import annotations

from typing import Any

import pytest

from doc_io.provider_responses import Answer, read_response
from doc_io.provider_responses.finish_words import FINISH_WORDS, Meaning
from tests.provider_samples import (
    ANTHROPIC,
    BEDROCK,
    CHAT,
    COHERE,
    GEMINI,
    LANGCHAIN,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    SAMPLES,
    anthropic,
    as_object,
    bedrock,
    chat,
    gemini,
    output_text,
    responses,
    said,
)

TEXT = {"type": "text", "text": "half"}
TOOL_USE = {"type": "tool_use", "id": "t1", "name": "search", "input": {}}
CALL = {"id": "t1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
FUNCTION_CALL = {"type": "function_call", "name": "search", "arguments": "{}", "call_id": "t1"}


@pytest.mark.parametrize("form", [dict, as_object], ids=["dict", "object"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_text_and_counts_are_read_from_every_provider(sample: str, form: Any) -> None:
    """Text parts are joined, reasoning is skipped; as an object or as a dict."""
    response, provider = SAMPLES[sample]

    answer = read_response(form(response))

    assert (answer.provider, answer.text, answer.status, answer.error) == (provider, "hello", "ok", None)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.notes) == (30, 5, ())


@pytest.mark.parametrize(
    ("response", "model", "provider_id", "finish_reason"),
    [
        (CHAT, "gpt-4.1-2025-04-14", "c1", "stop"),
        (SAMPLES["OpenAI Responses"][0], "gpt-4.1-2025-04-14", "r1", "completed"),
        (ANTHROPIC, "claude-sonnet-4-5-20250929", "msg_1", "end_turn"),
        (GEMINI, "gemini-2.5-flash", "g1", "STOP"),
        (BEDROCK, None, "b1", "end_turn"),
        (LANGCHAIN, "gpt-4.1-2025-04-14", "chatcmpl-1", "stop"),
        (OLLAMA_CHAT, "llama3.2", None, "stop"),
        (COHERE, None, "co1", "COMPLETE"),
    ],
)
def test_model_id_and_finish_reason_are_in_the_providers_own_words(
    response: dict[str, Any], model: str | None, provider_id: str | None, finish_reason: str
) -> None:
    answer = read_response(response)

    assert (answer.model, answer.provider_id, answer.finish_reason) == (model, provider_id, finish_reason)


NOT_OK: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("chat: length", chat({"content": "half"}, "length"), "truncated", "half"),
    ("chat: limit hit while reasoning", chat({"content": None}, "length"), "truncated", None),
    ("chat: limit, dumped without nulls", chat({"role": "assistant"}, "length"), "truncated", None),
    ("chat: filtered", chat({"content": "half"}, "content_filter"), "gen_error", "half"),
    ("chat: refused", chat({"content": None, "refusal": "I cannot."}), "gen_error", None),
    ("chat: refusal part", chat({"content": [{"type": "refusal", "refusal": "No."}]}), "gen_error", None),
    ("chat: refused half way", chat({"content": "half", "refusal": "I cannot."}), "gen_error", "half"),
    ("chat: tool call", chat({"content": None, "tool_calls": [CALL]}, "tool_calls"), "gen_error", None),
    ("chat: tool call, says stop", chat({"content": "", "tool_calls": [CALL]}), "gen_error", ""),
    ("chat: function call", chat({"content": None, "function_call": {}}, "function_call"), "gen_error", None),
    ("chat: no text", chat({"content": None}), "gen_error", None),
    ("chat: no choice", {**CHAT, "choices": []}, "gen_error", None),
    ("chat: unknown word, no text", chat({"content": " "}, "zapped"), "gen_error", " "),
    ("Mistral: context full", chat({"content": "half"}, "model_length"), "truncated", "half"),
    ("Mistral: error", chat({"content": "half"}, "error"), "gen_error", "half"),
    ("DeepSeek: no resources", chat({"content": "half"}, "insufficient_system_resource"), "gen_error", "half"),
    ("vLLM: aborted", chat({"content": "half"}, "abort"), "gen_error", "half"),
    ("Responses: failed", responses("failed", error={"message": "Out of order"}), "gen_error", None),
    ("Responses: failed with text", responses("failed", said(output_text("half"))), "gen_error", "half"),
    ("Responses: cancelled", responses("cancelled", said(output_text("half"))), "gen_error", "half"),
    ("Responses: in progress", responses("in_progress"), "gen_error", None),
    ("Responses: queued", responses("queued"), "gen_error", None),
    ("Responses: incomplete, no reason", responses("incomplete", said(output_text("half"))), "truncated", "half"),
    (
        "Responses: incomplete, limit",
        responses("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        "truncated",
        None,
    ),
    (
        "Responses: incomplete, filtered",
        responses("incomplete", said(output_text("half")), incomplete_details={"reason": "content_filter"}),
        "gen_error",
        "half",
    ),
    (
        "Responses: incomplete, unknown reason",
        responses("incomplete", said(output_text("half")), incomplete_details={"reason": "zapped"}),
        "truncated",
        "half",
    ),
    (
        "Responses: incomplete message",
        responses("completed", said(output_text("half"), status="incomplete")),
        "truncated",
        "half",
    ),
    ("Responses: refusal", responses("completed", said({"type": "refusal", "refusal": "No."})), "gen_error", None),
    ("Responses: function call", responses("completed", FUNCTION_CALL), "gen_error", None),
    ("Responses: reasoning only", responses("completed", {"type": "reasoning"}), "gen_error", None),
    ("Anthropic: limit", anthropic("max_tokens", TEXT), "truncated", "half"),
    ("Anthropic: context full", anthropic("model_context_window_exceeded", TEXT), "truncated", "half"),
    ("Anthropic: paused", anthropic("pause_turn", TEXT), "truncated", "half"),
    ("Anthropic: still streaming", anthropic(None, TEXT), "truncated", "half"),
    ("Anthropic: refused", anthropic("refusal", TEXT), "gen_error", "half"),
    ("Anthropic: tool alone", anthropic("tool_use", TOOL_USE), "gen_error", None),
    ("Gemini: limit", gemini("MAX_TOKENS", {"text": "half"}), "truncated", "half"),
    ("Gemini: limit while thinking", gemini("MAX_TOKENS", {"text": "hm", "thought": True}), "truncated", None),
    ("Gemini: still streaming", gemini(None, {"text": "half"}), "truncated", "half"),
    ("Gemini: safety", gemini("SAFETY"), "gen_error", ""),
    ("Gemini: recitation", gemini("RECITATION", {"text": "half"}), "gen_error", "half"),
    ("Gemini: malformed call", gemini("MALFORMED_FUNCTION_CALL"), "gen_error", ""),
    ("Gemini: function call", gemini("STOP", {"functionCall": {"name": "search"}}), "gen_error", None),
    (
        "Gemini: prompt blocked",
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 7}},
        "gen_error",
        None,
    ),
    ("Gemini: no candidate", {"usageMetadata": {"promptTokenCount": 7}}, "gen_error", None),
    ("Bedrock: limit", bedrock("max_tokens", {"text": "half"}), "truncated", "half"),
    ("Bedrock: guardrail", bedrock("guardrail_intervened", {"text": "Blocked."}), "gen_error", "Blocked."),
    ("Bedrock: tool", bedrock("tool_use", {"toolUse": {"name": "search"}}), "gen_error", None),
    ("LangChain: length", {**LANGCHAIN, "response_metadata": {"finish_reason": "length"}}, "truncated", "hello"),
    ("LangChain: Bedrock", {**LANGCHAIN, "response_metadata": {"stopReason": "max_tokens"}}, "truncated", "hello"),
    ("LangChain: refused", {**LANGCHAIN, "additional_kwargs": {"refusal": "No."}}, "gen_error", "hello"),
    ("LangChain: tool call", {**LANGCHAIN, "content": "", "tool_calls": [{"name": "search"}]}, "gen_error", ""),
    ("Ollama: length", {**OLLAMA_CHAT, "done_reason": "length"}, "truncated", "hello"),
    ("Ollama: still streaming", {**OLLAMA_GENERATE, "done": False, "done_reason": None}, "truncated", "hello"),
    ("Ollama: model loaded", {**OLLAMA_GENERATE, "response": "", "done_reason": "load"}, "gen_error", ""),
    ("Cohere: limit", {**COHERE, "finish_reason": "MAX_TOKENS"}, "truncated", "hello"),
    ("Cohere: error", {**COHERE, "finish_reason": "ERROR"}, "gen_error", "hello"),
    (
        "Cohere: tool call",
        {**COHERE, "finish_reason": "TOOL_CALL", "message": {"tool_calls": [CALL]}},
        "gen_error",
        None,
    ),
    ("OpenRouter: error", {"choices": None, "error": {"message": "Too busy", "code": 502}}, "gen_error", None),
    (
        "Anthropic: error",
        {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}},
        "gen_error",
        None,
    ),
    ("Ollama: error", {"error": "model not found"}, "gen_error", None),
]


@pytest.mark.parametrize("form", [dict, as_object], ids=["dict", "object"])
@pytest.mark.parametrize(("response", "status", "text"), [pytest.param(*each, id=name) for name, *each in NOT_OK])
def test_what_is_not_a_whole_answer_is_not_ok(
    response: dict[str, Any], status: str, text: str | None, form: Any
) -> None:
    """Its text is kept as it came, and the error says why."""
    answer = read_response(form(response))

    assert (answer.status, answer.text) == (status, text)
    assert answer.error


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (chat({"content": None, "refusal": "I cannot."}), "The model refused: I cannot."),
        (anthropic("refusal", stop_details={"explanation": "A policy."}), "The model refused: A policy."),
        (responses("failed", error={"message": "Out of order"}), "The response failed: Out of order"),
        ({"error": {"message": "Too busy"}}, "The provider failed: Too busy"),
        (
            {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Unsafe."}},
            "The prompt was blocked (SAFETY): Unsafe.",
        ),
        (
            chat({"content": "half"}, "content_filter"),
            "The provider gave no whole answer (finish reason 'content_filter').",
        ),
    ],
)
def test_the_error_quotes_the_provider(response: dict[str, Any], message: str) -> None:
    assert read_response(response).error == message


def test_a_limit_hit_while_reasoning_keeps_what_was_counted() -> None:
    """No text came, but the tokens were paid for."""
    answer = read_response(chat({"content": None}, "length"))

    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == (None, 30, 5)


@pytest.mark.parametrize(
    "response",
    [
        chat({"content": "half", "tool_calls": [CALL]}, "tool_calls"),
        anthropic("tool_use", TEXT, TOOL_USE),
        responses("completed", said(output_text("half")), FUNCTION_CALL),
        gemini("STOP", {"text": "half"}, {"functionCall": {"name": "search"}}),
        bedrock("tool_use", {"text": "half"}, {"toolUse": {"name": "search"}}),
    ],
)
def test_text_beside_a_tool_call_is_an_answer_with_a_note(response: dict[str, Any]) -> None:
    answer = read_response(response)

    assert (answer.status, answer.text) == ("ok", "half")
    assert answer.notes == ("the model called a tool beside its text",)


def test_an_unknown_finish_reason_with_text_is_ok_and_named() -> None:
    answer = read_response(chat({"content": "hello"}, "zapped"))

    assert (answer.status, answer.notes) == ("ok", ("unknown finish reason 'zapped'",))


def test_a_missing_finish_reason_is_noted() -> None:
    answer = read_response({"choices": [{"message": {"content": "hello"}}]})

    assert (answer.status, answer.notes) == ("ok", ("the response does not say why it ended",))


@pytest.mark.parametrize("text", ["", " \n"])
@pytest.mark.parametrize(
    "make",
    [
        lambda text: chat({"content": text}),
        lambda text: responses("completed", said(output_text(text))),
        lambda text: anthropic("end_turn", {"type": "text", "text": text}),
        lambda text: gemini("STOP", {"text": text}),
    ],
)
def test_empty_text_with_a_normal_stop_is_left_to_the_store(make: Any, text: str) -> None:
    """Only the store knows whether its user takes empty texts."""
    answer = read_response(make(text))

    assert (answer.status, answer.text) == ("ok", text)


def test_several_messages_are_joined() -> None:
    answer = read_response(responses("completed", said(output_text("hel")), said(output_text("l"), output_text("o"))))

    assert answer.text == "hello"


def test_commentary_is_left_out_where_there_is_a_final_answer() -> None:
    """https://platform.openai.com/docs/api-reference/responses/object, phase."""
    aside, final = said(output_text("Hm."), phase="commentary"), said(output_text("hello"), phase="final_answer")

    assert read_response(responses("completed", aside, final)).text == "hello"


def test_text_with_citations_is_text() -> None:
    """Bedrock puts it one level deeper."""
    answer = read_response(bedrock("end_turn", {"text": "hel"}, {"citationsContent": {"content": [{"text": "lo"}]}}))

    assert answer.text == "hello"


def test_the_first_of_several_choices_is_taken_and_said() -> None:
    answer = read_response({**CHAT, "choices": CHAT["choices"] * 3})

    assert (answer.text, answer.notes) == ("hello", ("3 choices: the first was taken",))


def test_langchains_own_ids_are_no_ids_of_a_provider() -> None:
    assert read_response({**LANGCHAIN, "id": "run-5f1c"}).provider_id is None


def test_plain_text_is_its_own_answer() -> None:
    assert read_response("hello") == Answer(text="hello")


class Reply:
    """A class of nobody's library."""

    message = "hello"


@pytest.mark.parametrize(
    ("response", "type_name"),
    [
        (None, "builtins.NoneType"),
        (Reply(), f"{__name__}.Reply"),
        ({}, "builtins.dict"),
        (b"hello", "builtins.bytes"),
        ([CHAT], "builtins.list"),
        ({"choices": "hello"}, "builtins.dict"),
        ({"choices": [{"message": "hello"}]}, "builtins.dict"),
        ({"choices": [{"delta": {"content": "hel"}}]}, "builtins.dict"),
        ({"output": "hello"}, "builtins.dict"),
        ({"output": [{"text": "hello"}]}, "builtins.dict"),
        ({"content": "hello"}, "builtins.dict"),
        ({"content": [{"text": "hello"}], "stop_reason": "end_turn"}, "builtins.dict"),
        ({"candidates": ["hello"]}, "builtins.dict"),
        ({"message": {"content": "hello"}}, "builtins.dict"),
        ({"type": "human", "content": "hello", "response_metadata": {}}, "builtins.dict"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_the_type(response: object, type_name: str) -> None:
    """A shape is recognised as a whole, never by one of its fields."""
    answer = read_response(response)

    assert (answer.status, answer.text, answer.provider) == ("gen_error", None, None)
    assert answer.error == (
        f"A response of type {type_name} was not understood: it has no shape that doc_io knows. "
        "Pass its text: Document(text)."
    )


def test_no_word_means_two_things() -> None:
    """Gateways hand on the words of others, so a word is looked up without its provider."""
    meanings: dict[str, set[Meaning]] = {}
    for words in FINISH_WORDS.values():
        for word, meaning in words.items():
            meanings.setdefault(word.casefold(), set()).add(meaning)

    assert [word for word, found in meanings.items() if len(found) > 1] == []


@pytest.mark.parametrize("word", sorted({word for words in FINISH_WORDS.values() for word in words}))
def test_every_word_of_the_table_decides_the_status_of_a_text(word: str) -> None:
    """In any case, whoever says it."""
    meaning = next(words[word] for words in FINISH_WORDS.values() if word in words)
    expected = {Meaning.CUT: "truncated", Meaning.NO_ANSWER: "gen_error"}.get(meaning, "ok")

    assert read_response(chat({"content": "hello"}, word)).status == expected
    assert read_response(chat({"content": "hello"}, word.swapcase())).status == expected
