"""Token counts that others already put on an output: the columns fill without any code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dagster import MetadataValue

from doc_io.document import Usage

# dagster-openai counts by model (openai.<model>.prompt_tokens, and a model's name may have dots), dagster-anthropic and
# dagster-gemini in total; the last of each are OpenTelemetry's names (semantic conventions for generative AI).
_PROMPT = [
    re.compile(each)
    for each in (
        r"openai\.(.+\.)?prompt_tokens",
        r"anthropic\.input_tokens",
        r"gemini\.prompt_token_count",
        r"gen_ai\.usage\.input_tokens",
    )
]
_COMPLETION = [
    re.compile(each)
    for each in (
        r"openai\.(.+\.)?completion_tokens",
        r"anthropic\.output_tokens",
        r"gemini\.candidates_token_count",
        r"gen_ai\.usage\.output_tokens",
    )
]
_LIMIT = [re.compile(r"gen_ai\.request\.max_tokens")]
_MODEL = ("gen_ai.response.model", "gen_ai.request.model")
_BY_MODEL = re.compile(r"openai\.(.+)\.total_tokens")


def usage_of(metadata: Mapping[str, Any]) -> Usage | None:
    """The token counts in an output's metadata; ``None`` where it has none.

    Args:
        metadata: Of the output, as Dagster holds it at the time of ``handle_output``.
    """
    usage = Usage(_count(metadata, _PROMPT), _count(metadata, _COMPLETION), _count(metadata, _LIMIT))
    return None if usage == Usage() else usage


def model_of(metadata: Mapping[str, Any]) -> str | None:
    """The model that an output's metadata names; ``None`` where it names none, or several."""
    for name in _MODEL:
        value = _plain(metadata.get(name))
        if isinstance(value, str):
            return value
    models = {match[1] for match in map(_BY_MODEL.fullmatch, metadata) if match}
    return models.pop() if len(models) == 1 else None


def _count(metadata: Mapping[str, Any], providers: Iterable[re.Pattern[str]]) -> int | None:
    """The sum of the first provider's counters: a body may have asked several models, and telemetry may count again."""
    for counter in providers:
        found = [_plain(value) for key, value in metadata.items() if counter.fullmatch(key)]
        counts: list[int] = [count for count in found if type(count) is int and count >= 0]
        if counts:
            return sum(counts)
    return None


def _plain(value: object) -> Any:
    return value.value if isinstance(value, MetadataValue) else value
