"""What tokens cost at list price, in US dollars: by `genai-prices`, where it is installed (extra ``prices``).

No network is used. Without it, and for a model that it does not know, there is no price; nothing else depends on it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

# ruff: noqa: PLC0415 - a large table, which only those who ask for a price wait for

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """The list price of a model; discounts for cached tokens and batches are not known.

    Attributes:
        starts: A prompt of more tokens than one of these has the next of the prices below.
        per_token: Dollars for a token of the prompt and for one of the answer, for prompts up to each start and beyond.
    """

    starts: tuple[int, ...]
    per_token: tuple[tuple[float, float], ...]

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What one answer cost; both are numbers of tokens."""
        of_prompt, of_answer = self.at(prompt_tokens)
        return prompt_tokens * of_prompt + completion_tokens * of_answer

    def at(self, prompt_tokens: int) -> tuple[float, float]:
        """Dollars for a token of a prompt of this length, and for one of its answer."""
        return self.per_token[bisect_left(self.starts, prompt_tokens)]


def prices_installed() -> bool:
    """Whether there is a list of prices at all."""
    return find_spec("genai_prices") is not None


@lru_cache(4096)
def price_of(model_id: str) -> Price | None:
    """The price of a model; ``None`` where it is not known.

    Args:
        model_id: Its name, as a provider or a router gives it (``gpt-4o``, ``openai/gpt-4o``).
    """
    try:
        import genai_prices
    except ImportError:
        return None

    def paid(name: str, prompt: int, completion: int, provider: str | None = None) -> Any:
        usage = genai_prices.Usage(input_tokens=prompt, output_tokens=completion)
        return genai_prices.calc_price(usage, name, provider_id=provider)

    maker, _, plain = model_id.rpartition("/")
    for name, provider in ((model_id, None), (model_id, "aws"), (plain, maker.rpartition("/")[2]), (plain, None)):
        try:
            prices = [
                getattr(paid(name, 1, 1, provider).model_price, f"{way}_mtok", None) for way in ("input", "output")
            ]
        except (LookupError, ValueError):
            continue
        if None in prices:  # of an embedding, an image: not a price for text
            return None
        starts = tuple(sorted({tier.start for each in prices for tier in getattr(each, "tiers", ())}))
        per_token = []
        for longest in (1, *(start + 1 for start in starts)):
            of_prompt = paid(name, longest, 0, provider).total_price
            with_answer = paid(name, longest, _MILLION, provider).total_price
            per_token.append((float(of_prompt / longest), float((with_answer - of_prompt) / _MILLION)))
        return Price(starts, tuple(per_token))
    return None
