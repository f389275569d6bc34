"""The Responses API of OpenAI: https://platform.openai.com/docs/api-reference/responses/object."""

from __future__ import annotations

from doc_io.provider_responses.answer import ResponseParts, detail
from doc_io.provider_responses.fields import get, items, joined_text, name, refusal_text, string
from doc_io.provider_responses.token_counts import TokenCounts, UsageReader

PROVIDER = "openai_responses"

# Calls that wait for the caller. Web search, file search and the like run at the provider.
_TOOL_CALLS = {
    "apply_patch_call",
    "computer_call",
    "custom_tool_call",
    "function_call",
    "local_shell_call",
    "mcp_approval_request",
    "shell_call",
}


def read_openai_response(response: object) -> ResponseParts | None:
    """A response of the Responses API; ``None`` if it is none."""
    output = items(get(response, "output"))
    if output is None:
        return None
    kinds = [string(get(item, "type")) for item in output]
    if string(get(response, "object")) != "response" and (not kinds or None in kinds):
        return None

    messages = _messages(output)
    texts = [text for message in messages if (text := joined_text(get(message, "content"))) is not None]
    status = name(get(response, "status"))
    return ResponseParts(
        provider=PROVIDER,
        text="".join(texts) if texts else None,
        model=get(response, "model"),
        provider_id=get(response, "id"),
        finish_reason=get(response, "incomplete_details.reason") or status,
        counts=_counts(get(response, "usage")),
        failure=_failure(response, messages, status),
        tool_call=not _TOOL_CALLS.isdisjoint(kinds),
        # A message may be incomplete in a response that calls itself complete.
        unfinished="incomplete" in {status, *(name(get(message, "status")) for message in messages)},
    )


def _messages(output: list[object]) -> list[object]:
    """The messages that make the answer: commentary on the way to a final answer is left out, if there is one."""
    messages = [item for item in output if string(get(item, "type")) == "message"]
    return [each for each in messages if string(get(each, "phase")) != "commentary"] or messages


def _failure(response: object, messages: list[object], status: str | None) -> str | None:
    if status == "failed":
        return f"The response failed{detail(string(get(response, 'error.message')))}"
    refusals = [refusal for each in messages if (refusal := refusal_text(get(each, "content"))) is not None]
    return f"The model refused{detail(''.join(refusals))}" if refusals else None


def _counts(usage: object) -> TokenCounts:
    reader = UsageReader(usage)
    return reader.counts(
        reader.total("input_tokens"),
        reader.total("output_tokens"),
        "input_tokens_details.cached_tokens",
        "input_tokens_details.cache_write_tokens",
        "output_tokens_details.reasoning_tokens",
    )
