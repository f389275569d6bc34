"""Reads through to a parent store: what a branch has not made yet is read from its parent, which is never written to.

Look-ups by name and reads of files fall through. Whatever writes, walks or counts sees the branch alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from doc_io.batches import batches
from doc_io.document import DocumentRow, Parent, Status
from doc_io.index.base import VersionSelector
from doc_io.index.sql_index import Index
from doc_io.storage.base import Storage

if TYPE_CHECKING:
    from upath import UPath

_BATCH_SIZE = 64  # files that are asked for together, in both stores


class _Over:
    """One part of a store over the same part of its parent; what is not overridden goes to the branch."""

    def __init__(self, own: Any, parent: Any) -> None:
        self._own = own
        self._parent = parent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def close(self) -> None:
        self._own.close()
        self._parent.close()


class BranchIndex(_Over):
    """The rows of a branch, and for what it has none of, its parent's."""

    _own: Index
    _parent: Index

    def get(self, doc_id: str) -> DocumentRow | None:
        return self._own.get(doc_id) or self._parent.get(doc_id)

    def get_many(self, doc_ids: Sequence[str]) -> list[DocumentRow]:
        found = {row.doc_id: row for row in self._own.get_many(doc_ids)}
        missing = [doc_id for doc_id in doc_ids if doc_id not in found]
        if missing:
            found.update((row.doc_id, row) for row in self._parent.get_many(missing))
        return [found[doc_id] for doc_id in doc_ids if doc_id in found]

    def latest_by_task(self, stage: str, task_id: str, selector: VersionSelector) -> DocumentRow | None:
        return self._own.latest_by_task(stage, task_id, selector) or self._parent.latest_by_task(
            stage, task_id, selector
        )

    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], selector: VersionSelector) -> dict[str, DocumentRow]:
        found = self._own.latest_by_tasks(stage, task_ids, selector)
        missing = [task_id for task_id in task_ids if task_id not in found]
        if missing:
            found.update(self._parent.latest_by_tasks(stage, missing, selector))
        return {task_id: found[task_id] for task_id in task_ids if task_id in found}

    def latest_by_logical(self, logical_key_id: str, status: Collection[Status]) -> DocumentRow | None:
        own = self._own.latest_by_logical(logical_key_id, status)
        return own or self._parent.latest_by_logical(logical_key_id, status)

    def history(
        self, stage: str, task_id: str, *, after: DocumentRow | None = None, limit: int | None = None
    ) -> list[DocumentRow]:
        # The branch's first, whatever the clocks say: they are what counts.
        if after is not None and self._own.get(after.doc_id) is None:
            return self._parent.history(stage, task_id, after=after, limit=limit)
        own = self._own.history(stage, task_id, after=after, limit=limit)
        if limit is None:
            return own + self._parent.history(stage, task_id)
        return own + (self._parent.history(stage, task_id, limit=limit - len(own)) if len(own) < limit else [])

    def answers(self, stage: str, task_id: str, prompt_hash: str) -> list[DocumentRow]:
        return self._own.answers(stage, task_id, prompt_hash) + self._parent.answers(stage, task_id, prompt_hash)

    def parents(self, doc_id: str) -> list[Parent]:
        return self._own.parents(doc_id) or self._parent.parents(doc_id)

    def parents_of(self, doc_ids: Sequence[str]) -> dict[str, list[Parent]]:
        return {**self._parent.parents_of(doc_ids), **self._own.parents_of(doc_ids)}


class BranchStorage(_Over):
    """The files of a branch, and for what it has none of, its parent's."""

    _own: Storage
    _parent: Storage

    def read(self, path: str) -> bytes:
        with suppress(FileNotFoundError):
            return self._own.read(path)
        return self._parent.read(path)

    def read_many(self, paths: Iterable[str]) -> Iterator[bytes | OSError]:
        for asked in batches(paths, _BATCH_SIZE):
            found = dict(zip(asked, self._own.read_many(asked), strict=True))
            missing = [path for path in asked if isinstance(found[path], FileNotFoundError)]
            if missing:
                found.update(zip(missing, self._parent.read_many(missing), strict=True))
            yield from (found[path] for path in asked)

    def upath(self, path: str) -> UPath:
        own = self._own.upath(path)
        return own if own.exists() else self._parent.upath(path)
