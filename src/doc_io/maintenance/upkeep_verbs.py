"""The verbs of an upkeep: `reindex`, `verify` and `prune` in parts; see `doc_io.maintenance.upkeep`."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from doc_io.batches import batches
from doc_io.document import Parent
from doc_io.index.base import NewRow
from doc_io.index.sql_index import Index
from doc_io.maintenance.leases import end_expired
from doc_io.maintenance.prune import Policy, plan
from doc_io.maintenance.reindex import gather, rebuild_gathered
from doc_io.maintenance.removal import LAST_PRUNING, Cutoff, cutoff, finish, remove_documents
from doc_io.maintenance.seq_set import SeqSet
from doc_io.maintenance.shards import Shard, documents_by_stage, shards_of
from doc_io.maintenance.upkeep import MAX_LISTED, Listed, Outcome, Verb, Workspace, added_up
from doc_io.maintenance.verify import (
    GRACE,
    NOTES,
    Finding,
    verify_beside_stages,
    verify_index,
    verify_notes,
    verify_removals,
    verify_shard,
    verify_totals,
)
from doc_io.renames import forget_renames
from doc_io.store import DocumentStore

# ruff: noqa: ARG002 - each verb takes what `Verb` says, whether it needs it or not

_ROWS_BATCH_SIZE = 2000  # rows in a file, some megabytes
_REMOVAL_BATCH_SIZE = 50  # documents: removals take turns, and one waits for those of all other parts
_MAX_REMOVAL_PARTS = 4  # so that no turn comes later than the lock's time-out


class Reindex(Verb):
    """Adds rows for documents that have none.

    Args:
        full: As for `doc_io.maintenance.reindex`.
    """

    name = "reindex"

    def __init__(self, *, full: bool = False) -> None:
        self._full = full

    def parts(self, store: DocumentStore, files: Workspace) -> list[Any]:
        storage, index = store.unchecked.storage, store.unchecked.index
        return list(shards_of(storage, documents_by_stage(index)))

    def do(self, store: DocumentStore, files: Workspace, number: int, part: Any) -> Outcome:
        added, rejected = 0, list[Listed]()
        with store.index.maintenance_lock(shared=True):
            for batch in gather(store.storage, Shard(*part), full=self._full, having=store.index):
                added += store.index.insert_placed(batch.rows)
                rejected += [("rejected", each.path, "; ".join(each.reasons)) for each in batch.rejected]
        return _reindexed(added, rejected)

    def end(self, store: DocumentStore, files: Workspace, parts: Sequence[Any]) -> Outcome:
        return added_up(())


class Rebuild(Reindex):
    """Makes all rows anew from the documents: gathered aside, and exchanged for the old ones at the end."""

    def parts(self, store: DocumentStore, files: Workspace) -> list[Any]:
        store.unchecked.check_mounted()
        token = os.urandom(8).hex()
        with store.unchecked.index.maintenance_lock():  # no pruning is under way; one that begins overwrites the token
            store.unchecked.storage.put(LAST_PRUNING, token.encode("ascii"))
        files.write("token", token)
        return super().parts(store, files)

    def do(self, store: DocumentStore, files: Workspace, number: int, part: Any) -> Outcome:
        storage, index = store.unchecked.storage, store.unchecked.index
        gathered, rejected = 0, list[Listed]()
        rows: list[NewRow] = []
        with index.maintenance_lock(shared=True):
            for batch in gather(storage, Shard(*part), full=self._full):
                rows += batch.rows
                rejected += [("rejected", each.path, "; ".join(each.reasons)) for each in batch.rejected]
                while len(rows) >= _ROWS_BATCH_SIZE:
                    _write_rows(files, number, gathered, rows[:_ROWS_BATCH_SIZE])
                    gathered, rows = gathered + _ROWS_BATCH_SIZE, rows[_ROWS_BATCH_SIZE:]
            _write_rows(files, number, gathered, rows)
        return _reindexed(gathered + len(rows), rejected)

    def end(self, store: DocumentStore, files: Workspace, parts: Sequence[Any]) -> Outcome:
        index = store.unchecked.index
        with index.maintenance_lock():
            last_pruning = store.unchecked.storage.read(LAST_PRUNING).decode("ascii")
            written = sorted(name for name in files.names() if name.startswith("rows-"))
            gathered = (
                (Shard(*part), _read_rows(files, [name for name in written if name.startswith(f"rows-{number:06}-")]))
                for number, part in enumerate(parts)
            )
            count = rebuild_gathered(store, gathered, may_be_removed=last_pruning != files.read("token"))
        return Outcome(0, {"rows": count}, ())


def _reindexed(documents: int, rejected: list[Listed]) -> Outcome:
    return Outcome(documents, {"rejected": len(rejected)} if rejected else {}, rejected[:MAX_LISTED])


def _write_rows(files: Workspace, number: int, first: int, rows: list[NewRow]) -> None:
    files.write(f"rows-{number:06}-{first:09}", [[row, parents] for row, parents in rows])


def _read_rows(files: Workspace, names: Sequence[str]) -> Iterator[NewRow]:
    for name in names:
        for row, parents in files.read(name):
            yield row, [Parent(*parent) for parent in parents]


class Verify(Verb):
    """Compares every file with its manifest and every row with its document; arguments as for `doc_io.maintenance.verify`."""

    name = "verify"

    def __init__(self, *, full: bool = False, grace: float = GRACE) -> None:
        self._full, self._grace = full, grace

    def parts(self, store: DocumentStore, files: Workspace) -> list[Any]:
        return list(shards_of(store.storage, documents_by_stage(store.index)))

    def do(self, store: DocumentStore, files: Workspace, number: int, part: Any) -> Outcome:
        batches = verify_shard(store.storage, store.index, Shard(*part), full=self._full, grace=self._grace)
        return added_up(_found(batch.findings, batch.rows) for batch in batches)

    def end(self, store: DocumentStore, files: Workspace, parts: Sequence[Any]) -> Outcome:
        storage, index = store.storage, store.index
        findings = [verify_index(index), verify_removals(storage), verify_beside_stages(storage, self._grace)]
        findings += [verify_totals(index), verify_notes(index)]
        return added_up(_found([each], 0) for every in findings for each in every)


def _found(findings: Sequence[Finding], documents: int) -> Outcome:
    # Notes are counted; what is listed is for a person to look at.
    listed = [(each.kind, each.where, each.details) for each in findings if each.kind not in NOTES]
    return Outcome(documents, Counter(each.kind for each in findings), listed)


class Prune(Verb):
    """Removes what a policy selects: parents and children in one part, in the right order.

    Args:
        policy: As for `doc_io.maintenance.prune`.
        parts: How many parts there are to be, at most.
    """

    name = "prune"

    def __init__(self, policy: Policy, parts: int) -> None:
        self._policy, self._parts = policy, min(parts, _MAX_REMOVAL_PARTS)

    def parts(self, store: DocumentStore, files: Workspace) -> list[Any]:
        storage, index = store.storage, store.index
        with index.maintenance_lock():
            before = cutoff(storage, self._policy.grace)
            finished = finish(storage, index, before)
            forget_renames(storage, finished.doc_ids)
            chosen, kept = plan(storage, index, self._policy, before.created_at)
        files.write(
            "kept", {**{f"kept: {reason}": count for reason, count in kept.items()}, "ended": len(finished.doc_ids)}
        )
        chosen_parts: list[list[Any]] = []
        for family in families(index, chosen, self._parts):
            documents: list[tuple[str, str]] = []
            for batch in batches(family.newest_first(), _REMOVAL_BATCH_SIZE):
                documents += [(each.doc_id, each.doc_dir) for each in index.candidates(batch)]
            if documents:
                files.write(f"documents-{len(chosen_parts):06}", documents)
                chosen_parts.append([before.created_at, before.modified])
        return chosen_parts

    def do(self, store: DocumentStore, files: Workspace, number: int, part: Any) -> Outcome:
        storage, index = store.storage, store.index
        left: dict[str, str] = dict(files.read(f"documents-{number:06}"))
        total, before = len(left), -1
        with index.maintenance_lock(shared=True):
            storage.put(LAST_PRUNING, b"")
            while left and len(left) != before:  # again for a parent that seemed newer than its child
                before = len(left)
                for batch in batches(list(left.items()), _REMOVAL_BATCH_SIZE):
                    for doc_id in remove_documents(storage, index, batch, Cutoff(*part)).doc_ids:
                        left.pop(doc_id, None)
        kept = {"kept: they became protected meanwhile": len(left)} if left else {}
        return Outcome(total - len(left), kept, ())

    def end(self, store: DocumentStore, files: Workspace, parts: Sequence[Any]) -> Outcome:
        listed = chain.from_iterable(files.read(f"documents-{number:06}") for number in range(len(parts)))
        with store.index.maintenance_lock(shared=True):
            end_expired(store.storage, cutoff(store.storage, self._policy.grace).created_at)
            ids = batches((doc_id for doc_id, _ in listed), _REMOVAL_BATCH_SIZE)
            forget_renames(store.storage, chain.from_iterable(map(store.index.without_row, ids)))
        return Outcome(0, {name: count for name, count in files.read("kept").items() if count}, ())


def families(index: Index, chosen: SeqSet, count: int) -> list[SeqSet]:
    """Deal out documents so that those which were made from each other stay together; 8 bytes for each row.

    Args:
        index: Which index.
        chosen: Which documents.
        count: Into how many sets.
    """
    roots = array("Q", range(next(chosen.newest_first(), 0) + 1))

    def root_of(seq: int) -> int:
        while roots[seq] != seq:
            roots[seq] = seq = roots[roots[seq]]
        return seq

    for batch in batches(chosen.newest_first(), _REMOVAL_BATCH_SIZE):
        for parent, children in index.children_of(batch).items():
            for child in children:
                if child in chosen:
                    roots[root_of(child)] = root_of(parent)
    found = [SeqSet() for _ in range(count)]
    for seq in chosen.newest_first():
        found[root_of(seq) % count].add(seq)
    return found
