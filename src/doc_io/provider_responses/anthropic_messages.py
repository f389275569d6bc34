"""Messages of Anthropic: https://platform.claude.com/docs/en/api/messages/create."""

from __future__ import annotations

from doc_io.provider_responses.answer import ResponseParts, detail
from doc_io.provider_responses.fields import get, has, has_part, items, joined_text, name, string
from doc_io.provider_responses.token_counts import TokenCounts, UsageReader

PROVIDER = "anthropic"


def read_anthropic_message(response: object) -> ResponseParts | None:
    """A message of Anthropic; ``None`` if the response is none."""
    content = items(get(response, "content"))
    if content is None or any(string(get(block, "type")) is None for block in content):
        return None
    is_message = string(get(response, "type")) == "message" and string(get(response, "role")) == "assistant"
    if not is_message and not has(response, "stop_reason"):
        return None

    stop_reason = name(get(response, "stop_reason"))
    explanation = string(get(response, "stop_details.explanation"))
    return ResponseParts(
        provider=PROVIDER,
        text=joined_text(content),
        model=get(response, "model"),
        provider_id=get(response, "id"),
        finish_reason=stop_reason,
        counts=_counts(get(response, "usage")),
        failure=f"The model refused{detail(explanation)}" if stop_reason == "refusal" else None,
        tool_call=has_part(content, "tool_use"),
        unfinished=stop_reason is None,  # it is null only while a message is streamed
    )


def _counts(usage: object) -> TokenCounts:
    """``input_tokens`` counts what came after the last cache point only: the total is the sum of three.

    https://platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance
    """
    reader = UsageReader(usage)
    read = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return reader.counts(
        reader.total(*read),
        reader.total("output_tokens"),
        *read,
        "cache_creation.ephemeral_5m_input_tokens",
        "cache_creation.ephemeral_1h_input_tokens",
        "output_tokens_details.thinking_tokens",
    )
