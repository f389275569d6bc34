"""Maintenance of a store: functions that take a store, return values and print nothing."""

from doc_io.maintenance.copy import copy
from doc_io.maintenance.index_document import index_document
from doc_io.maintenance.pins import pin, pins, unpin
from doc_io.maintenance.prune import prune
from doc_io.maintenance.recover import recover
from doc_io.maintenance.reindex import reindex
from doc_io.maintenance.rename import rename
from doc_io.maintenance.repair import repair
from doc_io.maintenance.verify import verify

__all__ = [
    "copy",
    "index_document",
    "pin",
    "pins",
    "prune",
    "recover",
    "reindex",
    "rename",
    "repair",
    "unpin",
    "verify",
]
