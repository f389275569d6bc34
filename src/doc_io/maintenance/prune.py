"""Pruning: selects and removes superseded documents.

Never: the latest ok of a task, a pinned document, one that a kept document was made from, one in the grace period. What
was the latest ok at any time within the grace period stays too: a run under way may have read it, and has yet to say so;
and so does what a run has read otherwise (`doc_io.maintenance.leases`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from doc_io import clock
from doc_io.errors import ConfigurationError
from doc_io.index.base import Filter, PruneCandidate
from doc_io.index.sql_index import Index
from doc_io.maintenance.leases import end_expired, leased
from doc_io.maintenance.pins import pinned
from doc_io.maintenance.removal import cutoff, finish, remove_documents
from doc_io.progress import Progress
from doc_io.renames import forget_renames
from doc_io.storage.base import Storage
from doc_io.store import DocumentStore
from doc_io.writing.draft import time_text

GRACE = timedelta(days=1)
"""How old a document must at least be: what a run that is still going on may come back to."""

_BATCH_SIZE = 200
_END_OF_TIME = "9999-12-31T23:59:59.999999Z"


@dataclass(frozen=True)
class Policy:
    """Which documents to remove; all given conditions must hold.

    Args:
        keep_ok: The newest ok documents of each task that stay; at least 1.
        keep_failed: The newest documents of each task with another status that stay.
        older_than: Only what is older than this. Default: any age beyond the grace period.
        stage: Only of this stage, or of these.
        run_id: Only of this run, or of these.
        experiment_id: Only of this experiment, or of these.
        cascade: Not by number, but everything that fits and everything that was made from it, directly or not. Needs a
            stage, a run or an experiment.
        grace: What is younger, or was the latest ok more recently, stays, whatever the rest says.

    Raises:
        ConfigurationError: The policy makes no sense, or would take away what is always kept.
    """

    keep_ok: int = 1
    keep_failed: int = 1
    older_than: timedelta | None = None
    stage: str | Collection[str] | None = None
    run_id: str | Collection[str] | None = None
    experiment_id: str | Collection[str] | None = None
    cascade: bool = False
    grace: timedelta = GRACE

    def __post_init__(self) -> None:
        if self.keep_ok < 1 or self.keep_failed < 0:
            raise ConfigurationError(
                setting="The prune policy",
                reason="it keeps less than the newest ok document of a task",
                hint="Keep at least 1 ok and 0 failed documents.",
            )
        if self.cascade and self.stage is None and self.run_id is None and self.experiment_id is None:
            raise ConfigurationError(
                setting="The prune policy",
                reason="cascade without a stage, a run or an experiment would mean everything",
                hint="Name one of them.",
            )


@dataclass(frozen=True)
class Pruned:
    """The result of a pruning.

    Attributes:
        documents: What is removed, in order of removal.
        kept: How many of the documents that the policy selects are kept, and why.
        finished: Documents that completing an earlier, interrupted pruning removed.
        dry_run: Whether nothing was changed.
    """

    documents: tuple[PruneCandidate, ...]
    kept: Mapping[str, int] = field(default_factory=dict)
    finished: tuple[str, ...] = ()
    dry_run: bool = True


def prune(
    store: DocumentStore,
    policy: Policy | None = None,
    *,
    dry_run: bool = True,
    progress: Progress | None = None,
) -> Pruned:
    """Remove the documents that a policy selects.

    Args:
        store: Which store.
        policy: Which documents. Default: all but the newest ok and the newest failed one of each task.
        dry_run: Only report what would be removed. Default: yes.
        progress: Progress callback, called with `(removed, total)`. Default: none.

    Returns:
        What was removed, or would be.

    Raises:
        MaintenanceBusyError: Another maintenance command is running.
    """
    storage, index, policy = store.storage, store.index, policy or Policy()
    if dry_run:
        documents, kept = _plan(storage, index, policy, _ago(policy.grace))
        return Pruned(tuple(documents), kept)
    with index.maintenance_lock():
        before = cutoff(storage, policy.grace)
        finished = finish(storage, index, before)
        documents, kept = _plan(storage, index, policy, before.created_at)
        removed: set[str] = set()
        for start in range(0, len(documents), _BATCH_SIZE):
            batch = [(each.doc_id, each.doc_dir) for each in documents[start : start + _BATCH_SIZE]]
            removed.update(remove_documents(storage, index, batch, before))
            if progress is not None:
                progress(start + len(batch), len(documents))
        forget_renames(storage, {*removed, *finished})
        end_expired(storage, before.created_at)
    if len(removed) < len(documents):
        kept = {**kept, "they became protected, or are young by the storage's clock": len(documents) - len(removed)}
    return Pruned(tuple(each for each in documents if each.doc_id in removed), kept, tuple(finished), dry_run=False)


def _plan(storage: Storage, index: Index, policy: Policy, before: str) -> tuple[list[PruneCandidate], dict[str, int]]:
    """What to remove, children before parents, and how many of the selected are kept for which reason."""
    until = None if policy.older_than is None else _ago(policy.older_than)
    wanted = Filter(stage=policy.stage, run_id=policy.run_id, experiment_id=policy.experiment_id, until=until)
    if policy.cascade:
        found = _removable(index, _with_descendants(index, wanted), _END_OF_TIME)
    else:
        found = {each.doc_id: each for each in index.superseded(wanted, policy.keep_ok, policy.keep_failed)}
    unwanted = {doc_id: each for doc_id, each in found.items() if each.created_at < before}
    settled = _removable(index, list(unwanted), before)
    pins, leases = pinned(storage), leased(storage, before)
    free = {doc_id: each for doc_id, each in settled.items() if doc_id not in pins}
    candidates = {doc_id: each for doc_id, each in free.items() if doc_id not in leases}
    order = _children_first(candidates, _children(index, candidates))
    kept = {
        "younger than the grace period": len(found) - len(unwanted),
        "they were the latest ok within the grace period": len(unwanted) - len(settled),
        "pinned": len(settled) - len(free),
        "a run has read them": len(free) - len(candidates),
        "a kept document was made from them": len(candidates) - len(order),
    }
    return [candidates[doc_id] for doc_id in order], {reason: count for reason, count in kept.items() if count}


def _with_descendants(index: Index, wanted: Filter) -> list[str]:
    found: dict[str, None] = {}
    last = None
    while page := index.select(wanted, last, 1000):
        found.update(dict.fromkeys(row.doc_id for row in page))
        last = page[-1]
    fresh = list(found)
    while fresh:
        below = [child for children in _children(index, fresh).values() for child in children]
        fresh = [child for child in dict.fromkeys(below) if child not in found]
        found.update(dict.fromkeys(fresh))
    return list(found)


def _removable(index: Index, doc_ids: list[str], before: str) -> dict[str, PruneCandidate]:
    return {
        each.doc_id: each
        for start in range(0, len(doc_ids), _BATCH_SIZE)
        for each in index.removable(doc_ids[start : start + _BATCH_SIZE], before)
    }


def _children(index: Index, doc_ids: Iterable[str]) -> dict[str, list[str]]:
    ids = list(doc_ids)
    found: dict[str, list[str]] = {}
    for start in range(0, len(ids), _BATCH_SIZE):
        found |= index.children_of(ids[start : start + _BATCH_SIZE])
    return found


def _children_first(candidates: Iterable[str], children: Mapping[str, Sequence[str]]) -> list[str]:
    """The candidates all of whose descendants are candidates too, each after its children.

    A document waits until every child is on the list. One with a child that stays waits for ever, and so do those above
    it; so does a circle, which only forged records can make.
    """
    waiting = {doc_id: len(set(children.get(doc_id, ()))) for doc_id in candidates}
    parents: dict[str, list[str]] = {}
    for parent, its_children in children.items():
        for child in set(its_children):
            parents.setdefault(child, []).append(parent)
    order = [doc_id for doc_id, count in waiting.items() if count == 0]
    for doc_id in order:  # grows while it is read
        for parent in parents.get(doc_id, ()):
            waiting[parent] -= 1
            if waiting[parent] == 0:
                order.append(parent)
    return order


def _ago(age: timedelta) -> str:
    return time_text(clock.utc_now() - age)
