"""SELECTs as PostgreSQL answers them from an index: for many keys a subquery with ``LIMIT 1`` for each of them.

The join that SQLite gets would be planned as a scan of the whole table wherever the table is small or the keys are many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from doc_io.document import COLUMNS
from doc_io.index.base import VersionSelector
from doc_io.index.queries import NEWEST_FIRST, condition_of

_COLUMNS = ", ".join(COLUMNS)
_FOUND = ", ".join(f"found.{column}" for column in COLUMNS)
_NAMES = "stage|task_id|model_id|template_id|run_id|experiment_id|parent_doc_id"
_EQUAL = re.compile(rf"(?<![\w.])((?:\w+\.)?(?:{_NAMES})) (?:= (\?|(?:\w+\.)?\w+)|IN \((\?(?:, \?)*)\))")
_DEFINITION = re.compile(r"(CREATE INDEX [^(]*)\(([^()]*)\)(.*)")
_MAX_INDEXED_BYTES = 250  # of a name; an entry of a B-tree has 2,704 bytes at most, for up to five names and a time


def indexed(name: str) -> str:
    """The expression by which a name is indexed: itself, or the SHA-256 of a long one, made longer than any short one.

    Two names are equal if and only if these are.

    Args:
        name: A column.
    """
    # The bytes of a text; convert_to would give them too, and may not stand in an index as it is not immutable.
    text = rf"decode(replace({name}, '\', '\\'), 'escape')"
    digest = f"rpad(encode(sha256({text}), 'hex'), {_MAX_INDEXED_BYTES + 1})"
    return f"(CASE WHEN octet_length({name}) <= {_MAX_INDEXED_BYTES} THEN {name} ELSE {digest} END)"


_GIVEN = f"(SELECT {indexed('name')} FROM (VALUES (?::text)) AS given(name))"


def indexes(definitions: Iterable[str]) -> list[str]:
    """The statements that make indexes, with each name as it is indexed.

    Args:
        definitions: Statements of `doc_io.index.schema.create_indexes`.
    """
    made = []
    for definition in definitions:
        found = _DEFINITION.fullmatch(definition)
        start, columns, condition = found.groups() if found else (definition, "", "")
        names = [indexed(name) if re.fullmatch(_NAMES, name) else name for name in columns.split(", ")]
        # The planner does not see that a comparison of an expression leaves NULL out.
        made.append(f"{start}({', '.join(names)}){condition.replace(' WHERE parent_doc_id IS NOT NULL', '')}")
    return made


@lru_cache(1024)
def statement_for(statement: str) -> str:
    """A statement with psycopg's placeholders, in which names are compared as they are indexed."""
    return _EQUAL.sub(_comparison, statement).replace("?", "%s")


def _comparison(found: re.Match[str]) -> str:
    name, other, listed = found.groups()
    if listed:
        return f"{indexed(name)} IN ({', '.join([_GIVEN] * listed.count('?'))})"
    return f"{indexed(name)} = {_GIVEN if other == '?' else indexed(other)}"


KEYS_TABLE = "unnest(?::text[]) WITH ORDINALITY AS keys(key, position)"
"""A list of keys as a table, in the order given."""

HEADS = (
    "SELECT keys.stage, keys.task_id, head.doc_id, head.created_at FROM unnest(?::text[], ?::text[]) AS keys(stage, task_id)"
    " CROSS JOIN LATERAL (SELECT doc_id, created_at FROM documents"
    f" WHERE stage = keys.stage AND task_id = keys.task_id {NEWEST_FIRST} LIMIT 1) AS head"
)
"""The newest document of many tasks: a list of stages, and one of task ids."""

GET_MANY = (
    f"SELECT {_FOUND} FROM {KEYS_TABLE} CROSS JOIN LATERAL"
    f" (SELECT {_COLUMNS} FROM documents WHERE doc_id = keys.key LIMIT 1) AS found ORDER BY keys.position"
)
"""The rows of many doc ids, which are its one value."""


def latest_by_tasks(stage: str, selector: VersionSelector) -> tuple[str, list[Any]]:
    """The statement for many tasks, which are its first value, and its other values.

    Args:
        stage: Kind of document.
        selector: Which of each task's documents; of the preferred runs the first that has one.
    """
    condition, selected = condition_of(selector)
    of_task = f"FROM documents WHERE stage = ? AND task_id = keys.key AND {condition}"
    values: list[Any] = []
    candidates = []
    for preference, run in enumerate(selector.runs):
        candidates.append(
            f"(SELECT {_COLUMNS}, {preference} AS preference {of_task} AND run_id = ? {NEWEST_FIRST} LIMIT 1)"
        )
        values += [stage, *selected, run]
    candidates.append(f"(SELECT {_COLUMNS}, {len(selector.runs)} AS preference {of_task} {NEWEST_FIRST} LIMIT 1)")
    values += [stage, *selected]
    newest = f"SELECT {_COLUMNS} FROM ({' UNION ALL '.join(candidates)}) AS candidates ORDER BY preference LIMIT 1"
    return f"SELECT {_FOUND} FROM {KEYS_TABLE} CROSS JOIN LATERAL ({newest}) AS found ORDER BY keys.position", values
