"""Pruning: selects and removes superseded documents.

Never: the latest ok of a task, a pinned document, one that a kept document was made from, one in the grace period. What
was the latest ok at any time within the grace period stays too: a run under way may have read it, and has yet to say so;
and so does what a run has read otherwise (`doc_io.maintenance.leases`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Any

from doc_io import clock
from doc_io.batches import batches
from doc_io.document import Status
from doc_io.errors import ConfigurationError
from doc_io.index.base import Filter, PruneCandidate
from doc_io.index.scan import select_all
from doc_io.index.sql_index import Index
from doc_io.maintenance.leases import end_expired, leased
from doc_io.maintenance.pins import pinned
from doc_io.maintenance.removal import Cutoff, cutoff, finish, remove_documents
from doc_io.maintenance.seq_set import SeqSet
from doc_io.maintenance.spilled import Spilled
from doc_io.progress import Progress
from doc_io.renames import forget_renames
from doc_io.storage.base import Storage
from doc_io.store import DocumentStore
from doc_io.writing.draft import time_text

GRACE = timedelta(days=1)
"""How old a document must at least be: what a run that is still going on may come back to."""

_BATCH_SIZE = 500
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
        documents: What is removed, in order of removal; in a temporary file, however many they are.
        kept: How many of the documents that the policy selects are kept, and why.
        finished: Documents that completing an earlier, interrupted pruning removed.
        bytes: How many bytes were freed; of a dry run ``None``, as no file is looked at.
        dry_run: Whether nothing was changed.
    """

    documents: Sequence[PruneCandidate]
    kept: Mapping[str, int] = field(default_factory=dict)
    finished: tuple[str, ...] = ()
    dry_run: bool = True
    bytes: int | None = None


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
    documents = Spilled(_candidate)
    if dry_run:
        chosen, kept = plan(storage, index, policy, _ago(policy.grace))
        for batch in batches(chosen.newest_first(), _BATCH_SIZE):
            documents.extend(index.candidates(batch))
        return Pruned(documents, kept)
    with index.maintenance_lock():
        before = cutoff(storage, policy.grace)
        finished = finish(storage, index, before)
        chosen, kept = plan(storage, index, policy, before.created_at)
        total, freed = len(chosen), finished.bytes
        for removed, size in _remove(storage, index, chosen, before):
            documents.extend(removed)
            freed += size
            if progress is not None:
                progress(len(documents), total)
        forget_renames(storage, chain((each.doc_id for each in documents), finished.doc_ids))
        end_expired(storage, before.created_at)
    if chosen:
        kept = {**kept, "they became protected, or are young by the storage's clock": len(chosen)}
    return Pruned(documents, kept, tuple(finished.doc_ids), dry_run=False, bytes=freed)


def plan(storage: Storage, index: Index, policy: Policy, before: str) -> tuple[SeqSet, dict[str, int]]:
    """What to remove, and how many of the selected are kept for which reason."""
    pins, leases = pinned(storage), leased(storage, before)
    kept: Counter[str] = Counter()
    chosen = SeqSet()
    for batch in batches(_selected(index, policy), _BATCH_SIZE):
        old = [each.doc_id for each in batch if each.created_at < before]
        settled = {each.doc_id for each in index.removable(old, before)}
        for each in batch:
            if each.created_at >= before:
                kept["younger than the grace period"] += 1
            elif each.doc_id not in settled:
                kept["they were the latest ok within the grace period"] += 1
            elif each.doc_id in pins:
                kept["pinned"] += 1
            elif each.doc_id in leases:
                kept["a run has read them"] += 1
            else:
                chosen.add(each.seq)
    if needed := _spare_needed(index, chosen):
        kept["a kept document was made from them"] = needed
    return chosen, dict(kept)


def _selected(index: Index, policy: Policy) -> Iterator[PruneCandidate]:
    """What a policy selects, without the latest ok of any task."""
    until = None if policy.older_than is None else _ago(policy.older_than)
    where = Filter(stage=policy.stage, run_id=policy.run_id, experiment_id=policy.experiment_id, until=until)
    if not policy.cascade:
        yield from index.superseded(where, policy.keep_ok, policy.keep_failed)
        return
    for batch in batches(_with_descendants(index, where).newest_first(), _BATCH_SIZE):
        yield from index.removable([each.doc_id for each in index.candidates(batch)], _END_OF_TIME)


def _with_descendants(index: Index, where: Filter) -> SeqSet:
    found, fresh = SeqSet(), SeqSet()
    for row in select_all(index, where):
        found.add(row.seq)
        fresh.add(row.seq)
    while fresh:
        below = SeqSet()
        for batch in batches(fresh.newest_first(), _BATCH_SIZE):
            for child in chain.from_iterable(index.children_of(batch).values()):
                if child not in found:
                    found.add(child)
                    below.add(child)
        fresh = below
    return found


def _spare_needed(index: Index, chosen: SeqSet) -> int:
    """Take out of what was chosen whatever has a descendant that stays; how many that were.

    A child is newer than its parents, so that one pass is enough, and a second one sees that; more where clocks differ.
    """
    spared, before = 0, -1
    while spared != before:
        before = spared
        for batch in batches(chosen.newest_first(), _BATCH_SIZE):
            children = index.children_of(batch)
            for seq in batch:
                if any(child not in chosen for child in children.get(seq, ())):
                    chosen.discard(seq)
                    spared += 1
    return spared


def _remove(
    storage: Storage, index: Index, chosen: SeqSet, before: Cutoff
) -> Iterator[tuple[list[PruneCandidate], int]]:
    """Remove what was chosen, children first, and take it out of the set, which keeps what became protected meanwhile."""
    count = -1
    while chosen and len(chosen) != count:  # again for a parent that seemed newer than its child
        count = len(chosen)
        for batch in batches(chosen.newest_first(), _BATCH_SIZE):
            documents = index.candidates(batch)
            taken = remove_documents(storage, index, [(each.doc_id, each.doc_dir) for each in documents], before)
            ids = set(taken.doc_ids)
            removed = [each for each in documents if each.doc_id in ids]
            for each in removed:
                chosen.discard(each.seq)
            yield removed, taken.bytes


def _candidate(fields: list[Any]) -> PruneCandidate:
    candidate = PruneCandidate(*fields)
    return candidate._replace(status=Status(candidate.status))


def _ago(age: timedelta) -> str:
    return time_text(clock.utc_now() - age)
