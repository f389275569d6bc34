"""Why a document is not ok, in a few words."""

from __future__ import annotations

from doc_io.document import DocumentRow, Status

_SAID = ("error", "skip_reason", "refusal")


def reason(row: DocumentRow) -> str:
    """Why a document is not ok; empty where it is, or where nothing is known."""
    if row.status is Status.OK:
        return ""
    for name in _SAID:
        value = row.meta_small.get(name)
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
    if row.status is Status.TRUNCATED and row.usage_max_tokens is not None:
        return f"cut after {row.usage_completion_tokens or 0:,} of {row.usage_max_tokens:,} tokens"
    finish = row.meta_small.get("finish_reason")
    if isinstance(finish, str) and finish:
        return f"finish reason {finish}"
    return "no text" if row.raw_chars in (0, None) else ""
