"""What must be there when a soak ends, though a pruning was at work all the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from doc_io import DocumentRow, maintenance
from doc_io.maintenance.prune import Policy
from doc_io.writing.spool import spooled
from tests.faults.promises import broken_promises
from tests.faults.writers import open_store, spool_folder

GRACE = 1.5  # seconds


@dataclass(frozen=True)
class Acknowledged:
    """A document that its writer was told is safe."""

    digest: str
    stage: str
    task: str
    status: str
    created_at: str
    began: str


class Said:
    """What all processes said, put in order.

    Args:
        lines: Every line, in words.
        ended: When the last process was stopped, in seconds since 1970.
    """

    def __init__(self, lines: Sequence[Sequence[str]], ended: float) -> None:
        self.ended = ended
        self.acknowledged = {words[1]: Acknowledged(*words[2:]) for words in lines if words[0] == "acknowledged"}
        self.spooled = {words[1] for words in lines if words[0] == "spooled"}
        self.bound = [(words[1], words[2]) for words in lines if words[0] == "bound"]
        self.broken = [" ".join(words[1:]) for words in lines if words[0] == "broken"]
        self.did: Counter[str] = Counter()
        for words in lines:
            if words[0] == "did":
                count = int(words[-1]) if words[-1].isdigit() else 1
                self.did[" ".join(words[1:]).rstrip("0123456789 ")] += count


def judge(root: Path, said: Said, policy: Policy) -> list[str]:
    """What is broken."""
    with open_store(root) as store:
        broken = list(_gone(said, {row.doc_id: row for row in store.index.scan()}))
        # What was interrupted is ended, and the spool is emptied: after that nothing is half there.
        maintenance.prune(store, policy, dry_run=False)
        broken += [
            f"promise 5: {each.doc_id} stays in the spool: {each.error}"
            for each in maintenance.recover(store, spool_folder(root))
            if each.error
        ]
        broken += [f"promise 5: {spooled(spool_folder(root))} texts stay in the spool"] * bool(
            spooled(spool_folder(root))
        )
        rows = {row.doc_id: row for row in store.index.scan()}
        there = {row.attempt for row in rows.values() if row.stage == "letter"}
        broken += [f"promise 5: the spooled text {name} is lost" for name in said.spooled - there]
        broken += [
            f"promise 9: {finding.where}: {finding.details}"
            for finding in maintenance.verify(store, full=True, grace=0)
            if finding.kind in ("damaged", "missing", "differs", "unfinished", "torn")
        ]
    kept = {doc_id: each.digest for doc_id, each in said.acknowledged.items() if doc_id in rows}
    return broken + broken_promises(root, kept)


def _gone(said: Said, rows: Mapping[str, DocumentRow]) -> list[str]:
    """What is not there and should be: all but the essays that a pruning may have taken."""
    latest = _newest((row.stage, row.task_id, row.status == "ok", row.created_at) for row in rows.values())
    broken = []
    for doc_id, each in said.acknowledged.items():
        if doc_id in rows:
            continue
        if each.stage != "essay":
            broken.append(f"promise 1: the {each.stage} {doc_id} is lost")
        elif float(each.began) > said.ended - GRACE:
            broken.append(f"promise 9: {doc_id} was younger than the grace period and is gone")
        elif each.created_at >= latest.get((each.stage, each.task, each.status == "ok"), ""):
            broken.append(f"promise 9: {doc_id} was the newest {each.status} of task {each.task} and is gone")
    broken += [
        f"promise 9: {parent} is gone, and {child} was made of it" for child, parent in said.bound if parent not in rows
    ]
    return broken


def _newest(facts: Iterable[tuple[str, str, bool, str]]) -> dict[tuple[str, str, bool], str]:
    newest: dict[tuple[str, str, bool], str] = {}
    for stage, task, ok, created_at in facts:
        key = (stage, task, ok)
        newest[key] = max(newest.get(key, ""), created_at)
    return newest
