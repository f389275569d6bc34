"""The store: storage and index together keep the promises; what `save` acknowledged is there.

Order of a write: the files, durable; then the row, committed. A row never points to a document that is not whole.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from doc_io.commit_record import CommitRecord
from doc_io.document import OK, Document, DocumentRow, Parent, Status
from doc_io.ids import are_storable
from doc_io.index.base import ALL, Filter, version_selector
from doc_io.index.open import default_db_path, open_index, warn_of_local_index
from doc_io.index.scan import select_all
from doc_io.index.sql_index import Index
from doc_io.reading import StoredDocument, Which, read_bytes, read_record, read_text, read_texts
from doc_io.storage.base import Storage
from doc_io.storage.open import open_storage
from doc_io.store_identity import StoreIdentity

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Self
    from upath import UPath

    from doc_io.writing.draft import Draft, Origin
    from doc_io.writing.spool import SpoolOwner

# ruff: noqa: PLC0415 - who only reads need not wait for what writes, and `doc-io ls` is to answer at once


class DocumentStore:
    """Documents under one docs root, indexed in one database; a context manager.

    It may be shared by threads and used after a fork; nothing is opened before it is needed.

    Args:
        docs_root: A folder, made on first use, or a URL that fsspec knows.
        db_path: The SQLite file of the index, made on first use. Default: ``db/documents.sqlite`` beside a local docs
            root, ``data/db/documents.sqlite`` for a remote one.
        db_url: A database URL instead; wins over ``db_path``. Default: none.
        db_read_url: The same database with a role that may only read, for `doc_io.reports.sql`. Default: ``db_url``.
        storage_options: Handed to fsspec, or to obstore where they have ``"client": "obstore"`` (S3 and Azure; see
            docs/scaling.md). Default: none.
        db_on_network: Whether the SQLite file may be on NFS, SMB or FUSE, used by one process alone. Default: it is
            refused.
        parent: Another store, read where this one has nothing and never written to, for a branch of a pipeline: its own
            documents come first, task by task; whatever writes, walks or counts documents (`verify`, `prune`, …) sees
            its own alone. It is closed with this one. Default: none.

    Raises:
        ConfigurationError: The root or the URL cannot be used.
    """

    def __init__(
        self,
        docs_root: str | os.PathLike[str],
        db_path: str | os.PathLike[str] | None = None,
        *,
        db_url: str | None = None,
        db_read_url: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        db_on_network: bool = False,
        parent: DocumentStore | None = None,
    ) -> None:
        self._own_storage = open_storage(docs_root, storage_options)
        self._own_index = open_index(
            db_path or default_db_path(self._own_storage.root),
            db_url,
            db_read_url=db_read_url,
            on_network=db_on_network,
        )
        self._storage, self._index = self._own_storage, self._own_index
        if db_url is None and "://" in self.docs_root:
            warn_of_local_index(self.docs_root, self._index.name)
        self._parent = parent
        if parent is not None:
            from doc_io.branch import BranchIndex, BranchStorage

            self._index = cast("Index", BranchIndex(self._own_index, parent._index))  # noqa: SLF001 - a store like this one
            self._storage = cast("Storage", BranchStorage(self._own_storage, parent._storage))  # noqa: SLF001 - as above
        self._identity = StoreIdentity(self._own_storage, self._own_index)

    @property
    def storage(self) -> Storage:
        """Where the files are. Its first use compares docs root and index, as that of `index` does."""
        self.check()
        return self._storage

    @property
    def index(self) -> Index:
        """Where the rows are.

        Raises:
            StoreMismatchError: At the first use: the docs root and the index do not belong together.
        """
        self.check()
        return self._index

    @property
    def unchecked(self) -> StoreIdentity:
        """Docs root and index without comparing them first, for `reindex` and whatever else repairs a mismatch."""
        return self._identity

    @property
    def owner(self) -> SpoolOwner:
        """How a spool names this store; opens nothing, as the store may be unreachable."""
        from doc_io.writing.spool import SpoolOwner

        return SpoolOwner(self.docs_root, self._identity.store_id)

    @property
    def is_local(self) -> bool:
        """Whether files and index are on this machine, so that no write waits for a network."""
        return "://" not in self.docs_root and "://" not in self._own_index.name

    @property
    def docs_root(self) -> str:
        """The docs root as it may be shown: without credentials."""
        return self._storage.root

    def check(self) -> None:
        """Make sure that docs root and index belong together, as the first look-up or write does.

        Raises:
            StoreMismatchError: They do not. Where one of them cannot be reached, this raises nothing.
        """
        if self._parent is not None:
            self._parent.check()
        self._identity.check_once()

    def save(
        self,
        document: Document | str,
        *,
        stage: str,
        task_id: str,
        run_id: str | None = None,
        attempt: str | None = None,
        asset_key: str | None = None,
        parents: Iterable[Parent | str] = (),
        experiment_id: str | None = None,
        prompt_path: str | None = None,
        created_at: datetime | str | None = None,
    ) -> DocumentRow:
        """Write a document; it is acknowledged, durable and visible to every reader when this returns.

        The same attempt saved again with the same content is the same document: nothing changes and its row is returned.
        With other content it is another document, and both are kept.

        Args:
            document: The text, alone or with what is known of it.
            stage: Kind of document.
            task_id: What it was made for.
            run_id: The run that made it. Default: none.
            attempt: What tells this attempt from others of its run. Default: a name that no other attempt has.
            asset_key: The asset as text. Default: none.
            parents: Every document it was made from, as doc ids or with the input's name; one alone is the primary
                one. Default: only ``Document.parent_doc_id``.
            experiment_id: The experiment it belongs to. Default: none.
            prompt_path: The file, relative to the docs root, of another document that was its prompt. Default: its own
                prompt.txt, where it has one.
            created_at: When it was made, for an import: a time with its zone, also as ISO 8601. Default: now.

        Returns:
            The row.

        Raises:
            InvalidDocumentError: It cannot be stored; nothing was written.
            StorageError: The docs root failed; there is no such document.
            IndexAccessError: The index failed. The files stay; save the same attempt again, or reindex.
            StoreMismatchError: The docs root and the index do not belong together; nothing was written.
        """
        from doc_io.writing.draft import Origin

        origin = Origin(
            stage=stage,
            task_id=task_id,
            run_id=run_id,
            asset_key=asset_key,
            experiment_id=experiment_id,
            prompt_path=prompt_path,
            created_at=created_at,
            parents=tuple(Parent(each) if isinstance(each, str) else each for each in parents),
            **({} if attempt is None else {"attempt": attempt}),
        )
        return self.save_many([(document, origin)])[0]

    def save_many(self, documents: Iterable[tuple[Document | str, Origin]]) -> list[DocumentRow]:
        """Write many documents for a fraction of what they cost one by one; all are acknowledged when this returns.

        Every document is checked before anything is written; their rows are committed together. Where this raises, save
        the same attempts again: documents that exist are not written again.

        Args:
            documents: Each text with where it comes from; give ``Origin.attempt`` if it may have to be saved again.

        Returns:
            The rows, in the order given.

        Raises:
            DocIOError: As for `save`; some of the documents may be there and others not.
        """
        from doc_io.writing.draft import make_drafts, past_time

        given = list(documents)
        times = [past_time(origin) for _, origin in given]
        drafts = make_drafts(given)
        if any(times):
            from doc_io.writing.past import place_in_the_past

            self._identity.claim()
            drafts = place_in_the_past(self._own_index, drafts, times)
        return self.commit(drafts)

    def commit(self, drafts: Sequence[Draft]) -> list[DocumentRow]:
        """Write drafts of `doc_io.writing.draft.make_drafts`; returns and raises as `save_many`.

        Where this raises, call it again with the same drafts: no parser runs twice, and documents that exist are not
        written again.
        """
        from doc_io.writing.commit import commit

        if not drafts:
            return []
        self._identity.claim()
        return commit(self._own_storage, self._own_index, drafts)

    def get(self, doc_id: str) -> DocumentRow | None:
        """The row of one version; ``None`` where the index has none."""
        return self.index.get(doc_id) if are_storable(doc_id) else None

    def latest(
        self,
        stage: str,
        task_id: str,
        status: Collection[Status | str] = OK,
        *,
        runs: Sequence[str] = (),
        as_of: str | None = None,
    ) -> DocumentRow | None:
        """The newest document of a task, by ``created_at`` and then ``seq``.

        Args:
            stage: Kind of document, as it was saved.
            task_id: What it was made for.
            status: Which outcomes count. Default: only ``ok``.
            runs: Runs whose documents win over newer ones of others, the preferred run first. Default: none.
            as_of: Only what was made up to this time, in the form of ``created_at``. Default: until now.

        Returns:
            The row, or ``None`` where the task has no such document.

        Raises:
            IndexBusyError: The database stayed locked for longer than its time-out.
        """
        if not are_storable(stage, task_id):
            return None
        return self.index.latest_by_task(stage, task_id, version_selector(status, runs, as_of))

    def latest_many(
        self,
        stage: str,
        task_ids: Iterable[str],
        status: Collection[Status | str] = OK,
        *,
        runs: Sequence[str] = (),
        as_of: str | None = None,
    ) -> dict[str, DocumentRow]:
        """The newest document of each of many tasks, in one query.

        Args:
            stage: Kind of document, as it was saved.
            task_ids: The tasks, in the order of the result.
            status: Which outcomes count. Default: only ``ok``.
            runs: As for `latest`.
            as_of: As for `latest`.

        Returns:
            Task to row; a task without such a document is left out.
        """
        selector = version_selector(status, runs, as_of)
        known = [task_id for task_id in dict.fromkeys(task_ids) if are_storable(task_id)]
        return self.index.latest_by_tasks(stage, known, selector) if known and are_storable(stage) else {}

    def history(
        self, stage: str, task_id: str, *, after: DocumentRow | None = None, limit: int | None = None
    ) -> list[DocumentRow]:
        """Every version of a task, newest first, whatever its status.

        Args:
            stage: Kind of document, as it was saved.
            task_id: What it was made for.
            after: The last row of the page before. Default: from the newest on.
            limit: How many at most. Default: all.
        """
        return self.index.history(stage, task_id, after=after, limit=limit) if are_storable(stage, task_id) else []

    def find(self, name: str) -> DocumentRow:
        """The document that a person means.

        Args:
            name: A doc_id, a start of one that no other has, ``STAGE/TASK`` for the latest ok document of a task,
                ``STAGE/TASK@newest`` for its newest attempt, ``STAGE/TASK@-1`` for the one before that, or
                ``STAGE/TASK@RUN`` for what a run made.

        Raises:
            UnknownDocumentError: There is none.
            DocumentNotFoundError: There is such a task, and no document of it is ok.
            AmbiguousDocumentError: Several doc_ids begin like this.
        """
        from doc_io.naming import find_document

        return find_document(self.index, self.docs_root, name)

    def select(self, where: Filter = ALL, *, after: DocumentRow | None = None, limit: int = 100) -> list[DocumentRow]:
        """The newest documents of a kind, a page at a time.

        Args:
            where: Which. Default: all.
            after: The last row of the page before. Default: the first page.
            limit: How many at most.
        """
        return self.index.select(where, after, limit)

    def select_all(self, where: Filter = ALL) -> Iterator[DocumentRow]:
        """Every document of a kind, newest first, in flat memory."""
        yield from select_all(self.index, where)

    def parents(self, doc_id: str) -> list[Parent]:
        """What a document was made from: every parent, with the input it came in by."""
        return self.index.parents(doc_id) if are_storable(doc_id) else []

    def children(self, doc_id: str) -> list[DocumentRow]:
        """What was made from a document, newest first."""
        return self.index.children(doc_id) if are_storable(doc_id) else []

    def read(self, row: DocumentRow, which: Which = "text") -> str:
        """A text of a document, exactly as it was saved.

        Args:
            row: Which document.
            which: Which text of it. Default: the parsed one where there is one, else the raw one.

        Raises:
            MissingTextError: It has no such text.
            DamagedDocumentError: The file is missing, or is not what was saved.
        """
        return read_text(self.storage, row, which)

    def read_bytes(self, row: DocumentRow, which: Which = "text") -> bytes:
        """The bytes of a text's file. Arguments and errors as for `read`."""
        return read_bytes(self.storage, row, which)

    def read_many(self, rows: Iterable[DocumentRow], which: Which = "text") -> dict[str, str]:
        """The texts of many documents, read the fastest way this storage has; errors as for `read`.

        Args:
            rows: Which documents.
            which: Which text of each. Default: as for `read`.

        Returns:
            doc_id to text, in the order of ``rows``.
        """
        return read_texts(self.storage, rows, which)

    def stored(self, row: DocumentRow) -> StoredDocument:
        """The document of a row, its texts read when they are asked for."""
        return StoredDocument(row, self.storage)

    def record(self, row: DocumentRow) -> CommitRecord:
        """The commit record of a document, as it is on disk; a `DamagedDocumentError` where it is not valid."""
        return read_record(self.storage, row)

    def resolve_doc_dir(self, row: DocumentRow) -> UPath:
        """The folder of a document, to open or to list."""
        return self.storage.upath(row.doc_dir)

    def close(self) -> None:
        """Let go of files and connections. Using the store again opens them again."""
        self._index.close()
        self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DocumentStore({self.docs_root!r}, index={self._index.name!r})"
