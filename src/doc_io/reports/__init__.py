"""Questions to a store: functions that take a store, return values and print nothing."""

from doc_io.reports.compare import compare
from doc_io.reports.diff import diff
from doc_io.reports.export import export
from doc_io.reports.failures import failures
from doc_io.reports.frames import arrow, frame
from doc_io.reports.lineage import lineage
from doc_io.reports.search import search
from doc_io.reports.sql import sql
from doc_io.reports.usage import models_without_price, stage_counts, usage

__all__ = [
    "arrow",
    "compare",
    "diff",
    "export",
    "failures",
    "frame",
    "lineage",
    "models_without_price",
    "search",
    "sql",
    "stage_counts",
    "usage",
]
