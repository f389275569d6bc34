"""One whole answer in the form of each provider: "hello", 30 tokens read, 5 written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

CHAT: dict[str, Any] = {
    "id": "c1",
    "object": "chat.completion",
    "model": "gpt-4.1-2025-04-14",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35},
}
RESPONSES: dict[str, Any] = {
    "id": "r1",
    "object": "response",
    "model": "gpt-4.1-2025-04-14",
    "status": "completed",
    "incomplete_details": None,
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "They greet me."}], "content": None},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]},
    ],
    "usage": {"input_tokens": 30, "output_tokens": 5},
}
ANTHROPIC: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "thinking", "thinking": "They greet me."}, {"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 30, "output_tokens": 5},
}
GEMINI: dict[str, Any] = {
    "responseId": "g1",
    "modelVersion": "gemini-2.5-flash",
    "candidates": [
        {
            "content": {"parts": [{"text": "They greet me.", "thought": True}, {"text": "hello"}], "role": "model"},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 3, "thoughtsTokenCount": 2},
}
GEMINI_SNAKE: dict[str, Any] = {
    "response_id": "g1",
    "model_version": "gemini-2.5-flash",
    "candidates": [{"content": {"parts": [{"text": "hel"}, {"text": "lo"}]}, "finish_reason": "STOP"}],
    "usage_metadata": {"prompt_token_count": 30, "candidates_token_count": 5},
}
BEDROCK: dict[str, Any] = {
    "ResponseMetadata": {"RequestId": "b1", "HTTPStatusCode": 200},
    "output": {
        "message": {
            "role": "assistant",
            "content": [{"reasoningContent": {"reasoningText": {"text": "They greet me."}}}, {"text": "hello"}],
        }
    },
    "stopReason": "end_turn",
    "usage": {"inputTokens": 30, "outputTokens": 5, "totalTokens": 35},
}
LANGCHAIN: dict[str, Any] = {
    "type": "ai",
    "id": "chatcmpl-1",
    "content": [{"type": "reasoning", "reasoning": "They greet me."}, {"type": "text", "text": "hel"}, "lo"],
    "response_metadata": {"finish_reason": "stop", "model_name": "gpt-4.1-2025-04-14"},
    "usage_metadata": {"input_tokens": 30, "output_tokens": 5, "total_tokens": 35},
    "tool_calls": [],
}
OLLAMA_CHAT: dict[str, Any] = {
    "model": "llama3.2",
    "message": {"role": "assistant", "content": "hello", "thinking": "They greet me."},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 30,
    "eval_count": 5,
}
OLLAMA_GENERATE: dict[str, Any] = {
    "model": "llama3.2",
    "response": "hello",
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 30,
    "eval_count": 5,
}
MISTRAL: dict[str, Any] = {
    "id": "m1",
    "object": "chat.completion",
    "model": "mistral-medium-2508",
    "choices": [
        {
            "index": 0,
            "message": {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "They greet me."}]},
                    {"type": "text", "text": "hello"},
                ]
            },
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 30, "completion_tokens": 5},
}
COHERE: dict[str, Any] = {
    "id": "co1",
    "finish_reason": "COMPLETE",
    "message": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "They greet me."}, {"type": "text", "text": "hello"}],
    },
    "usage": {
        "billed_units": {"input_tokens": 12.0, "output_tokens": 5.0},
        "tokens": {"input_tokens": 30.0, "output_tokens": 5.0},
    },
}

SAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "OpenAI chat": (CHAT, "openai_chat"),
    "OpenAI Responses": (RESPONSES, "openai_responses"),
    "Anthropic": (ANTHROPIC, "anthropic"),
    "Gemini, camelCase": (GEMINI, "gemini"),
    "Gemini, snake_case": (GEMINI_SNAKE, "gemini"),
    "Bedrock Converse": (BEDROCK, "bedrock_converse"),
    "LangChain": (LANGCHAIN, "langchain"),
    "Ollama chat": (OLLAMA_CHAT, "ollama"),
    "Ollama generate": (OLLAMA_GENERATE, "ollama"),
    "Mistral": (MISTRAL, "openai_chat"),
    "Cohere": (COHERE, "cohere"),
}
"""Name to response and the shape it is recognised as."""


def as_object(value: Any) -> Any:
    """A dict as the object with the same attributes; LangChain keeps its metadata as dicts."""
    if type(value) is dict:  # a hostile object is left alone
        dicts = ("response_metadata", "usage_metadata") if value.get("type") == "ai" else ()
        return SimpleNamespace(**{key: each if key in dicts else as_object(each) for key, each in value.items()})
    return [as_object(each) for each in value] if type(value) is list else value


def chat(message: dict[str, Any], finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    """A chat completion with this message."""
    return {**CHAT, "choices": [{"message": message, "finish_reason": finish_reason}], **more}


def responses(status: str | None, *output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response of the Responses API with this status and these items."""
    return {**RESPONSES, "status": status, "output": list(output), **more}


def said(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message of the Responses API with these parts."""
    return {"type": "message", "role": "assistant", "content": list(parts), **more}


def output_text(text: str) -> dict[str, Any]:
    """A text part of the Responses API."""
    return {"type": "output_text", "text": text}


def anthropic(stop_reason: str | None, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message of Anthropic with these blocks."""
    return {**ANTHROPIC, "stop_reason": stop_reason, "content": list(content), **more}


def gemini(finish_reason: str | None, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response of Gemini with these parts."""
    return {**GEMINI, "candidates": [{"content": {"parts": list(parts)}, "finishReason": finish_reason}], **more}


def bedrock(stop_reason: str, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response of Converse with these parts."""
    return {**BEDROCK, "output": {"message": {"content": list(content)}}, "stopReason": stop_reason, **more}
