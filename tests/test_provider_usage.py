"""Tokens: all that were read, all that were written, and no count that cannot be true."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from doc_io.provider_responses import read_response
from tests.provider_samples import ANTHROPIC, BEDROCK, CHAT, COHERE, GEMINI, LANGCHAIN, RESPONSES

COUNTS: list[tuple[str, dict[str, Any], tuple[int | None, int | None], dict[str, int]]] = [
    (
        "OpenAI chat: cached tokens are in the prompt's",
        {
            **CHAT,
            "usage": {
                "prompt_tokens": 1200,
                "completion_tokens": 90,
                "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 64},
            },
        },
        (1200, 90),
        {"prompt_tokens_details.cached_tokens": 1024, "completion_tokens_details.reasoning_tokens": 64},
    ),
    (
        "OpenAI Responses: likewise",
        {
            **RESPONSES,
            "usage": {
                "input_tokens": 1200,
                "output_tokens": 90,
                "input_tokens_details": {"cached_tokens": 1024},
                "output_tokens_details": {"reasoning_tokens": 64},
            },
        },
        (1200, 90),
        {"input_tokens_details.cached_tokens": 1024, "output_tokens_details.reasoning_tokens": 64},
    ),
    (
        "Anthropic: cache reads and writes are counted apart",
        {
            **ANTHROPIC,
            "usage": {
                "input_tokens": 7,
                "cache_read_input_tokens": 9800,
                "cache_creation_input_tokens": 300,
                "output_tokens": 40,
            },
        },
        (10_107, 40),
        {"input_tokens": 7, "cache_read_input_tokens": 9800, "cache_creation_input_tokens": 300},
    ),
    (
        "Gemini: thoughts are counted apart, cached tokens are not",
        {
            **GEMINI,
            "usageMetadata": {
                "promptTokenCount": 1200,
                "cachedContentTokenCount": 1024,
                "candidatesTokenCount": 30,
                "thoughtsTokenCount": 60,
                "toolUsePromptTokenCount": 10,
            },
        },
        (1210, 90),
        {"cached_content_token_count": 1024, "thoughts_token_count": 60, "tool_use_prompt_token_count": 10},
    ),
    (
        "Gemini: nothing but thoughts",
        {**GEMINI, "usageMetadata": {"promptTokenCount": 12, "thoughtsTokenCount": 95}},
        (12, 95),
        {"thoughts_token_count": 95},
    ),
    (
        "Bedrock: cache reads and writes are counted apart",
        {
            **BEDROCK,
            "usage": {
                "inputTokens": 7,
                "cacheReadInputTokens": 9800,
                "cacheWriteInputTokens": 300,
                "outputTokens": 40,
            },
        },
        (10_107, 40),
        {"inputTokens": 7, "cacheReadInputTokens": 9800, "cacheWriteInputTokens": 300},
    ),
    (
        "LangChain: sums include all",
        {
            **LANGCHAIN,
            "usage_metadata": {
                "input_tokens": 10_107,
                "output_tokens": 40,
                "input_token_details": {"cache_read": 9800, "cache_creation": 300},
                "output_token_details": {"reasoning": 8},
            },
        },
        (10_107, 40),
        {
            "input_token_details.cache_read": 9800,
            "input_token_details.cache_creation": 300,
            "output_token_details.reasoning": 8,
        },
    ),
    (
        "LangChain: an integration without usage_metadata",
        {
            **LANGCHAIN,
            "usage_metadata": None,
            "response_metadata": {"finish_reason": "stop", "token_usage": {"prompt_tokens": 3, "completion_tokens": 1}},
        },
        (3, 1),
        {},
    ),
    (
        "Cohere: billed units where there is nothing else",
        {**COHERE, "usage": {"billed_units": {"input_tokens": 12.0, "output_tokens": 5.0}}},
        (12, 5),
        {"billed_units.input_tokens": 12, "billed_units.output_tokens": 5},
    ),
    ("nothing is known", {**CHAT, "usage": None}, (None, None), {}),
]


@pytest.mark.parametrize(("response", "counts", "parts"), [pytest.param(*each, id=name) for name, *each in COUNTS])
def test_all_that_was_read_and_written_is_counted(
    response: dict[str, Any], counts: tuple[int | None, int | None], parts: dict[str, int]
) -> None:
    answer = read_response(response)

    assert (answer.prompt_tokens, answer.completion_tokens) == counts
    assert answer.usage_parts == parts
    assert answer.notes == ()


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        (-35, "-35"),
        (37.25, "37.25"),
        (True, "True"),
        ("many", "'many'"),
        ("-4", "'-4'"),
        (10**12 + 1, "1000000000001"),
        (10**5000, "an integer that is too large"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        ([12], "a builtins.list"),
        ("9" * 5000, f"'{'9' * 59}"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_odd_count_is_not_known_and_noted_and_the_answer_stands(odd: object, shown: str) -> None:
    answer = read_response({**CHAT, "usage": {"prompt_tokens": 1151, "completion_tokens": odd}})

    assert (answer.text, answer.status) == ("hello", "ok")
    assert (answer.prompt_tokens, answer.completion_tokens) == (1151, None)
    assert answer.notes == (f"usage.completion_tokens is {shown}",)


@pytest.mark.parametrize("value", [37, 37.0, "37", np.int64(37), np.float32(37), Fraction(37)], ids=repr)
def test_a_whole_number_of_any_kind_is_a_count(value: object) -> None:
    answer = read_response({**CHAT, "usage": {"prompt_tokens": value, "completion_tokens": 0}})

    assert (answer.prompt_tokens, answer.completion_tokens, answer.notes) == (37, 0, ())
    assert type(answer.prompt_tokens) is int


def test_a_sum_with_an_odd_part_is_not_known() -> None:
    usage = {"input_tokens": 7, "cache_read_input_tokens": -1, "output_tokens": 40}

    answer = read_response({**ANTHROPIC, "usage": usage})

    assert (answer.prompt_tokens, answer.completion_tokens) == (None, 40)
    assert (answer.usage_parts, answer.notes) == ({"input_tokens": 7}, ("usage.cache_read_input_tokens is -1",))


def test_a_sum_that_no_column_can_hold_is_not_known() -> None:
    usage = {"input_tokens": 10**12, "cache_read_input_tokens": 1, "output_tokens": 40}

    answer = read_response({**ANTHROPIC, "usage": usage})

    assert (answer.prompt_tokens, len(answer.notes)) == (None, 1)
