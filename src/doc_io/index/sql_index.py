"""The index: the SQL that both engines share, and the few things that each engine does its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, TypeVar

from doc_io.document import DocumentRow, Parent, Status
from doc_io.index import queries, report_queries
from doc_io.index.base import (
    ALL,
    ConcurrentWriteError,
    Filter,
    GroupedBy,
    HistoryHead,
    NewName,
    NewRow,
    PruneCandidate,
    StageCount,
    TaskKey,
    Texts,
    TokenUsage,
    VersionSelector,
    are_chained,
    first_of_each_task,
)

_T = TypeVar("_T")


class Index(ABC):
    """The rows of one store.

    Every method raises `doc_io.errors.IndexAccessError` or one of its subclasses where the database fails, and
    `doc_io.errors.IndexVersionError` where the index is of another schema (an older one: all but `rebuild`).
    """

    name: str
    """Which database this is, as it may be shown: without credentials."""
    address: str
    """How a command names it: the file, or the URL with its user and without a password."""
    set_aside: str | None = None
    """Where the last `rebuild` kept an old file that it could not replace in place."""
    environment: tuple[str, ...] = ()
    """The environment variables that such a command needs."""

    keys_table: ClassVar[str]
    """A list of keys as a table ``keys(key, position)`` in the engine's SQL, with one placeholder for `key_list`."""

    newest_hint: ClassVar[str] = ""
    """What the engine must be told to walk through the newest documents instead of sorting all that match."""

    @abstractmethod
    def query(self, statement: str, values: Sequence[Any], make: Callable[[Sequence[Any]], _T]) -> list[_T]:
        """Run one SELECT.

        Args:
            statement: With ``?`` for each value.
            values: Plain values, and lists of keys as `key_list` makes them.
            make: What to make of each row of the result.
        """

    @abstractmethod
    def key_list(self, keys: Sequence[str]) -> Any:
        """A list of keys as one value for `keys_table`."""

    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one SELECT for plain values; arguments as for `query`."""
        return self.query(statement, values, tuple)

    @abstractmethod
    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Run one SELECT whose result may be of any size: on a connection of its own, in flat memory."""

    def documents(self, statement: str, values: Sequence[Any]) -> list[DocumentRow]:
        """Run one SELECT for whole rows of the table; arguments as for `query`."""
        return self.query(statement, values, queries.row_from)

    def document(self, statement: str, values: Sequence[Any]) -> DocumentRow | None:
        """Run one SELECT for at most one row of the table; arguments as for `query`."""
        found = self.documents(statement, values)
        return found[0] if found else None

    # Writing

    @abstractmethod
    def heads(self, tasks: Sequence[TaskKey]) -> dict[TaskKey, HistoryHead]:
        """The newest document of each (stage, task), in one query; an empty `HistoryHead` where there is none."""

    def insert(self, rows: Sequence[NewRow]) -> list[DocumentRow]:
        """Commit rows in one transaction, durable when this returns; a constant number of round trips.

        Each row must follow the head of its (stage, task), or the row of the same task before it in ``rows``: later in
        time, and with that document as ``lineage_prev_doc_id``. A row whose ``doc_id`` the index has already is not
        inserted; the existing row is returned in its place.

        Returns:
            The rows as they are in the table, in the order given.

        Raises:
            ConcurrentWriteError: A row does not follow its head; nothing was inserted.
            CommitUnknownError: The rows may or may not be committed; inserting them again is safe.
        """
        given = {row["doc_id"]: (row, parents) for row, parents in reversed(rows)}
        pending = [given[doc_id] for doc_id in dict.fromkeys(row["doc_id"] for row, _ in rows)]
        stored: dict[str, DocumentRow] = {}
        while pending:
            seqs = self.insert_following(pending) if are_chained(pending) else {}
            for row, _ in pending:
                if row["doc_id"] in seqs:
                    new = {"seq": seqs[row["doc_id"]], **row, "status": Status(row["status"])}
                    stored[row["doc_id"]] = DocumentRow(**new)
            pending = [each for each in pending if each[0]["doc_id"] not in stored]
            if pending:
                existing = self.get_many([row["doc_id"] for row, _ in pending])
                if not existing:
                    raise ConcurrentWriteError(self.heads(list(first_of_each_task(pending))))
                stored.update((row.doc_id, row) for row in existing)
                pending = [each for each in pending if each[0]["doc_id"] not in stored]
        return [stored[row["doc_id"]] for row, _ in rows]

    @abstractmethod
    def insert_following(self, rows: Sequence[NewRow]) -> dict[str, int]:
        """Insert rows in one transaction, if the first row of each (stage, task) follows its head.

        Args:
            rows: Those of one task follow each other; no ``doc_id`` twice.

        Returns:
            The ``seq`` of each inserted ``doc_id``: none where any task's head is another one, else all but those that
            the index has already.
        """

    @abstractmethod
    def insert_placed(self, rows: Iterable[NewRow]) -> int:
        """Commit rows as they are, in one transaction: their place in history is settled (rebuild, copy, backfill).

        Returns:
            The number of rows inserted; a row whose ``doc_id`` the index has already is left out.
        """

    @abstractmethod
    def remove(self, doc_ids: Sequence[str]) -> list[str]:
        """Delete rows in one transaction; a row from which an existing document was made stays.

        Args:
            doc_ids: In any order; a parent goes with the children that are among them.

        Returns:
            Those of them that have no row now, in the order given.
        """

    @abstractmethod
    def rename(self, renames: Iterable[tuple[NewName, Sequence[str]]]) -> None:
        """Give the rows of documents, named by their ids, new names; all in one transaction."""

    def without_row(self, doc_ids: Sequence[str]) -> list[str]:
        """Those of the documents that the index has no row of."""
        found = {row.doc_id for row in self.get_many(doc_ids)}
        return [doc_id for doc_id in doc_ids if doc_id not in found]

    @abstractmethod
    def rebuild(self, rows: Iterable[NewRow]) -> int:
        """Replace all rows at once; readers see the old rows or the new ones.

        An index of an older schema, and one that is damaged, is replaced by one of this schema. ``seq`` counts from 1 in
        the order of ``created_at`` and ``doc_id``. Of rows with the same ``doc_id`` the first counts. Rows that other
        writers commit meanwhile are kept, after these. The id of the store is kept. A failure leaves the old index.

        Args:
            rows: In any order, read once, in flat memory.

        Returns:
            The number of rows now.

        Raises:
            IndexVersionError: The index has a newer schema; it was not touched.
        """

    # Reading

    def get(self, doc_id: str) -> DocumentRow | None:
        """The row of one document."""
        return self.document(queries.GET, (doc_id,))

    @abstractmethod
    def get_many(self, doc_ids: Sequence[str]) -> list[DocumentRow]:
        """The rows of those documents that the index has, in the order given; one query."""

    def latest_by_task(self, stage: str, task_id: str, selector: VersionSelector) -> DocumentRow | None:
        """The selected document of one task."""
        return self.latest_by_tasks(stage, [task_id], selector).get(task_id)

    @abstractmethod
    def latest_by_tasks(self, stage: str, task_ids: Sequence[str], selector: VersionSelector) -> dict[str, DocumentRow]:
        """The selected document of each task that has one, in the order given; one query."""

    def latest_by_logical(self, logical_key_id: str, status: Collection[Status]) -> DocumentRow | None:
        """The newest document of a logical key."""
        return self.document(*queries.latest_by_logical(logical_key_id, frozenset(status)))

    def history(
        self, stage: str, task_id: str, *, after: DocumentRow | None = None, limit: int | None = None
    ) -> list[DocumentRow]:
        """The documents of a task, newest first.

        Args:
            stage: Kind of document.
            task_id: The task.
            after: The last row of the previous page. Default: from the newest on.
            limit: Maximum number of rows. Default: all.
        """
        return self.documents(*queries.history(stage, task_id, after, limit))

    def answers(self, stage: str, task_id: str, prompt_hash: str) -> list[DocumentRow]:
        """The documents of a task that answer the same prompt, newest first, whatever their status."""
        return self.documents(queries.ANSWERS, (stage, task_id, prompt_hash))

    def parents(self, doc_id: str) -> list[Parent]:
        """The parents of a document, in the order in which they were read."""
        return [Parent(*each) for each in self.rows(queries.PARENTS, (doc_id,))]

    def parents_of(self, doc_ids: Sequence[str]) -> dict[str, list[Parent]]:
        """The parents of many documents in one query; a document without parents is left out."""
        found: dict[str, list[Parent]] = {}
        for doc_id, *parent in self.rows(queries.parents_of(self.keys_table), (self.key_list(doc_ids),)):
            found.setdefault(doc_id, []).append(Parent(*parent))
        return found

    def children(self, doc_id: str) -> list[DocumentRow]:
        """The documents made from a document, newest first."""
        return self.documents(queries.CHILDREN, (doc_id, doc_id))

    def children_of(self, seqs: Sequence[int]) -> dict[int, list[int]]:
        """The ``seq`` of the children of many documents by their own, in one query; one without any is left out."""
        found: dict[int, list[int]] = {}
        for seq, child in self.rows(queries.children_of(self.keys_table), (self.key_list(list(map(str, seqs))),)):
            found.setdefault(seq, []).append(child)
        return found

    def candidates(self, seqs: Sequence[int]) -> list[PruneCandidate]:
        """What `prune` needs of many documents, in the order given, in one query; one that is not there is left out."""
        values = (self.key_list(list(map(str, seqs))),)
        return self.query(queries.candidates(self.keys_table), values, queries.candidate_from)

    def last_of_run(self, run_id: str) -> DocumentRow | None:
        """The newest document that a run made."""
        return self.document(queries.LAST_OF_RUN, (run_id,))

    def read_by_run(self, run_id: str) -> list[DocumentRow]:
        """The parents of all documents that a run made."""
        return self.documents(queries.READ_BY_RUN, (run_id, run_id))

    def scan(self) -> Iterator[DocumentRow]:
        """Every row by ``seq``, in flat memory."""
        # A page at a time: one long read would keep SQLite from emptying its write-ahead log.
        last = 0
        while page := self.documents(queries.SCAN, (last,)):
            yield from page
            last = page[-1].seq

    def select(self, where: Filter = ALL, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        """The rows that match a filter, newest first by ``created_at`` and ``seq``, a page at a time.

        Args:
            where: The filter. Default: every row.
            after: The last row of the previous page. Default: the first page.
            limit: Maximum number of rows.
        """
        return self.documents(*queries.select(where, after, limit))

    def find_by_prefix(self, prefix: str, limit: int = 2) -> list[DocumentRow]:
        """At most ``limit`` rows whose ``doc_id`` begins with ``prefix``."""
        return self.documents(queries.BY_PREFIX, (prefix, prefix + queries.AFTER_ANY_ID, limit))

    def stage_counts(self) -> list[StageCount]:
        """The number of documents of each stage and status, in this order."""
        found = self.rows(queries.STAGE_COUNTS, ())
        return [StageCount(stage, Status(status), *map(int, counts)) for stage, status, *counts in found]

    def usage(self, by: GroupedBy, where: Filter = ALL) -> list[TokenUsage]:
        """Tokens grouped by one column, or by day (the date of ``created_at``); the group with most tokens first."""
        return [TokenUsage(group, *map(int, sums)) for group, *sums in self.rows(*queries.usage(by, where))]

    def usage_by_model(self, by: GroupedBy, where: Filter, starts: Sequence[int]) -> list[tuple[Any, ...]]:
        """Token sums of each group and model; see `doc_io.index.report_queries.usage_by_model`."""
        return self.rows(*report_queries.usage_by_model(by, where, starts))

    def superseded(self, where: Filter, keep_ok: int, keep_failed: int) -> Iterator[PruneCandidate]:
        """What is not among the newest of its (stage, task), and never the latest ok; newest first, in flat memory.

        Args:
            where: Only rows that match this filter.
            keep_ok: The number of newest ok documents of each (stage, task) that are left out.
            keep_failed: The number of newest documents of each (stage, task) with another status that are left out.
        """
        return map(queries.candidate_from, self.stream(*queries.superseded(where, keep_ok, keep_failed)))

    def removable(self, doc_ids: Sequence[str], before: str) -> list[PruneCandidate]:
        """Those of the documents that were made before a time and have not been the latest ok of their task since."""
        values = (self.key_list(doc_ids), before, before)
        return self.query(queries.removable(self.keys_table), values, queries.candidate_from)

    def successors(self, doc_ids: Sequence[str]) -> dict[str, str]:
        """The folder of the document that replaced each of some ok documents as the latest ok; without one it is left out."""
        found = self.rows(queries.successors(self.keys_table), (self.key_list(doc_ids),))
        return {doc_id: doc_dir for doc_id, doc_dir in found if doc_dir is not None}

    def duplicates(self) -> Iterator[tuple[str, str, int]]:
        """Raw texts that several documents have: the first and the last doc_id of each and how many there are."""
        return ((each[0], each[1], each[2]) for each in self.stream(queries.DUPLICATES))

    def without_ok(self) -> Iterator[tuple[str, str, int]]:
        """Tasks with attempts and no ok document: stage, task, attempts; ``skipped`` is not an attempt."""
        return ((each[0], each[1], each[2]) for each in self.stream(queries.WITHOUT_OK))

    @abstractmethod
    def read_sql(
        self, statement: str, limit: int = 1000, *, timeout: float = 30.0
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a user's SELECT on a connection of its own that can only read, and close that.

        Args:
            statement: One statement.
            limit: Maximum number of rows; no more are fetched.
            timeout: Seconds the statement may take.

        Returns:
            The names of the columns, and the rows.

        Raises:
            QueryError: It cannot be answered, would write, took too long, or would run as a superuser of PostgreSQL.
        """

    @abstractmethod
    def check(self) -> list[str]:
        """Hold indexes and schema of the database against its tables; what is wrong, for people. Empty if nothing is."""

    def wrong_totals(self) -> int:
        """How many of the totals that the engine keeps beside the rows are not those of the rows."""
        return 0

    @abstractmethod
    def texts(self) -> Texts:
        """The full-text index."""

    # The store, locks, life

    @property
    def exists(self) -> bool:
        """Whether there is something to ask; False where every look-up finds an empty index."""
        return True

    @abstractmethod
    def store_id(self) -> str | None:
        """The id of the store that this index belongs to; ``None`` where none is set, or there is no index."""

    @abstractmethod
    def set_store_id(self, store_id: str) -> str:
        """Set the id of the store if none is set; returns the one that is set now, of concurrent callers the first's."""

    @abstractmethod
    def replace_store_id(self, store_id: str) -> None:
        """Set the id of the store, whichever was set: after a rebuild from that store's documents."""

    @abstractmethod
    def maintenance_lock(self, *, shared: bool = False) -> AbstractContextManager[None]:
        """Held by one maintenance command at a time, or by several that share it, on any machine that shares the index.

        Raises:
            MaintenanceBusyError: Another program holds it. It is released when its holder ends, however that ends.
        """

    @abstractmethod
    def repair_lock(self) -> AbstractContextManager[None]:
        """Held by one writer at a time, on any machine that shares the index; the others wait.

        For the few writes that judge a document directory and then change it, and for removals.

        Raises:
            IndexBusyError: It was not released in time.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections. Using the index again opens new ones."""
