"""How much there is and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

from doc_io.index.base import ALL, Filter, GroupedBy, StageCount, TokenUsage
from doc_io.prices import price_of
from doc_io.store import DocumentStore


def usage(store: DocumentStore, by: GroupedBy = "model_id", where: Filter = ALL) -> list[TokenUsage]:
    """Tokens spent, the group with most tokens first; with their list price where `doc_io.prices` knows it.

    Args:
        store: Which store.
        by: A column, or ``day``. Default: the model.
        where: Which documents count. Default: all.
    """
    spent = store.index.usage(by, where)
    models = spent if by == "model_id" else store.index.usage("model_id")
    costs = _costs(store, by, where, [each.group for each in models])
    return [
        each._replace(cost=costs[each.group][0], priced=costs[each.group][1]) if each.group in costs else each
        for each in spent
    ]


def models_without_price(store: DocumentStore, where: Filter = ALL) -> list[str]:
    """The models whose documents `usage` leaves out of a cost, the one with most tokens first.

    Args:
        store: Which store.
        where: Which documents. Default: all.
    """
    models = (each.group for each in store.index.usage("model_id", where))
    return [model for model in models if model is not None and price_of(model) is None]


def stage_counts(store: DocumentStore) -> list[StageCount]:
    """How many documents there are of each stage and status.

    Args:
        store: Which store.
    """
    return store.index.stage_counts()


def _costs(
    store: DocumentStore, by: GroupedBy, where: Filter, models: Sequence[str | None]
) -> dict[str | None, tuple[float, int]]:
    """The cost of each group and of how many documents it is: of those documents whose model has a price and whose tokens are known."""
    prices = {model: price for model in models if model is not None and (price := price_of(model)) is not None}
    if not prices:
        return {}
    starts = sorted({start for price in prices.values() for start in price.starts})
    rates = {(model, start): price.at(start + 1) for model, price in prices.items() for start in (0, *starts)}
    costs: dict[str | None, tuple[float, int]] = {}
    for group, model, longer_than, documents, prompt_tokens, answer_tokens in store.index.usage_by_model(
        by, where, starts
    ):
        rate = rates.get((model, longer_than))
        if rate is not None:
            cost, priced = costs.get(group, (0.0, 0))
            costs[group] = (cost + prompt_tokens * rate[0] + answer_tokens * rate[1], priced + documents)
    return costs
