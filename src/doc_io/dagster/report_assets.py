"""Reports on a store as ready-made assets: a table in the metadata, and all of it as CSV, a document like any other."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dagster import AssetExecutionContext, MetadataValue, TableColumn, TableRecord, TableSchema, asset

from doc_io import maintenance
from doc_io.dagster.events import is_failed, reason
from doc_io.dagster.identity import REPORT_STAGES
from doc_io.dagster.settings import StoreSettings
from doc_io.document import FAILED, DocumentRow, Status
from doc_io.escaping import counted, printable
from doc_io.maintenance.verify import NOTES, Finding
from doc_io.store import DocumentStore

TABLE_ROWS = 200
"""The longest table in the metadata; the CSV has every row."""

_LATEST = (
    "newest_status",
    "reason",
    "stage",
    "task_id",
    "doc_id",
    "created_at",
    "template_id",
    "model_id",
    "usage_prompt_tokens",
    "usage_completion_tokens",
    "raw_chars",
    "attempts",
    "doc_dir",
)
_IN_TABLE = ("newest_status", "reason", "stage", "task_id", "attempts", "doc_id", "created_at", "model_id")
"""So many columns that a row is one line in Dagster's UI; the CSV has them all."""

_GROUP = "documents"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@asset(
    name="documents_latest_report",
    group_name=_GROUP,
    required_resource_keys={"documents"},
    kinds={"csv"},
)
def documents_latest_report(context: AssetExecutionContext) -> str:
    """Every task of the store, what is not ok first: how its newest attempt ended and why, and its latest ok document."""
    rows = list(latest_rows(_store(context)))
    missing = sum(row["doc_id"] is None for row in rows)
    context.add_output_metadata(
        {
            "summary": MetadataValue.md(_summary(rows)),
            "latest": table(_IN_TABLE, rows),
            "tasks": len(rows),
            "tasks_not_ok": sum(row["newest_status"] in FAILED for row in rows),
            "tasks_without_ok": missing,
            "prompt_tokens": sum(row["usage_prompt_tokens"] or 0 for row in rows),
            "completion_tokens": sum(row["usage_completion_tokens"] or 0 for row in rows),
        }
    )
    return as_csv(_LATEST, rows)


@asset(
    name="documents_consistency_report",
    group_name=_GROUP,
    required_resource_keys={"documents"},
    kinds={"csv"},
)
def documents_consistency_report(context: AssetExecutionContext) -> str:
    """What differs between the files and the index of the store, by `DocumentStore.verify`; nothing is changed.

    Lengths and commit records are compared, not every byte: for that run ``doc-io verify --full``.
    """
    rows = [finding._asdict() for finding in maintenance.verify(_store(context))]
    kinds = Counter(row["kind"] for row in rows)
    notes = sum(kinds[kind] for kind in NOTES)
    context.add_output_metadata(
        {
            "damages": len(rows) - notes,
            "notes": notes,
            **{f"found/{kind}": count for kind, count in sorted(kinds.items())},
            "findings": table(Finding._fields, rows),
        }
    )
    return as_csv(Finding._fields, rows)


def latest_rows(store: DocumentStore) -> Iterable[Mapping[str, Any]]:
    """One mapping for each (stage, task), from one pass over the index: never ok, then failing, then the others.

    Args:
        store: Whose documents.
    """
    newest: dict[tuple[str, str], DocumentRow] = {}
    latest: dict[tuple[str, str], DocumentRow] = {}
    attempts: Counter[tuple[str, str]] = Counter()
    for row in store.index.scan():
        task = (row.stage, row.task_id)
        if row.stage in REPORT_STAGES:
            continue
        attempts[task] += 1
        newest[task] = _later(newest.get(task), row)
        if row.status is Status.OK:
            latest[task] = _later(latest.get(task), row)
    for task in sorted(newest, key=lambda task: (not is_failed(newest[task]), task in latest, task)):
        found = latest.get(task)
        facts = {} if found is None else found.as_dict()
        yield {
            **{column: facts.get(column) for column in _LATEST},
            "stage": task[0],
            "task_id": task[1],
            "attempts": attempts[task],
            "newest_status": str(newest[task].status),
            "reason": reason(newest[task]) if is_failed(newest[task]) else "",
        }


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> MetadataValue[Any]:
    """The first rows as a table for the metadata, nothing in it able to act."""
    return MetadataValue.table(
        records=[TableRecord({column: _shown(row[column]) for column in columns}) for row in rows[:TABLE_ROWS]],
        schema=TableSchema(columns=[TableColumn(column, _kind(column)) for column in columns]),
    )


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """All rows as CSV with a header (RFC 4180).

    A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV Injection").
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def _summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the table says, in a line: how many tasks are not ok, how those ended, and how many never were."""
    bad = Counter(row["newest_status"] for row in rows if row["newest_status"] in FAILED)
    if not bad:
        return f"**{counted(len(rows), 'task')}, and the newest attempt of each is ok.**"
    kinds = ", ".join(f"{count:,} {status}" for status, count in bad.most_common())
    never = sum(row["doc_id"] is None for row in rows if row["newest_status"] in FAILED)
    return f"**{bad.total():,} of {counted(len(rows), 'task')} not ok**: {kinds}. {never:,} of them never had an ok document."


def _store(context: AssetExecutionContext) -> DocumentStore:
    documents: StoreSettings = context.resources.documents
    return documents.store


def _later(one: DocumentRow | None, other: DocumentRow) -> DocumentRow:
    return other if one is None or (other.created_at, other.seq) > (one.created_at, one.seq) else one


def _kind(column: str) -> str:
    return "int" if column.startswith("usage_") or column in ("raw_chars", "attempts") else "string"


def _shown(value: object) -> Any:
    return printable(value, limit=300) if isinstance(value, str) else value


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
