"""What an index promises, whichever database holds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doc_io.document import OK, DocumentRow, Parent, Status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new document comes in its history.

    Attributes:
        newest_created_at: Time of the newest document of its stage and task.
        prev_doc_id: The newest document of its logical key: the one it supersedes.
    """

    newest_created_at: str | None = None
    prev_doc_id: str | None = None

    def is_held_by(self, row: Mapping[str, Any]) -> bool:
        """Whether a new row comes right here: later than the newest of its task, and next to the one it supersedes."""
        later = self.newest_created_at is None or bool(self.newest_created_at < row["created_at"])
        return later and bool(self.prev_doc_id == row["lineage_prev_doc_id"])


class PlaceTakenError(Exception):
    """Another writer came first, so that the new document's time or predecessor no longer holds.

    Attributes:
        place: Where it comes now.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.place = place


class DocumentIndexedError(Exception):
    """The index has a row of this doc_id.

    Attributes:
        row: That row.
    """

    def __init__(self, row: DocumentRow) -> None:
        super().__init__(row.doc_id)
        self.row = row


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of a task's documents a reader wants.

    Attributes:
        status: Which outcomes count.
        runs: Runs whose documents come first, the most wanted run first; then any document.
        as_of: Only documents made up to this time (``created_at``'s form).
    """

    status: Collection[Status] = OK
    runs: Sequence[str] = ()
    as_of: str | None = None


LATEST_OK = Choice()
"""What almost every reader wants."""


class Index(ABC):
    """The rows of one store.

    Every method raises `doc_io.errors.IndexAccessError` or one of its kinds where the database fails.
    """

    name: str
    """Which database this is, as it may be shown: without credentials."""

    @abstractmethod
    def place(self, stage: str, task_id: str, logical_key_id: str) -> Place:
        """Where a new document of this task and key would come."""

    @abstractmethod
    def insert(self, row: Mapping[str, Any], parents: Iterable[Parent]) -> DocumentRow:
        """Commit one row, durable when this returns.

        Args:
            row: Every column but ``seq``. Its ``created_at`` and ``lineage_prev_doc_id`` claim a `Place`.
            parents: The documents it was made from.

        Returns:
            The row as it is in the table.

        Raises:
            PlaceTakenError: The place it claims is another's; nothing was inserted.
            DocumentIndexedError: There is such a doc_id; nothing was inserted.
            CommitUnknownError: It may or may not be committed.
        """

    def insert_all(self, rows: Sequence[tuple[Mapping[str, Any], Sequence[Parent]]]) -> list[DocumentRow]:
        """Commit new rows, together where the database can; arguments, result and errors as for `insert`, row by row.

        Where one raises, the others may be committed or not: insert each alone to find out.
        """
        return [self.insert(row, parents) for row, parents in rows]

    @abstractmethod
    def insert_many(self, rows: Iterable[tuple[Mapping[str, Any], Sequence[Parent]]]) -> int:
        """Commit rows whose place is known, as a rebuild or a copy does; those whose doc_id is there are left out.

        Returns:
            How many were inserted.
        """

    @abstractmethod
    def get(self, doc_id: str) -> DocumentRow | None:
        """The row of one document."""

    @abstractmethod
    def get_many(self, doc_ids: Sequence[str]) -> list[DocumentRow]:
        """The rows of these documents that are there, in the order asked for."""

    def latest_by_task(self, stage: str, task_id: str, choice: Choice) -> DocumentRow | None:
        """The wanted document of one task."""
        return self.latest_by_tasks(stage, [task_id], choice).get(task_id)

    @abstractmethod
    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], choice: Choice) -> dict[str, DocumentRow]:
        """The wanted document of each task that has one, in the order asked for; one query."""

    @abstractmethod
    def latest_by_logical(self, logical_key_id: str, status: Collection[Status]) -> DocumentRow | None:
        """The newest document of a logical key."""

    @abstractmethod
    def history(self, stage: str, task_id: str) -> list[DocumentRow]:
        """All documents of a task, newest first."""

    @abstractmethod
    def parents(self, doc_id: str) -> list[Parent]:
        """What a document was made from, in the order it was read."""

    def parents_of(self, doc_ids: Sequence[str]) -> dict[str, list[Parent]]:
        """What each of many documents was made from; one that has no parents is left out. An engine makes it one query."""
        return {doc_id: parents for doc_id in doc_ids if (parents := self.parents(doc_id))}

    @abstractmethod
    def children(self, doc_id: str) -> list[DocumentRow]:
        """What was made from a document, newest first."""

    @abstractmethod
    def scan(self) -> Iterator[DocumentRow]:
        """Every row by ``seq``, in flat memory."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. Using the index again opens new ones."""
