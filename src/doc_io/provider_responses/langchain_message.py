"""Messages of LangChain: https://reference.langchain.com/python/langchain-core/messages/ai/AIMessage."""

from __future__ import annotations

from collections.abc import Mapping

from doc_io.provider_responses.answer import ResponseParts, detail
from doc_io.provider_responses.fields import get, items, joined_text, name, refusal_text, string
from doc_io.provider_responses.openai_chat import chat_counts
from doc_io.provider_responses.token_counts import TokenCounts, UsageReader

PROVIDER = "langchain"

# Each integration keeps its provider's own field in response_metadata.
_FINISH_REASONS = ("finish_reason", "stop_reason", "done_reason", "incomplete_details.reason", "status")
_MODELS = ("model_name", "model", "model_id")
_OWN_IDS = ("run-", "lc_", "lc-")


def read_langchain_message(response: object) -> ResponseParts | None:
    """An ``AIMessage``, or a chunk that stands for a whole one; ``None`` if the response is neither."""
    metadata = get(response, "response_metadata")
    if not isinstance(metadata, Mapping) or string(get(response, "type")) not in {"ai", "AIMessageChunk"}:
        return None
    content = get(response, "content")
    if string(content) is None and items(content) is None:
        return None

    refusal = string(get(response, "additional_kwargs.refusal")) or refusal_text(content)
    return ResponseParts(
        provider=PROVIDER,
        text=joined_text(content),
        model=_first_name(metadata, *_MODELS),
        provider_id=_provider_id(response, metadata),
        finish_reason=_first_name(metadata, *_FINISH_REASONS),
        counts=_counts(response, metadata),
        failure=f"The model refused{detail(refusal)}" if refusal else None,
        tool_call=bool(items(get(response, "tool_calls")) or items(get(response, "invalid_tool_calls"))),
    )


def _first_name(metadata: object, *paths: str) -> str | None:
    return next((found for path in paths if (found := name(get(metadata, path)))), None)


def _provider_id(response: object, metadata: object) -> str | None:
    """The provider's id; the ids that LangChain gives to runs and messages are nothing to ask a provider for."""
    given = name(get(metadata, "id")) or name(get(response, "id"))
    return None if given is None or given.startswith(_OWN_IDS) else given


def _counts(response: object, metadata: object) -> TokenCounts:
    """The sums of ``usage_metadata`` include all parts; older integrations have OpenAI's form in the metadata only."""
    usage = get(response, "usage_metadata")
    if usage is None:
        return chat_counts(get(metadata, "token_usage"), "response_metadata.token_usage")
    reader = UsageReader(usage, "usage_metadata")
    return reader.counts(
        reader.total("input_tokens"),
        reader.total("output_tokens"),
        "input_token_details.cache_read",
        "input_token_details.cache_creation",
        "input_token_details.audio",
        "output_token_details.reasoning",
        "output_token_details.audio",
    )
