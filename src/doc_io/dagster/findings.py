"""Finds problems in the documents of some tasks: a few queries for all of them, and no file is read twice.

The logic of the asset checks; knows the store and not Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from doc_io.document import FAILED, DocumentRow, Status
from doc_io.integrity import check_documents
from doc_io.reports.failures import reason

if TYPE_CHECKING:
    from doc_io.document import Parent
    from doc_io.store import DocumentStore


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        task_id: The partition, or what stands for it.
        doc_id: The document; empty where there is none.
        what: What is wrong with it, in words.
    """

    task_id: str
    doc_id: str
    what: str


class Findings:
    """The documents of some tasks of one stage, read once for all checks.

    Each check is about the document that a reader gets: the latest ok one, else the newest. Only `status_valid` is about
    the newest attempt.

    Args:
        store: Where they are.
        stage: Kind of document.
        tasks: Which tasks.
        read_at_most: How many documents' files may be read, the newest ones; ``None`` for all of them.
    """

    def __init__(self, store: DocumentStore, stage: str, tasks: Collection[str], read_at_most: int | None) -> None:
        self._store = store
        self._stage = stage
        self.tasks = tasks
        self._read_at_most = read_at_most

    @cached_property
    def newest(self) -> Mapping[str, DocumentRow]:
        """The newest attempt of each task, whatever its status."""
        return self._store.latest_many(self._stage, self.tasks, frozenset(Status))

    @cached_property
    def rows(self) -> Mapping[str, DocumentRow]:
        """What a reader would be given of each task."""
        bad = [task for task, row in self.newest.items() if row.status is not Status.OK]
        older = self._store.latest_many(self._stage, bad) if bad else {}
        return {**self.newest, **older}

    @cached_property
    def read(self) -> Sequence[DocumentRow]:
        """The documents whose files are read."""
        newest_first = sorted(self.rows.values(), key=lambda row: row.created_at, reverse=True)
        return newest_first[: self._read_at_most]

    def row_present(self) -> list[Problem]:
        """Tasks without any document."""
        return [Problem(task, "", "the index has no document of it") for task in self.tasks if task not in self.newest]

    def status_valid(self) -> list[Problem]:
        """Tasks whose newest attempt failed."""
        return [
            Problem(task, row.doc_id, f"the newest attempt is {_ended(row)}")
            for task, row in self.newest.items()
            if row.status in FAILED
        ]

    def files_exist(self) -> list[Problem]:
        """Documents that lack a file of theirs."""
        return self._of_files[0]

    def content_hash_matches(self) -> list[Problem]:
        """Documents with a file that is not what was saved; one that is not there is for `files_exist`."""
        return self._of_files[1]

    def parent_exists(self) -> list[Problem]:
        """Documents made from one that the index does not know."""
        return [
            Problem(task, doc_id, f"its parent {parent} is not in the index")
            for task, doc_id, parent in self._lineage
            if parent not in self._parents
        ]

    def parent_is_latest(self) -> list[Problem]:
        """Documents made from a version that is not the latest ok one any more."""
        stages: dict[str, set[str]] = {}
        for row in self._parents.values():
            stages.setdefault(row.stage, set()).add(row.task_id)
        latest = {
            (stage, task): row.doc_id
            for stage, tasks in stages.items()
            for task, row in self._store.latest_many(stage, tasks).items()
        }
        problems = []
        for task, doc_id, parent in self._lineage:
            made_from = self._parents.get(parent)
            if made_from is None:
                continue  # parent_exists says so
            now = latest.get((made_from.stage, made_from.task_id), parent)
            if now != parent:
                what = f"it was made from {parent}, and {now} is the latest of {made_from.stage} now"
                problems.append(Problem(task, doc_id, what))
        return problems

    @cached_property
    def _lineage(self) -> list[tuple[str, str, str]]:
        """Task, document and parent, of every parent."""
        named: Mapping[str, Sequence[Parent]] = self._store.index.parents_of([row.doc_id for row in self.rows.values()])
        return [
            (task, row.doc_id, parent)
            for task, row in self.rows.items()
            for parent in dict.fromkeys(each.doc_id for each in named.get(row.doc_id, ()))
        ]

    @cached_property
    def _parents(self) -> Mapping[str, DocumentRow]:
        parents = list(dict.fromkeys(parent for _, _, parent in self._lineage))
        return {row.doc_id: row for row in self._store.index.get_many(parents)} if parents else {}

    @cached_property
    def _of_files(self) -> tuple[list[Problem], list[Problem]]:
        missing: list[Problem] = []
        altered: list[Problem] = []
        for row, is_missing, what in check_documents(self._store.storage, self.read):
            (missing if is_missing else altered).append(Problem(row.task_id, row.doc_id, what))
        return missing, altered


def _ended(row: DocumentRow) -> str:
    why = reason(row)
    return str(row.status) if why == row.status else f"{row.status} ({why})"


Question = Callable[[Findings], "list[Problem]"]
