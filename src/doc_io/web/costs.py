"""What a generation cost in money: as its author wrote it down, else at list price where that is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doc_io.document import DocumentRow
from doc_io.prices import price_of

_NAMES = ("cost_usd", "cost", "response_cost", "total_cost")
"""Where LiteLLM, OpenRouter and people keep it; in dollars."""


def cost(row: DocumentRow, metadata: Mapping[str, Any]) -> float | None:
    """Dollars; ``None`` where it is not known."""
    for name in _NAMES:
        value = metadata.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            return float(value)
    if row.model_id is None or row.usage_prompt_tokens is None or row.usage_completion_tokens is None:
        return None
    price = price_of(row.model_id)
    return None if price is None else price.of(row.usage_prompt_tokens, row.usage_completion_tokens)
