"""What a generation cost in money, where its author wrote that down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("cost_usd", "cost", "response_cost", "total_cost")
"""Where LiteLLM, OpenRouter and people keep it; in dollars."""


def cost(metadata: Mapping[str, Any]) -> float | None:
    """Dollars; ``None`` where the metadata does not say."""
    for name in _NAMES:
        value = metadata.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            return float(value)
    return None
