"""Chat and generate of Ollama: https://docs.ollama.com/api."""

from __future__ import annotations

from doc_io.provider_responses.answer import ResponseParts
from doc_io.provider_responses.fields import get, has, items, joined_text, string
from doc_io.provider_responses.token_counts import UsageReader

PROVIDER = "ollama"


def read_ollama_reply(response: object) -> ResponseParts | None:
    """A reply of Ollama; ``None`` if the response is none."""
    done = get(response, "done")
    if not isinstance(done, bool):
        return None
    message = get(response, "message")
    if not has(message, "content") and string(get(response, "response")) is None:
        return None

    reader = UsageReader(response, prefix="")
    return ResponseParts(
        provider=PROVIDER,
        text=joined_text(get(message, "content")) if message is not None else string(get(response, "response")),
        model=get(response, "model"),
        finish_reason=get(response, "done_reason"),
        counts=reader.counts(reader.total("prompt_eval_count"), reader.total("eval_count")),
        tool_call=bool(items(get(message, "tool_calls"))),
        unfinished=not done,
    )
