"""The questions of upkeep and of reports, asked the same way of both engines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from doc_io.document import DocumentRow, Parent, Status
from doc_io.index import queries
from doc_io.index.base import ALL, Filter, GroupedBy, Index, Removable, Spent, Tally

_AFTER_ANY_ID = "{"  # the character that follows "z", the last one of an id


class Asking(Index):
    """An index that answers whatever `queries` can spell, once an engine says how to put a question."""

    wanted: ClassVar[str]
    """A list of ids as a table ``wanted(task, position)`` in the engine's own SQL, with one placeholder."""

    @abstractmethod
    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Ask one question.

        Args:
            statement: With ``?`` for each value.
            values: A list of ids as `listed` makes it, and plain values.
        """

    @abstractmethod
    def listed(self, ids: Sequence[str]) -> Any:
        """A list of ids as one value for `wanted`."""

    def select(self, wanted: Filter = ALL, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        return [queries.row_from(each) for each in self.rows(*queries.select(wanted, after, limit))]

    def starting_with(self, prefix: str, limit: int = 2) -> list[DocumentRow]:
        found = self.rows(queries.STARTING_WITH, (prefix, prefix + _AFTER_ANY_ID, limit))
        return [queries.row_from(each) for each in found]

    def tally(self) -> list[Tally]:
        return [Tally(stage, Status(status), *counts) for stage, status, *counts in self.rows(queries.TALLY, ())]

    def usage(self, by: GroupedBy, wanted: Filter = ALL) -> list[Spent]:
        found = self.rows(*queries.usage(by, wanted))
        return [Spent(group, documents, int(prompt), int(completion)) for group, documents, prompt, completion in found]

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

    def superseded(self, wanted: Filter, keep_ok: int, keep_failed: int) -> list[Removable]:
        found = self.rows(*queries.superseded(wanted, keep_ok, keep_failed))
        return [queries.removable_from(each) for each in found]

    def removable(self, doc_ids: Sequence[str], before: str) -> list[Removable]:
        found = self.rows(queries.removable(self.wanted), (self.listed(doc_ids), before))
        return [queries.removable_from(each) for each in found]

    def duplicates(self) -> list[tuple[str, int]]:
        return [(doc_id, count) for doc_id, count in self.rows(queries.DUPLICATES, ())]

    def without_ok(self) -> list[tuple[str, str, int]]:
        return [(stage, task_id, count) for stage, task_id, count in self.rows(queries.WITHOUT_OK, ())]
