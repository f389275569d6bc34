"""The verbs of upkeep and of reports as methods of a store; each hands on to the module of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from doc_io.document import Status
from doc_io.errors import AmbiguousDocumentError, DocumentNotFoundError, UnknownDocumentError
from doc_io.index.base import ALL, LATEST_OK, Filter, GroupedBy, Index, StageCount, TokenUsage, VersionSelector
from doc_io.reading import Which, path_of, text_of
from doc_io.storage.base import Storage

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from doc_io.document import DocumentRow
    from doc_io.maintenance.copy import Copied
    from doc_io.maintenance.prune import Policy, Pruned
    from doc_io.maintenance.reindex import Reindexed
    from doc_io.maintenance.repair import Repair
    from doc_io.maintenance.verify import Finding
    from doc_io.reports.diff import Change
    from doc_io.reports.lineage import Lineage
    from doc_io.reports.search import Found

Progress = Callable[[int, int | None], None]
"""Told how many documents are done, and of how many where that is known."""

# ruff: noqa: PLC0415 - each verb is imported when it is used: a pipeline that saves and loads needs none of them


class Upkeep:
    """What `doc_io.DocumentStore` can do beside saving and loading.

    Attributes:
        storage: The documents.
        index: Their rows.
    """

    storage: Storage
    index: Index

    def find(self, name: str) -> DocumentRow:
        """The document that a person means.

        Args:
            name: A doc_id, a start of one that no other has, or ``stage/task`` for the latest ok one.

        Raises:
            UnknownDocumentError: There is none.
            DocumentNotFoundError: There is such a task, and no document of it is ok.
            AmbiguousDocumentError: Several doc_ids begin like this.
        """
        found = self.index.find_by_prefix(name, limit=2) if name.isalnum() else []
        if len(found) > 1 and found[0].doc_id != name:
            raise AmbiguousDocumentError(start=name, first=found[0].doc_id, second=found[1].doc_id)
        if found:
            return found[0]
        for position in (at for at, character in enumerate(name) if character == "/"):
            stage, task_id = name[:position], name[position + 1 :]  # both may have slashes of their own
            latest = self.index.latest_by_task(stage, task_id, LATEST_OK)
            if latest is not None:
                return latest
            newest = self.index.latest_by_task(stage, task_id, VersionSelector(frozenset(Status)))
            if newest is not None:
                raise DocumentNotFoundError(
                    wanted="ok", of=name, stage=stage, task=task_id, newest=f"{newest.status}, {newest.doc_id}"
                )
        raise UnknownDocumentError(doc_id=name, docs_root=self.storage.root)

    def select(self, wanted: Filter = ALL, *, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        """The newest documents of a kind, a page at a time.

        Args:
            wanted: Which. Default: all.
            after: The last row of the page before. Default: the first page.
            limit: How many at most.
        """
        return self.index.select(wanted, after, limit)

    def select_all(self, wanted: Filter = ALL) -> Iterator[DocumentRow]:
        """Every document of a kind, newest first, in flat memory."""
        last = None
        while page := self.index.select(wanted, last, 1000):
            yield from page
            last = page[-1]

    def stage_counts(self) -> list[StageCount]:
        """How many documents there are of each stage and status."""
        return self.index.stage_counts()

    def usage(self, by: GroupedBy = "model_id", wanted: Filter = ALL) -> list[TokenUsage]:
        """Tokens spent, the most expensive group first.

        Args:
            by: A column, or ``day``.
            wanted: Which documents count. Default: all.
        """
        return self.index.usage(by, wanted)

    def sql(self, statement: str, limit: int = 1000) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Any question to the tables ``documents`` and ``document_parents``; it can only read.

        Returns:
            The names of the columns, and at most ``limit`` rows.

        Raises:
            QueryError: The database cannot answer it, or it would write.
        """
        return self.index.ask(statement, limit)

    def lineage(self, doc_id: str, *, limit: int = 1000) -> Lineage:
        """What a document was made from and what was made from it; see `doc_io.reports.lineage.lineage`."""
        from doc_io.reports.lineage import lineage

        return lineage(self.index, doc_id, limit=limit)

    def diff(self, old: DocumentRow, new: DocumentRow, which: Which = "text") -> list[Change]:
        """What changed between two documents, word by word; see `doc_io.reports.diff.diff`.

        Args:
            old: The older document.
            new: The newer one.
            which: Which text of each. Default: the parsed one where there is one, else the raw one.
        """
        from doc_io.reports.diff import diff

        paths = [path_of(row, which) for row in (old, new)]
        texts = [text_of(row, which, self.storage.read(path)) for row, path in zip((old, new), paths, strict=True)]
        return list(diff(*texts))

    def search(self, words: str, *, limit: int = 20, progress: Progress | None = None) -> list[Found]:
        """Documents whose text has these words; see `doc_io.reports.search.search`."""
        from doc_io.reports.search import search

        return search(self.storage, self.index, words, limit=limit, progress=progress)

    def verify(
        self, *, full: bool = False, grace: float | None = None, progress: Progress | None = None
    ) -> Iterator[Finding]:
        """Hold files against manifests and rows against documents; see `doc_io.maintenance.verify.verify`.

        Args:
            full: Read every file and compare its hash. Default: lengths, and the checksum of the commit record.
            grace: Unfinished folders younger than this are not reported, in seconds. Default: an hour.
            progress: Told how many of how many documents are done. Default: nobody.
        """
        from doc_io.maintenance.verify import GRACE, verify

        return verify(self.storage, self.index, full=full, grace=GRACE if grace is None else grace, progress=progress)

    def repair(self, findings: Iterable[Finding], *, dry_run: bool = True) -> Iterator[Repair]:
        """Set right what can be, without deleting a committed document; see `doc_io.maintenance.repair`.

        Args:
            findings: From `verify`.
            dry_run: Only say what would be done. Default: yes.
        """
        from doc_io.maintenance.repair import carry_out, plan_repairs

        planned = plan_repairs(self.storage, findings)
        return planned if dry_run else carry_out(self.storage, self.index, planned)

    def reindex(self, *, incremental: bool = False, full: bool = False, progress: Progress | None = None) -> Reindexed:
        """Make the index from the commit records; see `doc_io.maintenance.reindex.reindex`."""
        from doc_io.maintenance.reindex import reindex

        return reindex(self.storage, self.index, incremental=incremental, full=full, progress=progress)

    def prune(self, policy: Policy | None = None, *, dry_run: bool = True, progress: Progress | None = None) -> Pruned:
        """Remove what a policy does not want; see `doc_io.maintenance.prune.prune`.

        Args:
            policy: Which. Default: all but the newest ok and the newest failed document of each logical key.
            dry_run: Only say what would go. Default: yes.
            progress: Told how many of how many are gone. Default: nobody.
        """
        from doc_io.maintenance.prune import Policy, prune

        return prune(self.storage, self.index, policy or Policy(), dry_run=dry_run, progress=progress)

    def pin(self, doc_id: str, note: str = "") -> None:
        """Keep a document for good; see `doc_io.maintenance.pins.pin`."""
        from doc_io.maintenance.pins import pin

        pin(self.storage, self.index, doc_id, note)

    def unpin(self, doc_id: str) -> None:
        """Let a document be pruned again."""
        from doc_io.maintenance.pins import unpin

        unpin(self.storage, doc_id)

    def pins(self) -> dict[str, str]:
        """Every pinned doc_id with the note that was given."""
        from doc_io.maintenance.pins import notes

        return notes(self.storage)

    def copy_to(self, target: Upkeep, *, progress: Progress | None = None) -> Copied:
        """Bring every document that another store does not have to it; see `doc_io.maintenance.copy.copy`."""
        from doc_io.maintenance.copy import copy

        return copy((self.storage, self.index), (target.storage, target.index), progress=progress)

    def export(
        self, wanted: Filter = ALL, *, texts: Sequence[Literal["raw", "parsed", "prompt"]] = ()
    ) -> Iterator[dict[str, Any]]:
        """Rows as plain mappings with their texts, newest first, in flat memory; see `doc_io.reports.export.export`."""
        from doc_io.reports.export import export

        return export(self.storage, self.select_all(wanted), texts)

    def frame(self, wanted: Filter = ALL, *, texts: Sequence[Literal["raw", "parsed", "prompt"]] = ()) -> pd.DataFrame:
        """Rows and texts as a pandas frame, newest first; needs the extra ``pandas``; see `doc_io.reports.frames.frame`."""
        from doc_io.reports.frames import frame

        return frame(self.export(wanted, texts=texts), texts)

    def arrow(self, wanted: Filter = ALL, *, texts: Sequence[Literal["raw", "parsed", "prompt"]] = ()) -> pa.Table:
        """The same as an Arrow table, for polars, DuckDB and others; see `doc_io.reports.frames.arrow`."""
        from doc_io.reports.frames import arrow

        return arrow(self.export(wanted, texts=texts), texts)
