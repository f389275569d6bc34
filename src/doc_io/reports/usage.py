"""How much there is and what it cost."""

from __future__ import annotations

from doc_io.index.base import ALL, Filter, GroupedBy, StageCount, TokenUsage
from doc_io.store import DocumentStore


def usage(store: DocumentStore, by: GroupedBy = "model_id", where: Filter = ALL) -> list[TokenUsage]:
    """Tokens spent, the most expensive group first.

    Args:
        store: Which store.
        by: A column, or ``day``. Default: the model.
        where: Which documents count. Default: all.
    """
    return store.index.usage(by, where)


def stage_counts(store: DocumentStore) -> list[StageCount]:
    """How many documents there are of each stage and status.

    Args:
        store: Which store.
    """
    return store.index.stage_counts()
