"""Totals that triggers keep in SQLite, so that a count over a million rows reads a few hundred.

One row for each stage, status, model, template, experiment and day, and in a table of its own one for each run and model;
triggers hold them true to the table. A writer is alone in a SQLite file anyway. (PostgreSQL would make all writers of a
group wait for each other; it counts when asked.)

What a document costs follows from the sums of its model as long as no prompt is long: some models have a higher price from
100,000 tokens on. Such documents are few, and have an index of their own.
"""

from __future__ import annotations

from doc_io.index.base import ALL, Filter, GroupedBy

LONG_PROMPT = 100_000
"""Documents with longer prompts, in tokens, are not in the sums that a price is taken of."""

LONG_PROMPTS = "documents_long_prompts"
"""The index that has them."""

# ``{row}`` stands for nothing in a query, for ``new.`` and ``old.`` in the triggers.
_TABLES: dict[str, dict[str, str]] = {
    "document_totals": {
        "stage": "{row}stage",
        "status": "{row}status",
        "model_id": "{row}model_id",
        "template_id": "{row}template_id",
        "experiment_id": "{row}experiment_id",
        "day": "substr({row}created_at, 1, 10)",
    },
    "run_totals": {"run_id": "{row}run_id", "model_id": "{row}model_id"},
}
_PRICED = f"({{row}}usage_prompt_tokens <= {LONG_PROMPT} AND {{row}}usage_completion_tokens IS NOT NULL)"
_SUMS = {
    "documents": "1",
    "prompt_tokens": "coalesce({row}usage_prompt_tokens, 0)",
    "completion_tokens": "coalesce({row}usage_completion_tokens, 0)",
    "characters": "coalesce({row}raw_chars, 0) + coalesce({row}parsed_chars, 0)",
    "priced": f"coalesce({_PRICED}, 0)",
    "priced_prompt_tokens": f"CASE WHEN {_PRICED} THEN {{row}}usage_prompt_tokens ELSE 0 END",
    "priced_completion_tokens": f"CASE WHEN {_PRICED} THEN {{row}}usage_completion_tokens ELSE 0 END",
}


def _counted(table: str) -> str:
    """The totals as they are counted in the rows."""
    group = ", ".join(_TABLES[table].values())
    sums = ", ".join(f"sum({each})" for each in _SUMS.values())
    return f"SELECT json_array({group}) AS key, {group}, {sums} FROM documents GROUP BY 1".format(row="")


FILL = [f"INSERT INTO {table} {_counted(table)}" for table in _TABLES]
"""Count a table that was filled before the triggers were made."""

COUNT_AGAIN = [*(f"DELETE FROM {table}" for table in _TABLES), *FILL]
"""Count a table whose rows were changed; the triggers see only what comes and goes."""


def _differences(table: str) -> str:
    kept, counted = f"SELECT * FROM {table} WHERE documents <> 0", f"SELECT * FROM ({_counted(table)})"
    return f"SELECT key FROM ({counted} EXCEPT {kept}) UNION SELECT key FROM ({kept} EXCEPT {counted})"


DIFFERENCES = (
    f"SELECT count(*) FROM ({' UNION ALL '.join(f'SELECT * FROM ({_differences(each)})' for each in _TABLES)})"
)
"""The number of groups whose totals are not those of their rows."""

STAGE_COUNTS = (
    "SELECT stage, status, sum(documents), sum(characters) FROM document_totals"
    " GROUP BY stage, status HAVING sum(documents) > 0 ORDER BY stage, status"
)


def create_totals() -> list[str]:
    """The statements that make the tables of totals and the triggers that keep them."""
    # NULL is not equal to NULL in a unique index, hence one key that spells the group.
    tables = [
        f"CREATE TABLE {table} (key TEXT PRIMARY KEY, {', '.join(f'{name} TEXT' for name in groups)},"
        f" {', '.join(f'{name} INTEGER NOT NULL' for name in _SUMS)}) WITHOUT ROWID"
        for table, groups in _TABLES.items()
    ]
    long = f"CREATE INDEX {LONG_PROMPTS} ON documents (usage_prompt_tokens) WHERE usage_prompt_tokens > {LONG_PROMPT}"
    return [*tables, long, _trigger("INSERT", "new.", "+"), _trigger("DELETE", "old.", "-")]


def usage(by: GroupedBy, where: str) -> str:
    """The statement for token totals by one of the groups, with the conditions that `queries` made."""
    return (
        f"SELECT {by}, sum(documents), sum(prompt_tokens), sum(completion_tokens) FROM {_table(by)}{where}"
        f" GROUP BY {by} HAVING sum(documents) > 0 ORDER BY sum(prompt_tokens) + sum(completion_tokens) DESC, {by}"
    )


def usage_by_model(by: GroupedBy, where: str) -> str:
    """The statement for what `doc_io.index.report_queries.usage_by_model` asks, without documents that have a long prompt."""
    if by == "run_id":  # of all documents (`can_answer`), and one row for each run and model: there is nothing to sum
        return (
            "SELECT run_id, model_id, 0, priced, priced_prompt_tokens, priced_completion_tokens FROM run_totals"
            " WHERE priced > 0"
        )
    return (
        f"SELECT {by}, model_id, 0, sum(priced), sum(priced_prompt_tokens), sum(priced_completion_tokens)"
        f" FROM document_totals{where} GROUP BY {by}, model_id HAVING sum(priced) > 0"
    )


def _table(by: GroupedBy) -> str:
    return "run_totals" if by == "run_id" else "document_totals"


def can_answer(by: GroupedBy, where: Filter) -> bool:
    """Whether the totals are grouped finely enough; if not, the rows must be counted."""
    if by == "run_id":
        return where == ALL
    not_grouped_by = (where.task_id, where.run_id, where.since, where.until, where.doc_id, where.newest)
    return by in _TABLES["document_totals"] and not any(not_grouped_by)


def _trigger(event: str, row: str, sign: str) -> str:
    added = ", ".join(f"{name} = {name} {sign} excluded.{name}" for name in _SUMS)
    upserts = ""
    for table, groups in _TABLES.items():
        group = ", ".join(groups.values())
        values = f"json_array({group}), {group}, {', '.join(_SUMS.values())}".format(row=row)
        upserts += f" INSERT INTO {table} VALUES ({values}) ON CONFLICT (key) DO UPDATE SET {added};"
    return f"CREATE TRIGGER documents_{event.lower()} AFTER {event} ON documents BEGIN{upserts} END"
