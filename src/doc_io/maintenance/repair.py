"""Repairs: fixes what `verify` found, as far as that loses nothing.

No committed document is ever deleted. What is damaged stays as it is, for people to look at.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from doc_io.commit_record import RECORD_NAME
from doc_io.errors import DamagedDocumentError
from doc_io.integrity import contents
from doc_io.maintenance.verify import Finding, Kind
from doc_io.store import DocumentStore
from doc_io.writing.draft import draft_from_files

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
    """Repair what can be repaired without deleting a committed document.

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
    planned = _plan(store, findings)
    return planned if dry_run else _carry_out(store, planned)


def _plan(store: DocumentStore, findings: Iterable[Finding]) -> Iterator[Repair]:
    for finding in findings:
        action, details = _ADVICE[finding.kind]
        if finding.kind == "temporary" and not _is_abandoned(store, finding.where):
            action, details = "none", "its writer may still be at work; look again tomorrow"
        yield Repair(finding, action, details)


def _carry_out(store: DocumentStore, repairs: Iterable[Repair]) -> Iterator[Repair]:
    actions = {"add the row": _add_row, "remove the row": _remove_row, "remove the folder": _remove_folder}
    with store.index.maintenance_lock():
        for repair in repairs:
            act = actions.get(repair.action)
            if act is not None and act(store, repair.finding.where):
                yield repair


def _add_row(store: DocumentStore, path: str) -> bool:
    """Commit the document if it is whole now; `commit` checks it again under its lock."""
    [[content]] = contents(store.storage, [path])
    if content.record is None:
        return False
    try:
        store.commit([draft_from_files(path, content.files)])
    except DamagedDocumentError:
        return False
    return True


def _remove_row(store: DocumentStore, path: str) -> bool:
    """Remove a row where there is still no document of it."""
    doc_id = path.rpartition("/")[2]
    with store.index.repair_lock():  # a writer that makes it whole again has its row before, or makes it anew after
        try:
            store.storage.read(f"{path}/{RECORD_NAME}")
        except FileNotFoundError:
            mounted = store.storage.is_same_root()
            return mounted and store.get(doc_id) is not None and bool(store.index.remove([doc_id]))
    return False


def _remove_folder(store: DocumentStore, path: str) -> bool:
    """Remove an unfinished folder where its writer has still not come back."""
    with store.index.repair_lock():
        if not _is_abandoned(store, path):
            return False
        store.storage.remove(path)
    return True


def _is_abandoned(store: DocumentStore, path: str) -> bool:
    return time.time() - store.storage.folder(path).modified >= _DAY


_ADVICE: dict[Kind, tuple[Action, str]] = {
    "unindexed": ("add the row", "its files are whole"),
    "missing": ("remove the row", "there is nothing that it could point to"),
    "temporary": ("remove the folder", "its writer ended more than a day ago, and no document was ever in it"),
    "differs": ("none", "the commit record is what holds: `doc-io reindex` makes all rows from the records"),
    "damaged": ("none", "restore its files from a backup, or make the document anew"),
    "torn": ("none", "look at what is in it; saving the same attempt again takes it out of the way"),
    "extra": ("none", "doc_io did not write it; move it away"),
    "stray": ("none", "doc_io did not write it; move it away"),
    "unfinished": ("none", "`doc-io prune --yes` ends it"),
    "unreadable": ("none", "let this user list it, or move it away; then verify again"),
    "index": ("none", "`doc-io reindex` makes it anew from the documents, and sets a damaged file aside"),
    "orphan": ("none", "a note: the parent was made elsewhere, or lost"),
    "duplicate": ("none", "a note"),
    "empty": ("none", "a note"),
    "without_ok": ("none", "a note: run it again"),
}
