"""doc_io: a document store for Dagster pipelines that write text; assets just return text.

The public names below are imported when they are first asked for, so that a reader of files need not wait for Dagster.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # type checkers know it by its name; importing typing takes twice as long as all of the rest

if TYPE_CHECKING:
    from doc_io.dagster.checks import build_document_checks
    from doc_io.dagster.component import DocumentStoreComponent
    from doc_io.dagster.io_manager import DocDirIOManager
    from doc_io.dagster.report_assets import documents_consistency_report, documents_latest_report
    from doc_io.dagster.resource import DocumentsIndex
    from doc_io.dagster.rollout import RolloutIOManager
    from doc_io.dagster.settings import ParentStore
    from doc_io.dagster.versioned_io_manager import VersionedTextIOManager
    from doc_io.document import Document, DocumentRow, DocumentsByPartition, Parent, Status, Usage
    from doc_io.errors import (
        CommitUnknownError,
        ConfigurationError,
        DamagedDocumentError,
        DocIOError,
        DocumentConflictError,
        DocumentNotFoundError,
        IndexAccessError,
        IndexBusyError,
        IndexFormatError,
        IndexVersionError,
        InvalidDocumentError,
        MissingTextError,
        StorageError,
        UnknownDocumentError,
        UnknownStageError,
        UnknownStatusError,
        UnknownTaskError,
    )
    from doc_io.ids import compute_logical_key_id, new_doc_id
    from doc_io.index.base import Filter
    from doc_io.maintenance.prune import Policy
    from doc_io.parsers import register_parser
    from doc_io.reading import StoredDocument
    from doc_io.store import DocumentStore
    from doc_io.task_table import Task, TaskTable
    from doc_io.writing.draft import Origin

_HOMES = {
    "doc_io.dagster.checks": ("build_document_checks",),
    "doc_io.dagster.component": ("DocumentStoreComponent",),
    "doc_io.dagster.io_manager": ("DocDirIOManager",),
    "doc_io.dagster.report_assets": ("documents_consistency_report", "documents_latest_report"),
    "doc_io.dagster.resource": ("DocumentsIndex",),
    "doc_io.dagster.rollout": ("RolloutIOManager",),
    "doc_io.dagster.settings": ("ParentStore",),
    "doc_io.dagster.versioned_io_manager": ("VersionedTextIOManager",),
    "doc_io.document": ("Document", "DocumentRow", "DocumentsByPartition", "Parent", "Status", "Usage"),
    "doc_io.writing.draft": ("Origin",),
    "doc_io.errors": (
        "CommitUnknownError",
        "ConfigurationError",
        "DamagedDocumentError",
        "DocIOError",
        "DocumentConflictError",
        "DocumentNotFoundError",
        "IndexAccessError",
        "IndexBusyError",
        "IndexFormatError",
        "IndexVersionError",
        "InvalidDocumentError",
        "MissingTextError",
        "StorageError",
        "UnknownDocumentError",
        "UnknownStageError",
        "UnknownStatusError",
        "UnknownTaskError",
    ),
    "doc_io.index.base": ("Filter",),
    "doc_io.maintenance.prune": ("Policy",),
    "doc_io.ids": ("compute_logical_key_id", "new_doc_id"),
    "doc_io.parsers": ("register_parser",),
    "doc_io.store": ("DocumentStore",),
    "doc_io.reading": ("StoredDocument",),
    "doc_io.task_table": ("Task", "TaskTable"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

# Spelled out, because a type checker reads only a literal list; a test compares it with _HOMES.
__all__ = [
    "CommitUnknownError",
    "ConfigurationError",
    "DamagedDocumentError",
    "DocDirIOManager",
    "DocIOError",
    "Document",
    "DocumentConflictError",
    "DocumentNotFoundError",
    "DocumentRow",
    "DocumentStore",
    "DocumentStoreComponent",
    "DocumentsByPartition",
    "DocumentsIndex",
    "Filter",
    "IndexAccessError",
    "IndexBusyError",
    "IndexFormatError",
    "IndexVersionError",
    "InvalidDocumentError",
    "MissingTextError",
    "Origin",
    "Parent",
    "ParentStore",
    "Policy",
    "RolloutIOManager",
    "Status",
    "StorageError",
    "StoredDocument",
    "Task",
    "TaskTable",
    "UnknownDocumentError",
    "UnknownStageError",
    "UnknownStatusError",
    "UnknownTaskError",
    "Usage",
    "VersionedTextIOManager",
    "build_document_checks",
    "compute_logical_key_id",
    "documents_consistency_report",
    "documents_latest_report",
    "new_doc_id",
    "register_parser",
]


def __getattr__(name: str) -> object:
    try:
        module = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'doc_io' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
