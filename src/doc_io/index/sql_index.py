"""The questions that are asked the same way of both engines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from doc_io.document import DocumentRow, Parent, Status
from doc_io.index import page_queries, queries, report_queries
from doc_io.index.base import (
    ALL,
    Attempt,
    Filter,
    GroupedBy,
    Index,
    PruneCandidate,
    SplitBy,
    StageCount,
    TokenUsage,
)

_T = TypeVar("_T")
_AFTER_ANY_ID = "{"  # the character that follows "z", the last one of an id


class SqlIndex(Index):
    """An index that answers whatever `queries` can spell, once an engine says how to put a question."""

    wanted: ClassVar[str]
    """A list of ids as a table ``wanted(task, position)`` in the engine's own SQL, with one placeholder."""

    newest_hint: ClassVar[str] = ""
    """What the engine must be told to walk through the newest documents and not to sort all of them."""

    @abstractmethod
    def answers(self, statement: str, values: Sequence[Any], make: Callable[[Sequence[Any]], _T]) -> list[_T]:
        """Ask one question.

        Args:
            statement: With ``?`` for each value.
            values: A list of ids as `listed` makes it, and plain values.
            make: What to make of each row of the answer.
        """

    @abstractmethod
    def listed(self, ids: Sequence[str]) -> Any:
        """A list of ids as one value for `wanted`."""

    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Ask for plain values; arguments as for `answers`."""
        return self.answers(statement, values, tuple)

    def documents(self, statement: str, values: Sequence[Any]) -> list[DocumentRow]:
        """Ask for whole rows of the table; arguments as for `answers`."""
        return self.answers(statement, values, queries.row_from)

    def document(self, statement: str, values: Sequence[Any]) -> DocumentRow | None:
        """Ask for one whole row of the table; arguments as for `answers`."""
        found = self.documents(statement, values)
        return found[0] if found else None

    def get(self, doc_id: str) -> DocumentRow | None:
        return self.document(queries.GET, (doc_id,))

    def latest_by_logical(self, logical_key_id: str, status: Collection[Status]) -> DocumentRow | None:
        return self.document(*queries.latest_by_logical(logical_key_id, frozenset(status)))

    def history(self, stage: str, task_id: str) -> list[DocumentRow]:
        return self.documents(queries.HISTORY, (stage, task_id))

    def parents(self, doc_id: str) -> list[Parent]:
        return [Parent(*each) for each in self.rows(queries.PARENTS, (doc_id,))]

    def children(self, doc_id: str) -> list[DocumentRow]:
        return self.documents(queries.CHILDREN, (doc_id, doc_id))

    def last_of_run(self, run_id: str) -> DocumentRow | None:
        return self.document(queries.LAST_OF_RUN, (run_id,))

    def read_by_run(self, run_id: str) -> list[DocumentRow]:
        return self.documents(queries.READ_BY_RUN, (run_id,))

    def scan(self) -> Iterator[DocumentRow]:
        # A page at a time: one long read would keep SQLite from emptying its write-ahead log.
        last = 0
        while page := self.documents(queries.SCAN, (last,)):
            yield from page
            last = page[-1].seq

    def select(self, wanted: Filter = ALL, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        return self.documents(*queries.select(wanted, after, limit))

    def find_by_prefix(self, prefix: str, limit: int = 2) -> list[DocumentRow]:
        return self.documents(queries.STARTING_WITH, (prefix, prefix + _AFTER_ANY_ID, limit))

    def recent(self, wanted: Filter = ALL, limit: int = 100, by: SplitBy | None = None) -> list[Attempt]:
        narrow = wanted.run_id is not None or (wanted.stage is not None and wanted.task_id is not None)
        statement, values = page_queries.recent(wanted, limit, by, "" if narrow else self.newest_hint)
        return self.answers(statement, values, Attempt._make)

    def by_seq(self, seqs: Sequence[int]) -> list[DocumentRow]:
        return self.documents(page_queries.by_seq(self.wanted), (self.listed(list(map(str, seqs))),))

    def attempts_of_task(self, stage: str, task_id: str) -> int:
        return int(self.rows(page_queries.ATTEMPTS_OF_TASK, (stage, task_id))[0][0])

    def newest_children(self, doc_id: str, limit: int) -> list[DocumentRow]:
        return self.documents(page_queries.CHILDREN, (doc_id, doc_id, limit))

    def newest_seq(self) -> int:
        return int(self.rows(page_queries.NEWEST_SEQ, ())[0][0])

    def count_after(self, seq: int, limit: int) -> int:
        return int(self.rows(page_queries.COUNT_AFTER, (seq, limit))[0][0])

    def stage_counts(self) -> list[StageCount]:
        return [StageCount(stage, Status(status), *counts) for stage, status, *counts in self.rows(queries.TALLY, ())]

    def usage(self, by: GroupedBy, wanted: Filter = ALL) -> list[TokenUsage]:
        found = self.rows(*queries.usage(by, wanted))
        return [
            TokenUsage(group, documents, int(prompt), int(completion)) for group, documents, prompt, completion in found
        ]

    def parents_of(self, doc_ids: Sequence[str]) -> dict[str, list[Parent]]:
        found: dict[str, list[Parent]] = {}
        for doc_id, *parent in self.rows(queries.parents_of(self.wanted), (self.listed(doc_ids),)):
            found.setdefault(doc_id, []).append(Parent(*parent))
        return found

    def children_of(self, doc_ids: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for doc_id, child in self.rows(queries.children_of(self.wanted), (self.listed(doc_ids),)):
            found.setdefault(doc_id, []).append(child)
        return found

    def superseded(self, wanted: Filter, keep_ok: int, keep_failed: int) -> list[PruneCandidate]:
        return self.answers(*queries.superseded(wanted, keep_ok, keep_failed), queries.candidate_from)

    def removable(self, doc_ids: Sequence[str], before: str) -> list[PruneCandidate]:
        return self.answers(
            queries.removable(self.wanted), (self.listed(doc_ids), before, before), queries.candidate_from
        )

    def duplicates(self) -> list[tuple[str, int]]:
        return [(doc_id, count) for doc_id, count in self.rows(queries.DUPLICATES, ())]

    def without_ok(self) -> list[tuple[str, str, int]]:
        return [(stage, task_id, count) for stage, task_id, count in self.rows(queries.WITHOUT_OK, ())]

    def edges(self, doc_ids: Sequence[str], direction: Literal["up", "down"], limit: int) -> list[tuple[str, str, str]]:
        statement = report_queries.edges(self.wanted, direction)
        return [(parent, child, name) for parent, child, name in self.rows(statement, (self.listed(doc_ids), limit))]

    def compared(
        self, column: str, ancestor: str | None, wanted: Filter, *, newest: bool, add: Callable[[Sequence[Any]], None]
    ) -> None:
        self.answers(*report_queries.comparison(column, ancestor, wanted, newest=newest), add)
