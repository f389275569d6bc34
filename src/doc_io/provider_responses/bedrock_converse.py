"""Converse of Amazon Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html."""

from __future__ import annotations

from doc_io.provider_responses.answer import ResponseParts
from doc_io.provider_responses.fields import get, items, joined_text, string
from doc_io.provider_responses.token_counts import TokenCounts, UsageReader

PROVIDER = "bedrock_converse"


def read_bedrock_converse(response: object) -> ResponseParts | None:
    """A response of Converse; ``None`` if it is none."""
    content = items(get(response, "output.message.content"))
    if content is None or get(response, "stop_reason") is None:
        return None
    # A part is text, or text with citations, or something else: its key says which.
    texts = [string(get(part, "text")) or joined_text(get(part, "citations_content.content")) for part in content]
    found = [text for text in texts if text is not None]
    return ResponseParts(
        provider=PROVIDER,
        text="".join(found) if found or not content else None,
        model=get(response, "trace.prompt_router.invoked_model_id"),
        provider_id=get(response, "ResponseMetadata.RequestId"),
        finish_reason=get(response, "stop_reason"),
        counts=_counts(get(response, "usage")),
        tool_call=any(get(part, "tool_use") is not None for part in content),
    )


def _counts(usage: object) -> TokenCounts:
    """``inputTokens`` leaves out what was read from the cache or written to it.

    https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
    """
    reader = UsageReader(usage)
    read = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    return reader.counts(reader.total(*read), reader.total("outputTokens"), *read)
