"""Repairs: what can be set right without losing anything, chosen from what `verify` found.

No committed document is ever deleted. What is damaged stays as it is, for people to look at.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from doc_io.index.sql_index import Index
from doc_io.integrity import is_document_folder, judge
from doc_io.maintenance.verify import Finding, Kind
from doc_io.storage.base import Storage
from doc_io.store import DocumentStore

Action = Literal["add the row", "remove the row", "remove the folder", "none"]

_DAY = 86400.0  # seconds; a writer that takes longer than that for one document is not alive


class Repair(NamedTuple):
    """What would be done about a finding.

    Attributes:
        finding: What was found.
        action: What to do; ``none`` where a person must decide.
        details: Why, or what a person could do.
    """

    finding: Finding
    action: Action
    details: str


def repair(store: DocumentStore, findings: Iterable[Finding], *, dry_run: bool = True) -> Iterator[Repair]:
    """Set right what can be, without deleting a committed document.

    Args:
        store: Which store.
        findings: From `verify`.
        dry_run: Only say what would be done. Default: yes.

    Returns:
        With ``dry_run`` what would be done about each finding; else the repairs that were done. One that no longer
        fits, because the store has changed since, is left out.

    Raises:
        MaintenanceBusyError: Another maintenance command is running.
    """
    planned = _plan(store.storage, findings)
    return planned if dry_run else _carry_out(store.storage, store.index, planned)


def _plan(storage: Storage, findings: Iterable[Finding]) -> Iterator[Repair]:
    mounted = any(is_document_folder(folder) for folder in storage.folders())
    for finding in findings:
        action, details = _ADVICE[finding.kind]
        if finding.kind == "missing" and not mounted:
            action, details = "none", "the docs root holds no document at all; is it the right one, and is it mounted?"
        elif finding.kind == "temporary" and time.time() - storage.folder(finding.where).modified < _DAY:
            action, details = "none", "its writer may still be at work; look again tomorrow"
        yield Repair(finding, action, details)


def _carry_out(storage: Storage, index: Index, repairs: Iterable[Repair]) -> Iterator[Repair]:
    with index.maintenance_lock():
        for repair in repairs:
            where = repair.finding.where
            if repair.action == "add the row":
                done = _add_row(storage, index, where)
            elif repair.action == "remove the row":
                done = bool(index.remove([where.rpartition("/")[2]]))
            elif repair.action == "remove the folder":
                storage.remove(where)
                done = True
            else:
                done = False
            if done:
                yield repair


def _add_row(storage: Storage, index: Index, path: str) -> bool:
    for verdict in judge(storage, [storage.folder(path)], full=True):
        if verdict.record is not None:
            index.insert_placed([({**verdict.record.row, "doc_dir": path}, verdict.record.parents)])
            return True
    return False


_ADVICE: dict[Kind, tuple[Action, str]] = {
    "unindexed": ("add the row", "its files are whole"),
    "missing": ("remove the row", "there is nothing that it could point to"),
    "temporary": ("remove the folder", "its writer ended more than a day ago, and no document was ever in it"),
    "differs": ("none", "the commit record is what holds: `doc-io reindex` makes all rows from the records"),
    "damaged": ("none", "restore its files from a backup, or make the document anew"),
    "torn": ("none", "look at what is in it; saving the same attempt again takes it out of the way"),
    "extra": ("none", "somebody else put it there; move it away"),
    "stray": ("none", "somebody else put it there; move it away"),
    "unfinished": ("none", "`doc-io prune --yes` ends it"),
    "unreadable": ("none", "let this user list it, or move it away; then verify again"),
    "orphan": ("none", "a note: the parent was made elsewhere, or lost"),
    "duplicate": ("none", "a note"),
    "empty": ("none", "a note"),
    "without_ok": ("none", "a note: run it again"),
}
