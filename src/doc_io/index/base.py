"""What an index promises, whichever database holds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from doc_io.document import OK, DocumentRow, Parent, Status


@dataclass(frozen=True, slots=True)
class HistoryHead:
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


class ConcurrentWriteError(Exception):
    """Another writer came first, so that the new document's time or predecessor no longer holds.

    Attributes:
        place: Where it comes now.
    """

    def __init__(self, place: HistoryHead) -> None:
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
class VersionSelector:
    """Which of a task's documents a reader wants.

    Attributes:
        status: Which outcomes count.
        runs: Runs whose documents come first, the most wanted run first; then any document.
        as_of: Only documents made up to this time (``created_at``'s form).
    """

    status: Collection[Status] = OK
    runs: Sequence[str] = ()
    as_of: str | None = None


LATEST_OK = VersionSelector()
"""What almost every reader wants."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows of the whole index a reader wants; what is not given does not restrict.

    Attributes:
        stage: Kind of document.
        task_id: What it was made for.
        status: Which outcomes; empty for all.
        model_id: The model.
        template_id: The prompt template.
        run_id: The run.
        experiment_id: The experiment.
        since: Made at this time or later (``created_at``'s form).
        until: Made before this time.
    """

    stage: str | None = None
    task_id: str | None = None
    status: Collection[Status] = ()
    model_id: str | None = None
    template_id: str | None = None
    run_id: str | None = None
    experiment_id: str | None = None
    since: str | None = None
    until: str | None = None


class PruneCandidate(NamedTuple):
    """What a pruning needs to know of a document.

    Attributes:
        doc_id: Which version.
        doc_dir: Its folder, relative to the docs root.
        stage: Kind of document.
        task_id: What it was made for.
        status: How it ended.
        created_at: When it was made.
    """

    doc_id: str
    doc_dir: str
    stage: str
    task_id: str
    status: Status
    created_at: str


GroupedBy = Literal["model_id", "template_id", "stage", "status", "run_id", "experiment_id", "day"]
"""What token totals can be told apart by."""

ALL = Filter()
"""Every row."""


class StageCount(NamedTuple):
    """How much there is of one stage and status.

    Attributes:
        stage: Kind of document.
        status: How they ended.
        documents: How many.
        characters: Length of all their raw and parsed texts.
    """

    stage: str
    status: Status
    documents: int
    characters: int


class TokenUsage(NamedTuple):
    """What the documents of one group cost.

    Attributes:
        group: The value they share; ``None`` where it is not known.
        documents: How many.
        prompt_tokens: Sum over those that say.
        completion_tokens: Sum over those that say.
    """

    group: str | None
    documents: int
    prompt_tokens: int
    completion_tokens: int


SplitBy = Literal["model_id", "template_id", "experiment_id"]
"""What the documents of a stage can be told apart by from an index alone."""


class Attempt(NamedTuple):
    """What an index alone knows of a document.

    Attributes:
        seq: Its place in the order of inserts.
        stage: Kind of document.
        task_id: What it was made for.
        status: The name of its status.
        value: Its value in the column that was asked for; ``None`` where it has none.
    """

    seq: int
    stage: str
    task_id: str
    status: str
    value: str | None


class Texts(ABC):
    """The full text of an index's documents: derived, made again at any time, and not a part of its promises."""

    @abstractmethod
    def missing(self, limit: int) -> list[str]:
        """The documents whose text is not known yet, at most so many; forgets those that are gone."""

    @abstractmethod
    def add(self, texts: Iterable[tuple[str, str]]) -> None:
        """Remember texts: ``(doc_id, text)`` without NUL and lone surrogates; one that is known stays as it is."""

    @abstractmethod
    def search(self, words: str, limit: int) -> list[tuple[str, str]]:
        """The documents that have all the words, the best first, each with the passage around them."""


class Index(ABC):
    """The rows of one store.

    Every method raises `doc_io.errors.IndexAccessError` or one of its kinds where the database fails.
    """

    name: str
    """Which database this is, as it may be shown: without credentials."""

    @abstractmethod
    def head(self, stage: str, task_id: str, logical_key_id: str) -> HistoryHead:
        """Where a new document of this task and key would come."""

    @abstractmethod
    def insert(self, row: Mapping[str, Any], parents: Iterable[Parent]) -> DocumentRow:
        """Commit one row, durable when this returns.

        Args:
            row: Every column but ``seq``. Its ``created_at`` and ``lineage_prev_doc_id`` claim a `HistoryHead`.
            parents: The documents it was made from.

        Returns:
            The row as it is in the table.

        Raises:
            ConcurrentWriteError: The place it claims is another's; nothing was inserted.
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

    def latest_by_task(self, stage: str, task_id: str, choice: VersionSelector) -> DocumentRow | None:
        """The wanted document of one task."""
        return self.latest_by_tasks(stage, [task_id], choice).get(task_id)

    @abstractmethod
    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], choice: VersionSelector) -> dict[str, DocumentRow]:
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

    @abstractmethod
    def children(self, doc_id: str) -> list[DocumentRow]:
        """What was made from a document, newest first."""

    @abstractmethod
    def last_of_run(self, run_id: str) -> DocumentRow | None:
        """The newest document that a run made."""

    @abstractmethod
    def read_by_run(self, run_id: str) -> list[DocumentRow]:
        """What a run read: the parents of all that it made."""

    @abstractmethod
    def scan(self) -> Iterator[DocumentRow]:
        """Every row by ``seq``, in flat memory."""

    @abstractmethod
    def select(self, wanted: Filter = ALL, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        """The newest rows of a kind, a page at a time.

        Args:
            wanted: Which rows.
            after: The last row of the page before. Default: the first page.
            limit: How many at most.

        Returns:
            Rows by ``created_at`` and ``seq``, newest first.
        """

    @abstractmethod
    def recent(self, wanted: Filter = ALL, limit: int = 100, by: SplitBy | None = None) -> list[Attempt]:
        """The newest attempts of a kind, at most so many, newest first, with one column more; read from an index alone."""

    @abstractmethod
    def by_seq(self, seqs: Sequence[int]) -> list[DocumentRow]:
        """The rows of these places in the order of inserts that are there, in the order asked for."""

    @abstractmethod
    def attempts_of_task(self, stage: str, task_id: str) -> int:
        """How many documents a task has."""

    @abstractmethod
    def newest_children(self, doc_id: str, limit: int) -> list[DocumentRow]:
        """The newest of what was made from a document, at most so many."""

    @abstractmethod
    def newest_seq(self) -> int:
        """The place of the newest insert; 0 where there is none."""

    @abstractmethod
    def count_after(self, seq: int, limit: int) -> int:
        """How many documents were inserted after a place; counts no further than the limit."""

    @abstractmethod
    def find_by_prefix(self, prefix: str, limit: int = 2) -> list[DocumentRow]:
        """The rows whose ``doc_id`` begins like this, at most so many."""

    @abstractmethod
    def stage_counts(self) -> list[StageCount]:
        """How many documents there are of each stage and status, in this order."""

    @abstractmethod
    def usage(self, by: GroupedBy, wanted: Filter = ALL) -> list[TokenUsage]:
        """Tokens by one column, or by day (the date of ``created_at``); the most expensive group first."""

    @abstractmethod
    def parents_of(self, doc_ids: Sequence[str]) -> dict[str, list[Parent]]:
        """The parents of many documents in one query; a document without parents is left out."""

    @abstractmethod
    def children_of(self, doc_ids: Sequence[str]) -> dict[str, list[str]]:
        """The ids of what was made from each of many documents, in one query; one without children is left out."""

    @abstractmethod
    def ask(self, statement: str, limit: int = 1000) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The answer to anybody's SQL, which can only read: names of the columns, and at most so many rows."""

    @abstractmethod
    def superseded(self, wanted: Filter, keep_ok: int, keep_failed: int) -> list[PruneCandidate]:
        """The documents that newer ones of their logical key have taken the place of, newest first.

        Args:
            wanted: Only rows of this kind.
            keep_ok: So many of each key's newest ok documents are not among them.
            keep_failed: So many of each key's newest with another status are not among them.

        Returns:
            The others, without the latest ok of any task.
        """

    @abstractmethod
    def removable(self, doc_ids: Sequence[str], before: str) -> list[PruneCandidate]:
        """Of these documents those that were made before a time and have not been the latest ok of their task since then."""

    @abstractmethod
    def duplicates(self) -> list[tuple[str, int]]:
        """Raw texts that several documents have: the first doc_id of each and how many there are."""

    @abstractmethod
    def without_ok(self) -> list[tuple[str, str, int]]:
        """Tasks that were tried and have no ok document: stage, task, attempts. Skipped tasks were not tried."""

    @abstractmethod
    def edges(self, doc_ids: Sequence[str], direction: Literal["up", "down"], limit: int) -> list[tuple[str, str, str]]:
        """One level of a lineage, in one query.

        Args:
            doc_ids: The documents of the level.
            direction: To their parents or to their children.
            limit: How many documents at the other end, at most.

        Returns:
            Parent, child and input name of each edge; children oldest first.
        """

    @abstractmethod
    def compared(
        self, column: str, ancestor: str | None, wanted: Filter, *, newest: bool, add: Callable[[Sequence[Any]], None]
    ) -> None:
        """Hand group, status, score, tokens and characters of each document to ``add``, in one query.

        Args:
            column: A key of `doc_io.index.report_queries.COMPARABLE`.
            ancestor: The stage whose column it is; ``None`` for the documents' own.
            wanted: Which documents.
            newest: Only the newest document of each task and group.
            add: Called once for each document, in any order.
        """

    @abstractmethod
    def texts(self) -> Texts:
        """What is remembered of the documents' texts, for searching."""

    @abstractmethod
    def remove(self, doc_ids: Sequence[str]) -> list[str]:
        """Take rows out in one transaction, each only where nothing that is still there was made from it.

        Args:
            doc_ids: In the order of removal: children before their parents.

        Returns:
            Those that have no row now, in the order given.
        """

    @abstractmethod
    def rebuild(self, rows: Iterable[tuple[Mapping[str, Any], Sequence[Parent]]]) -> int:
        """Exchange all rows at once for these; readers see the old ones or the new ones.

        ``seq`` counts from 1 in the order of ``created_at`` and ``doc_id``. Of rows with one ``doc_id`` the first
        counts. Rows that other writers commit while ``rows`` is read stay, after these. A failure leaves the old rows.

        Args:
            rows: Every column but ``seq``, with the parents; in any order, read once, in flat memory.

        Returns:
            How many rows there are now.
        """

    @abstractmethod
    def maintenance_lock(self) -> AbstractContextManager[None]:
        """Held by one program at a time, on any machine that shares the index: for upkeep that must not meet another.

        Raises:
            IndexBusyError: Another program holds it. It is let go of when its holder ends, however that ends.
        """

    @abstractmethod
    def repair_lock(self) -> AbstractContextManager[None]:
        """Held by one at a time, on any machine that shares the index, while the others wait.

        For the few writes of documents that must be judged and changed before anybody else looks: those that find
        something in their place, and removals.

        Raises:
            IndexBusyError: The wait took too long.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. Using the index again opens new ones."""
