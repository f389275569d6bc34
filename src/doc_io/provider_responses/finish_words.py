"""Why an answer ended: the one table from the words of providers to what doc_io makes of them.

A word that is not here is unknown, which is not the same as good: see ``doc_io.provider_responses.answer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Meaning(Enum):
    """What a finish reason says about the answer."""

    WHOLE = "ok"
    CUT = "truncated"
    NO_ANSWER = "gen_error"
    TOOL_CALL = "tool call"
    """The model waits for the result of a tool. An answer only where there is text beside the call."""


WHOLE, CUT, NO_ANSWER, TOOL_CALL = Meaning.WHOLE, Meaning.CUT, Meaning.NO_ANSWER, Meaning.TOOL_CALL

FINISH_WORDS: Mapping[str, Mapping[str, Meaning]] = {
    # https://platform.openai.com/docs/api-reference/chat/object#chat-object-choices
    "OpenAI chat completions": {
        "stop": WHOLE,
        "length": CUT,
        "content_filter": NO_ANSWER,
        "tool_calls": TOOL_CALL,
        "function_call": TOOL_CALL,
    },
    # https://platform.openai.com/docs/api-reference/responses/object: status, and incomplete_details.reason
    "OpenAI Responses": {
        "completed": WHOLE,
        "incomplete": CUT,
        "max_output_tokens": CUT,
        "max_messages": CUT,
        "steered": CUT,
        "content_filter": NO_ANSWER,
        "failed": NO_ANSWER,
        "cancelled": NO_ANSWER,
        "in_progress": NO_ANSWER,
        "queued": NO_ANSWER,
    },
    # https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons. A paused turn and a compaction are
    # continued by another request: what came so far is not the whole answer.
    "Anthropic messages": {
        "end_turn": WHOLE,
        "stop_sequence": WHOLE,
        "max_tokens": CUT,
        "model_context_window_exceeded": CUT,
        "pause_turn": CUT,
        "compaction": CUT,
        "refusal": NO_ANSWER,
        "tool_use": TOOL_CALL,
    },
    # https://platform.claude.com/docs/en/build-with-claude/batch-processing, the type of a result
    "Anthropic batches": {"errored": NO_ANSWER, "canceled": NO_ANSWER, "expired": NO_ANSWER},
    # https://ai.google.dev/api/generate-content#FinishReason and
    # https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#FinishReason.
    # FINISH_REASON_UNSPECIFIED says nothing, so it stays unknown.
    "Gemini": {
        "STOP": WHOLE,
        "MAX_TOKENS": CUT,
        "CONTINUATION": CUT,
        "SAFETY": NO_ANSWER,
        "RECITATION": NO_ANSWER,
        "LANGUAGE": NO_ANSWER,
        "OTHER": NO_ANSWER,
        "BLOCKLIST": NO_ANSWER,
        "PROHIBITED_CONTENT": NO_ANSWER,
        "SPII": NO_ANSWER,
        "MODEL_ARMOR": NO_ANSWER,
        "ESCALATION": NO_ANSWER,
        "PUP_LIMITED_DISABLED": NO_ANSWER,
        "MALFORMED_FUNCTION_CALL": NO_ANSWER,
        "MALFORMED_RESPONSE": NO_ANSWER,
        "UNEXPECTED_TOOL_CALL": NO_ANSWER,
        "TOO_MANY_TOOL_CALLS": NO_ANSWER,
        "MISSING_THOUGHT_SIGNATURE": NO_ANSWER,
        "NO_IMAGE": NO_ANSWER,
        "IMAGE_SAFETY": NO_ANSWER,
        "IMAGE_PROHIBITED_CONTENT": NO_ANSWER,
        "IMAGE_RECITATION": NO_ANSWER,
        "IMAGE_OTHER": NO_ANSWER,
    },
    # https://ai.google.dev/api/generate-content#BlockReason: why a prompt got no candidate at all
    "Gemini, of the prompt": {
        "BLOCKED_REASON_UNSPECIFIED": NO_ANSWER,
        "BLOCK_REASON_UNSPECIFIED": NO_ANSWER,
        "JAILBREAK": NO_ANSWER,
    },
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, stopReason
    "Bedrock Converse": {
        "end_turn": WHOLE,
        "stop_sequence": WHOLE,
        "max_tokens": CUT,
        "model_context_window_exceeded": CUT,
        "guardrail_intervened": NO_ANSWER,
        "content_filtered": NO_ANSWER,
        "malformed_model_output": NO_ANSWER,
        "malformed_tool_use": NO_ANSWER,
        "tool_use": TOOL_CALL,
    },
    # https://docs.mistral.ai/api/#tag/chat, ChatCompletionChoice.finish_reason
    "Mistral": {"stop": WHOLE, "length": CUT, "model_length": CUT, "error": NO_ANSWER, "tool_calls": TOOL_CALL},
    # https://docs.cohere.com/reference/chat, finish_reason
    "Cohere": {
        "COMPLETE": WHOLE,
        "STOP_SEQUENCE": WHOLE,
        "MAX_TOKENS": CUT,
        "ERROR": NO_ANSWER,
        "TIMEOUT": NO_ANSWER,
        "TOOL_CALL": TOOL_CALL,
        # https://docs.cohere.com/v1/reference/chat
        "ERROR_LIMIT": CUT,
        "ERROR_TOXIC": NO_ANSWER,
        "USER_CANCEL": NO_ANSWER,
    },
    # https://docs.ollama.com/api, done_reason; https://github.com/ollama/ollama/blob/main/llm/server.go. "load" and
    # "unload" answer a request without a prompt.
    "Ollama": {"stop": WHOLE, "length": CUT, "connection_closed": CUT, "load": NO_ANSWER, "unload": NO_ANSWER},
    # https://api-docs.deepseek.com/api/create-chat-completion, finish_reason
    "DeepSeek": {"insufficient_system_resource": NO_ANSWER},
    # https://github.com/vllm-project/vllm/blob/main/vllm/v1/engine/__init__.py. "repetition": stopped while it looped.
    "vLLM": {"stop": WHOLE, "length": CUT, "repetition": CUT, "abort": NO_ANSWER, "error": NO_ANSWER},
    # https://huggingface.co/docs/text-generation-inference/reference/api_reference, FinishReason
    "Text Generation Inference": {"eos_token": WHOLE, "stop_sequence": WHOLE, "length": CUT},
    # https://docs.together.ai/reference/chat-completions-1, finish_reason
    "Together": {"stop": WHOLE, "eos": WHOLE, "length": CUT, "tool_calls": TOOL_CALL, "function_call": TOOL_CALL},
    # https://openrouter.ai/docs/api-reference/overview#finish-reason
    "OpenRouter": {"stop": WHOLE, "length": CUT, "content_filter": NO_ANSWER, "error": NO_ANSWER},
}
"""Provider to word to meaning. No two providers mean different things by one word."""

_MEANINGS = {word.casefold(): meaning for words in FINISH_WORDS.values() for word, meaning in words.items()}


def meaning_of(word: str) -> Meaning | None:
    """What a finish reason means, whichever provider uses it; ``None`` for an unknown word.

    LiteLLM, LangChain and gateways hand on the words of others, so the provider is not asked for.

    Args:
        word: The finish reason, in any case; an enum's name with its class before it counts (``FinishReason.STOP``).
    """
    return _MEANINGS.get(word.rpartition(".")[2].casefold())
