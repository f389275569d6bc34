"""Chat completions of OpenAI, and of all who answer in that form: LiteLLM, Mistral, DeepSeek, OpenRouter, vLLM and others.

https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

from dataclasses import replace

from doc_io.provider_responses.answer import ResponseParts, detail
from doc_io.provider_responses.fields import get, has, items, joined_text, refusal_text, string
from doc_io.provider_responses.token_counts import TokenCounts, UsageReader

PROVIDER = "openai_chat"


def read_chat_completion(response: object) -> ResponseParts | None:
    """A chat completion, or a completion of the older API; ``None`` if the response is neither."""
    choices = items(get(response, "choices"))
    if choices is None:
        return None
    if not choices:
        is_chat = (string(get(response, "object")) or "").startswith("chat.completion")
        return replace(_named(response), failure="The response has no choice.") if is_chat else None
    choice, message = choices[0], get(choices[0], "message")
    if message is None and string(get(choice, "text")) is not None:
        return replace(_named(response), text=string(get(choice, "text")), finish_reason=get(choice, "finish_reason"))
    if not has(message, "content") and not has(message, "role"):  # a dump without its nulls has no content
        return None

    content = get(message, "content")
    refusal = string(get(message, "refusal")) or refusal_text(content)
    failure = None
    if refusal:
        failure = f"The model refused{detail(refusal)}"
    elif (problem := get(choice, "error")) is not None:  # https://openrouter.ai/docs/api-reference/errors
        failure = f"The provider failed{detail(string(get(problem, 'message')) or string(problem))}"
    return replace(
        _named(response),
        text=joined_text(content),
        finish_reason=get(choice, "finish_reason"),
        failure=failure,
        tool_call=bool(items(get(message, "tool_calls"))) or get(message, "function_call") is not None,
        notes=(f"{len(choices)} choices: the first was taken",) if len(choices) > 1 else (),
    )


def chat_counts(usage: object, prefix: str = "usage") -> TokenCounts:
    """Counts in the form of chat completions, whose prompt tokens include the cached ones."""
    reader = UsageReader(usage, prefix)
    return reader.counts(
        reader.total("prompt_tokens"),
        reader.total("completion_tokens"),
        "prompt_tokens_details.cached_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "prompt_tokens_details.audio_tokens",
        "completion_tokens_details.reasoning_tokens",
        "completion_tokens_details.audio_tokens",
        "completion_tokens_details.accepted_prediction_tokens",
        "completion_tokens_details.rejected_prediction_tokens",
        "prompt_cache_hit_tokens",  # DeepSeek
        "cache_read_input_tokens",  # LiteLLM, from Anthropic: in prompt_tokens already
        "cache_creation_input_tokens",
    )


def _named(response: object) -> ResponseParts:
    """What every response says of itself."""
    return ResponseParts(
        provider=PROVIDER,
        model=get(response, "model"),
        provider_id=get(response, "id"),
        counts=chat_counts(get(response, "usage")),
    )
