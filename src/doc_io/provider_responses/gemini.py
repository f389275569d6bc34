"""Gemini, by ``google-genai``, Vertex AI or REST: https://ai.google.dev/api/generate-content#generatecontentresponse."""

from __future__ import annotations

from dataclasses import replace

from doc_io.provider_responses.answer import ResponseParts, detail
from doc_io.provider_responses.fields import get, has, items, joined_text, name, string
from doc_io.provider_responses.token_counts import TokenCounts, UsageReader

PROVIDER = "gemini"


def read_gemini_response(response: object) -> ResponseParts | None:
    """A response of ``generate_content``; ``None`` if it is none."""
    candidates = items(get(response, "candidates")) or []
    if not candidates:
        blocked = name(get(response, "prompt_feedback.block_reason"))
        if blocked is None and get(response, "usage_metadata.prompt_token_count") is None:
            return None
        message = string(get(response, "prompt_feedback.block_reason_message"))
        failure = (
            f"The prompt was blocked ({blocked}){detail(message)}" if blocked else "The response has no candidate."
        )
        return replace(_named(response), finish_reason=blocked, failure=failure)

    candidate = candidates[0]
    if not any(has(candidate, each) for each in ("content", "finish_reason", "finishReason")):
        return None
    parts = items(get(candidate, "content.parts"))
    return replace(
        _named(response),
        text=joined_text(parts),
        finish_reason=get(candidate, "finish_reason"),
        tool_call=any(get(part, "function_call") is not None for part in parts or ()),
        unfinished=get(candidate, "finish_reason") is None,  # "If empty, the model has not stopped generating tokens"
        notes=(f"{len(candidates)} candidates: the first was taken",) if len(candidates) > 1 else (),
    )


def _named(response: object) -> ResponseParts:
    """What every response says of itself."""
    return ResponseParts(
        provider=PROVIDER,
        model=get(response, "model_version"),
        provider_id=get(response, "response_id"),
        counts=_counts(get(response, "usage_metadata")),
    )


def _counts(usage: object) -> TokenCounts:
    """The prompt's count includes cached tokens; thoughts and the results of tools are counted apart.

    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    reader = UsageReader(usage, "usage_metadata")
    return reader.counts(
        reader.total("prompt_token_count", "tool_use_prompt_token_count"),
        reader.total("candidates_token_count", "thoughts_token_count"),
        "cached_content_token_count",
        "tool_use_prompt_token_count",
        "thoughts_token_count",
    )
