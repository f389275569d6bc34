"""Token counts land in the usage columns without any code of the user's."""

from typing import Any

import dagster as dg
import pytest

from doc_io import Document, Usage
from tests.dagster.conftest import House


@pytest.mark.parametrize(
    ("metadata", "usage", "model"),
    [
        ({"openai.gpt-4.1.calls": 1, "openai.gpt-4.1.total_tokens": 8, "openai.gpt-4.1.prompt_tokens": 3, "openai.gpt-4.1.completion_tokens": 5}, Usage(3, 5), "gpt-4.1"),
        ({"openai.a.total_tokens": 3, "openai.a.prompt_tokens": 1, "openai.a.completion_tokens": 2, "openai.b.total_tokens": 7, "openai.b.prompt_tokens": 3, "openai.b.completion_tokens": 4}, Usage(4, 6), None),
        ({"openai.prompt_tokens": 3, "openai.completion_tokens": 5}, Usage(3, 5), None),
        ({"anthropic.input_tokens": 3, "anthropic.output_tokens": 5, "anthropic.calls": 1}, Usage(3, 5), None),
        ({"gemini.prompt_token_count": 3, "gemini.candidates_token_count": 5}, Usage(3, 5), None),
        ({"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 5, "gen_ai.request.max_tokens": 9, "gen_ai.request.model": "m"}, Usage(3, 5, 9), "m"),
        ({"unrelated_tokens": 3}, Usage(), None),
    ],
)  # fmt: skip
def test_the_counters_of_others_fill_the_columns(
    house: House, metadata: dict[str, Any], usage: Usage, model: str | None
) -> None:
    """dagster-openai, -anthropic and -gemini put them on the output; OpenTelemetry has names of its own."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext) -> str:
        context.add_output_metadata(metadata)
        return "x"

    assert house.run([draft]).success
    [row] = house.store.history("draft", "draft")
    assert (row.usage, row.model_id) == (usage, model)


def test_usage_that_the_document_names_wins(house: House) -> None:
    """The asset knows better."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext) -> Document:
        context.add_output_metadata({"anthropic.input_tokens": 3})
        return Document("x", usage=Usage(1, 2, 3))

    house.run([draft])
    assert house.store.history("draft", "draft")[0].usage == Usage(1, 2, 3)
