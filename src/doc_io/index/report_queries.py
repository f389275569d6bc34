"""The statements behind `doc_io.reports.compare` and `lineage`, written once for both engines.

Placeholders are ``?``, as in `queries`. No value is ever part of a statement; columns are taken from the list below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from doc_io.index.base import Filter, GroupedBy
from doc_io.index.queries import INPUT_NAME, LISTED, PARENT, where_clause

COMPARABLE: dict[str, str] = {
    **{
        column: f"{{row}}.{column}"
        for column in (
            *("stage", "task_id", "template_id", "model_id", "run_id", "experiment_id", "status", "attempt"),
            *("asset_key", "parser", "logical_key_id", "parent_doc_id", "doc_id"),
        )
    },
    "day": "substr({row}.created_at, 1, 10)",
}
"""What documents can be grouped by, and the expression for it; ``{row}`` is the alias of the row that has it."""

_MAX_DEPTH = 1000  # generations; only a forged circle is deeper
_SEQ_BITS = 2**40  # one number orders ancestors by distance and then by seq
_FACTS = """chosen.status, chosen.score, chosen.usage_prompt_tokens, chosen.usage_completion_tokens,
    coalesce(chosen.parsed_chars, chosen.raw_chars), chosen.model_id"""


def _generation(made: str) -> str:
    """The parents of documents ``made``, as rows of the walk."""
    return (
        "SELECT above.parent_doc_id, above.parent_list_id, made.depth + 1, CASE WHEN above.stage = ? THEN above.seq END"
        f" FROM {made} AS made {LISTED} CROSS JOIN documents AS above WHERE above.doc_id = {PARENT}"
    )


# UNION, not UNION ALL: an ancestor that is reached by many ways is followed once. CROSS JOIN: SQLite keeps its order.
_CHOSEN = "(SELECT chosen.parent_doc_id AS parent_doc_id, chosen.parent_list_id AS parent_list_id, CAST(0 AS bigint) AS depth)"
_NEAREST = (
    f"WITH RECURSIVE walk (parent_doc_id, parent_list_id, depth, found) AS ({_generation(_CHOSEN)}"
    f" UNION {_generation('walk')} AND made.found IS NULL AND made.depth < {_MAX_DEPTH})"
    f" SELECT min(depth * {_SEQ_BITS} + found) FROM walk"
)


def comparison(column: str, ancestor: str | None, where: Filter) -> tuple[str, list[Any]]:
    """The statement and its values for what `compare` counts, the documents of each task together, newest first.

    Each row of its result: group, task, status, score, prompt tokens, completion tokens, characters, model.

    Args:
        column: A key of `COMPARABLE`.
        ancestor: The stage whose column it is; ``None`` for the documents' own.
        where: Which documents; of one stage.
    """
    condition, values = where_clause(where, table="chosen")
    shared = COMPARABLE[column].format(row="chosen" if ancestor is None else "ancestor")
    if ancestor is not None:
        # One walk for each document, which are read in the order of an index: nothing is gathered or sorted.
        shared = f"(SELECT {shared} FROM documents AS ancestor WHERE ancestor.seq = (({_NEAREST}) & {_SEQ_BITS - 1}))"
        values = [ancestor, ancestor, *values]
    return (
        f"SELECT {shared} AS shared, chosen.task_id, {_FACTS} FROM documents AS chosen{condition}"
        " ORDER BY chosen.task_id DESC, chosen.created_at DESC, chosen.seq DESC"
    ), values


def usage_by_model(
    by: GroupedBy, where: Filter, starts: Sequence[int], *, hint: str = "", longer_than: int | None = None
) -> tuple[str, list[Any]]:
    """The statement and its values for the sums of both token counts, of the documents where both are known.

    Each row of its result is of one group and model: group, model, the greatest of ``starts`` that the prompts exceed (else
    0), the number of documents, and the sums.

    Args:
        by: What the groups share.
        where: Which documents.
        starts: Lengths of prompts, in tokens, from which on they are summed apart.
        hint: Which index to take, in the engine's own SQL. Default: the engine chooses.
        longer_than: Only documents with longer prompts, in tokens. Default: all.
    """
    condition, values = where_clause(where)
    prompts = "IS NOT NULL" if longer_than is None else f"> {int(longer_than)}"
    known = f"usage_prompt_tokens {prompts} AND usage_completion_tokens IS NOT NULL"
    longer = "".join(
        f" WHEN usage_prompt_tokens > {int(start)} THEN {int(start)}" for start in sorted(starts, reverse=True)
    )
    start = f"CASE{longer} ELSE 0 END" if longer else "0"
    return (
        f"SELECT {COMPARABLE[by].format(row='documents')} AS shared, model_id AS model, {start} AS longer_than,"
        " count(*), CAST(sum(usage_prompt_tokens) AS bigint), CAST(sum(usage_completion_tokens) AS bigint)"
        f" FROM documents{hint}{condition} {'AND' if condition else 'WHERE'} {known} GROUP BY shared, model, longer_than"
    ), values


def edges(keys_table: str, direction: Literal["up", "down"]) -> str:
    """The statement for one level of a lineage: parent, child and input name of each edge.

    Its values are the list of ids for ``keys(key, position)`` and the most documents at the other end.

    Args:
        keys_table: A table expression ``keys(key, position)`` in the engine's own SQL.
        direction: To the parents or to the children of the documents in the list.
    """
    level = f"WITH level AS (SELECT key, position FROM {keys_table})"
    if direction == "up":
        return (
            f"{level}, given AS (SELECT {PARENT} AS parent, made.doc_id AS child, coalesce({INPUT_NAME}, '') AS name,"
            " level.position AS place, coalesce(listed.position, 0) AS position"
            f" FROM level CROSS JOIN documents AS made {LISTED} WHERE made.doc_id = level.key AND {PARENT} IS NOT NULL),"
            " reached AS (SELECT parent FROM given GROUP BY parent ORDER BY min(place), min(position) LIMIT ?)"
            " SELECT parent, child, name FROM given WHERE parent IN (SELECT parent FROM reached)"
            " ORDER BY place, position"
        )
    # A document may name its primary parent in its row alone.
    every = (
        "SELECT made.parent_doc_id AS parent, made.doc_id AS child, coalesce(made.parent_input_name, '') AS name"
        " FROM level CROSS JOIN documents AS made WHERE made.parent_doc_id = level.key AND made.parent_list_id IS NULL"
        " UNION SELECT listed.parent_doc_id, made.doc_id, listed.input_name FROM level"
        " CROSS JOIN document_parent_lists AS listed CROSS JOIN documents AS made"
        " WHERE listed.parent_doc_id = level.key AND made.parent_list_id = listed.list_id"
    )
    place = "dense_rank() OVER (ORDER BY made.seq) AS place"
    ranked = f"SELECT every.*, {place} FROM every CROSS JOIN documents AS made WHERE made.doc_id = every.child"
    return (
        f"{level}, every AS ({every}) SELECT parent, child, name FROM ({ranked}) AS ranked"
        " WHERE place <= ? ORDER BY place, parent, name"
    )
