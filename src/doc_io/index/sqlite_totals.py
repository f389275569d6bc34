"""Totals that triggers keep in SQLite, so that a count over a million rows reads a few hundred.

One row for each stage, status, model, template, experiment and day; triggers hold it true to the table. A writer is alone
in a SQLite file anyway. (PostgreSQL would make all writers of a group wait for each other; it counts when asked.)
"""

from __future__ import annotations

from doc_io.index.base import Filter, GroupedBy

# ``{row}`` stands for nothing in a query, for ``new.`` and ``old.`` in the triggers.
_GROUPS = {
    "stage": "{row}stage",
    "status": "{row}status",
    "model_id": "{row}model_id",
    "template_id": "{row}template_id",
    "experiment_id": "{row}experiment_id",
    "day": "substr({row}created_at, 1, 10)",
}
_SUMS = {
    "documents": "1",
    "prompt_tokens": "coalesce({row}usage_prompt_tokens, 0)",
    "completion_tokens": "coalesce({row}usage_completion_tokens, 0)",
    "characters": "coalesce({row}raw_chars, 0) + coalesce({row}parsed_chars, 0)",
}
_GROUP = ", ".join(_GROUPS.values())

FILL = (
    f"INSERT INTO document_totals SELECT json_array({_GROUP}), {_GROUP},"
    f" {', '.join(f'sum({each})' for each in _SUMS.values())} FROM documents GROUP BY 1"
).format(row="")
"""Counts a table that was filled before the triggers were made."""

STAGE_COUNTS = (
    "SELECT stage, status, sum(documents), sum(characters) FROM document_totals"
    " GROUP BY stage, status HAVING sum(documents) > 0 ORDER BY stage, status"
)


def create_totals() -> list[str]:
    """The statements that make the table of totals and the triggers that keep it."""
    # NULL is not equal to NULL in a unique index, hence one key that spells the group.
    table = (
        f"CREATE TABLE document_totals (key TEXT PRIMARY KEY, {', '.join(f'{name} TEXT' for name in _GROUPS)},"
        f" {', '.join(f'{name} INTEGER NOT NULL' for name in _SUMS)}) WITHOUT ROWID"
    )
    return [table, _trigger("INSERT", "new.", "+"), _trigger("DELETE", "old.", "-")]


def usage(by: GroupedBy, where: str) -> str:
    """The statement for token totals by one of the groups, with the conditions that `queries` made."""
    return (
        f"SELECT {by}, sum(documents), sum(prompt_tokens), sum(completion_tokens) FROM document_totals{where}"
        f" GROUP BY {by} HAVING sum(documents) > 0 ORDER BY sum(prompt_tokens) + sum(completion_tokens) DESC, {by}"
    )


def can_answer(by: GroupedBy, where: Filter) -> bool:
    """Whether the totals are grouped finely enough; if not, the rows must be counted."""
    not_grouped_by = (where.task_id, where.run_id, where.since, where.until, where.doc_id, where.newest)
    return by in _GROUPS and not any(not_grouped_by)


def _trigger(event: str, row: str, sign: str) -> str:
    added = ", ".join(f"{name} = {name} {sign} excluded.{name}" for name in _SUMS)
    values = f"json_array({_GROUP}), {_GROUP}, {', '.join(_SUMS.values())}".format(row=row)
    return (
        f"CREATE TRIGGER documents_{event.lower()} AFTER {event} ON documents BEGIN"
        f" INSERT INTO document_totals VALUES ({values}) ON CONFLICT (key) DO UPDATE SET {added}; END"
    )
