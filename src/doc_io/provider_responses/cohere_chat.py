"""Chat of Cohere, version 2: https://docs.cohere.com/reference/chat."""

from __future__ import annotations

from doc_io.provider_responses.answer import ResponseParts
from doc_io.provider_responses.fields import get, has, items, joined_text
from doc_io.provider_responses.token_counts import TokenCounts, UsageReader

PROVIDER = "cohere"


def read_cohere_chat(response: object) -> ResponseParts | None:
    """A reply of Cohere; ``None`` if the response is none."""
    message = get(response, "message")
    content = items(get(message, "content"))
    tool_calls = items(get(message, "tool_calls"))
    if not has(response, "finish_reason") or (content is None and not tool_calls):
        return None
    return ResponseParts(
        provider=PROVIDER,
        text=joined_text(content),
        provider_id=get(response, "id"),
        finish_reason=get(response, "finish_reason"),
        counts=_counts(get(response, "usage")),
        tool_call=bool(tool_calls),
    )


def _counts(usage: object) -> TokenCounts:
    """``tokens`` is what the model read and wrote; ``billed_units``, what is charged, stands in where it is missing."""
    reader = UsageReader(usage)
    source = "tokens" if get(usage, "tokens.input_tokens") is not None else "billed_units"
    return reader.counts(
        reader.total(f"{source}.input_tokens"),
        reader.total(f"{source}.output_tokens"),
        "cached_tokens",
        "billed_units.input_tokens",
        "billed_units.output_tokens",
    )
