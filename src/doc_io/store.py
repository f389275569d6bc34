"""The store: storage and index together keep the promises; what `save` acknowledged is there.

Order of a write: the files, durable; then the row, committed. A row never points to a document that is not whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from doc_io.commit_record import RECORD_NAME, CommitRecord, CommitRecordError, decode
from doc_io.document import OK, Document, DocumentRow, Parent, Status, as_document
from doc_io.errors import DamagedDocumentError, DocumentConflictError, StorageError, UnknownDocumentError
from doc_io.ids import unstorable
from doc_io.index.base import LATEST_OK, Index, VersionSelector
from doc_io.index.open import open_index
from doc_io.maintenance.verbs import Upkeep
from doc_io.parsers import parse
from doc_io.reading import StoredDocument, Which, missing_file_error, path_of, text_of
from doc_io.storage.base import Storage
from doc_io.storage.open import open_storage

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self
    from upath import UPath

    from doc_io.legacy.backfill_result import BackfillReport
    from doc_io.writing.draft import Draft, Origin
    from doc_io.writing.spool import Recovered

# ruff: noqa: PLC0415 - who only reads need not wait for what writes, and `doc-io ls` is to answer at once


class DocumentStore(Upkeep):
    """Documents under one docs root, indexed in one database; a context manager.

    It may be shared by threads and used after a fork; nothing is opened before it is needed.

    Args:
        docs_root: A folder, made on first use, or a URL that fsspec knows.
        db_path: The SQLite file of the index, made on first use. Default: ``db/documents.sqlite`` beside a local docs
            root, ``data/db/documents.sqlite`` for a remote one.
        db_url: A database URL instead; wins over ``db_path``. Default: none.
        storage_options: Handed to fsspec, or to obstore where they have ``"client": "obstore"`` (S3 and Azure; see
            docs/scaling.md). Default: none.
        db_on_network: Whether the SQLite file may lie on NFS, SMB or FUSE, used by one process alone. Default: it is
            refused.

    Raises:
        ConfigurationError: The root or the URL cannot be used.
    """

    def __init__(
        self,
        docs_root: str | os.PathLike[str],
        db_path: str | os.PathLike[str] | None = None,
        *,
        db_url: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        db_on_network: bool = False,
    ) -> None:
        self.storage: Storage = open_storage(docs_root, storage_options)
        self.index: Index = open_index(db_path or _beside(self.storage), db_url, on_network=db_on_network)
        if db_url is None and "://" in self.docs_root:
            _say_that_the_index_is_local(self.docs_root, self.index.name)

    @property
    def docs_root(self) -> str:
        """The docs root as it may be shown: without credentials."""
        return self.storage.root

    @property
    def has_lost_its_index(self) -> bool:
        """Whether there are documents and no file of their index, which `reindex` makes from them; no where nobody can say."""
        if "://" in self.index.name or os.path.exists(self.index.name):  # noqa: PTH110 - asked at each start of a step
            return False
        try:
            return next(self.storage.folders(), None) is not None
        except StorageError:
            return False

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
    ) -> DocumentRow:
        """Write a document; it is acknowledged, durable and visible to every reader when this returns.

        The same attempt saved again is the same document: nothing changes and its row is returned.

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

        Returns:
            The row.

        Raises:
            InvalidDocumentError: It cannot be stored; nothing was written.
            DocumentConflictError: The attempt exists with other content; nothing was changed.
            StorageError: The docs root failed; there is no such document.
            IndexAccessError: The index failed. The files stay; save the same attempt again, or reindex.
        """
        from doc_io.writing.draft import Origin

        origin = Origin(
            stage=stage,
            task_id=task_id,
            run_id=run_id,
            asset_key=asset_key,
            experiment_id=experiment_id,
            prompt_path=prompt_path,
            parents=tuple(Parent(each) if isinstance(each, str) else each for each in parents),
            **({} if attempt is None else {"attempt": attempt}),
        )
        return self.save_many([(document, origin)])[0]

    def save_many(self, documents: Iterable[tuple[Document | str, Origin]]) -> list[DocumentRow]:
        """Write many documents for a fraction of what they cost one by one; all are acknowledged when this returns.

        Every document is checked before anything is written. Their files are made durable side by side, and their rows
        are committed together. Where this raises, save the same attempts again: those that are there are not made anew.

        Args:
            documents: Each text with where it comes from; give ``Origin.attempt`` if it may have to be saved again.

        Returns:
            The rows, in the order given.

        Raises:
            DocIOError: As for `save`; some of the documents may be there and others not.
        """
        from doc_io.writing.writer import Writer

        return Writer(self.storage, self.index).save(_drafts(documents))

    def spool(self, documents: Iterable[tuple[Document | str, Origin]], folder: str | os.PathLike[str]) -> str:
        """Keep documents on this machine while the store is away; `recover` files them.

        Args:
            documents: As for `save_many`.
            folder: The spool, a local folder.

        Returns:
            Where they are: the spool, or a folder beside it, where that one is of another docs root.

        Raises:
            StorageError: This disk cannot hold them either.
        """
        from doc_io.writing.spool import spool

        return spool(folder, _drafts(documents), owner=self.storage.root)

    def recover(self, folder: str | os.PathLike[str]) -> Iterator[Recovered]:
        """File the documents of a spool under their identity, each once; they leave the spool as they are acknowledged.

        A recovered document is the newest of its task, whatever was made since it was spooled.

        Args:
            folder: The spool.

        Yields:
            What became of each, as it happens; one that cannot be filed stays, and does not stop the rest.

        Raises:
            ConfigurationError: They are meant for another docs root.
        """
        from doc_io.writing.spool import recover

        return recover(self.storage, self.index, folder)

    def insert(self, row: Mapping[str, Any]) -> DocumentRow:
        """Put a document whose files are there already into the index, with its row as its own record says it.

        Args:
            row: ``doc_id`` and ``doc_dir``, and any other column; those that are given must agree with the record.

        Returns:
            The row as it is in the index.

        Raises:
            DamagedDocumentError: Its files are not whole: a row never points to a document that is not there.
            DocumentConflictError: The row says something else than the record.
        """
        from doc_io.writing.partial_writes import read_whole_record

        record = read_whole_record(self.storage, row["doc_dir"])
        if record is None or record.doc_dir != row["doc_dir"]:
            raise DamagedDocumentError(
                doc_id=row["doc_id"], doc_dir=row["doc_dir"], reason="no whole document lies in its folder"
            )
        for column, value in record.row.items():
            if column in row and row[column] != value:
                raise DocumentConflictError(
                    doc_id=row["doc_id"],
                    stage=record.row["stage"],
                    task=record.row["task_id"],
                    difference=f"another {column}",
                )
        self.index.insert_many([({**record.row, "doc_dir": record.doc_dir}, record.parents)])
        committed = self.index.get(record.row["doc_id"])
        if committed is None:
            raise UnknownDocumentError(doc_id=row["doc_id"], docs_root=self.docs_root)
        return committed

    def get(self, doc_id: str) -> DocumentRow | None:
        """The row of one version; ``None`` where the index has none."""
        return self.index.get(doc_id) if _may_be(doc_id) else None

    def get_latest_by_task(
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
            runs: Runs whose documents win over newer ones of others, the most wanted run first. Default: none.
            as_of: Only what was made up to this time, in the form of ``created_at``. Default: until now.

        Returns:
            The row, or ``None`` where the task has no such document.

        Raises:
            IndexBusyError: The database stayed locked for longer than its time-out.
        """
        if not _may_be(stage, task_id):
            return None
        return self.index.latest_by_task(stage, task_id, _choice(status, runs, as_of))

    def get_latest_by_tasks(
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
            task_ids: The tasks, in the order the result is wanted.
            status: Which outcomes count. Default: only ``ok``.
            runs: As for `get_latest_by_task`.
            as_of: As for `get_latest_by_task`.

        Returns:
            Task to row; a task without such a document is left out.
        """
        choice = _choice(status, runs, as_of)
        wanted = [task_id for task_id in dict.fromkeys(task_ids) if _may_be(task_id)]
        return self.index.latest_by_tasks(stage, wanted, choice) if wanted and _may_be(stage) else {}

    def get_latest_by_logical(self, logical_key_id: str, status: Collection[Status | str] = OK) -> DocumentRow | None:
        """The newest document of a logical key; ``None`` where there is none."""
        return self.index.latest_by_logical(logical_key_id, frozenset(Status(each) for each in status))

    def history(self, stage: str, task_id: str) -> list[DocumentRow]:
        """Every version of a task, newest first, whatever its status."""
        return self.index.history(stage, task_id) if _may_be(stage, task_id) else []

    def parents(self, doc_id: str) -> list[Parent]:
        """What a document was made from: every parent, with the input it came in by."""
        return self.index.parents(doc_id) if _may_be(doc_id) else []

    def children(self, doc_id: str) -> list[DocumentRow]:
        """What was made from a document, newest first."""
        return self.index.children(doc_id) if _may_be(doc_id) else []

    def read(self, row: DocumentRow, which: Which = "text") -> str:
        """A text of a document, exactly as it was saved.

        Args:
            row: Which document.
            which: Which text of it. Default: the parsed one where there is one, else the raw one.

        Raises:
            MissingTextError: It has no such text.
            DamagedDocumentError: The file is gone, or is not what was saved.
        """
        return text_of(row, which, self.read_bytes(row, which))

    def read_bytes(self, row: DocumentRow, which: Which = "text") -> bytes:
        """The bytes of a text's file. Arguments and errors as for `read`."""
        try:
            return self.storage.read(path_of(row, which))
        except FileNotFoundError as error:
            raise missing_file_error(row, which, error) from None

    def read_many(self, rows: Iterable[DocumentRow], which: Which = "text") -> dict[str, str]:
        """The texts of many documents, read the fastest way this storage has.

        Args:
            rows: Which documents.
            which: Which text of each. Default: as for `read`.

        Returns:
            doc_id to text, in the order of ``rows``.

        Raises:
            MissingTextError: One has no such text.
            DamagedDocumentError: A file of one is gone, or is not what was saved.
        """
        wanted = list(rows)
        texts = {}
        for row, data in zip(wanted, self.storage.read_many([path_of(row, which) for row in wanted]), strict=True):
            if isinstance(data, bytes):
                texts[row.doc_id] = text_of(row, which, data)
            elif isinstance(data, FileNotFoundError):
                raise missing_file_error(row, which, data)
            else:
                raise data
        return texts

    def stored(self, row: DocumentRow) -> StoredDocument:
        """The document of a row, its texts read when they are asked for."""
        return StoredDocument(self, row)

    def record(self, row: DocumentRow) -> CommitRecord:
        """The commit record of a document, as it lies on disk.

        Raises:
            DamagedDocumentError: It does not hold true.
        """
        try:
            return decode(self.storage.read(f"{row.doc_dir}/{RECORD_NAME}"))
        except FileNotFoundError as error:
            raise missing_file_error(row, RECORD_NAME, error) from None
        except CommitRecordError as error:
            raise DamagedDocumentError(doc_id=row.doc_id, doc_dir=row.doc_dir, reason=error) from None

    def resolve_doc_dir(self, row: DocumentRow) -> UPath:
        """The folder of a document, to open or to list."""
        return self.storage.upath(row.doc_dir)

    def read_through(self, parent: DocumentStore) -> None:
        """From now on read what this store has none of from another one, which is never written to.

        For a branch of a pipeline: its own documents come first, task by task; whatever writes, walks or counts
        documents (`verify`, `prune`, …) sees its own alone.

        Args:
            parent: The other store; it is closed with this one.
        """
        from doc_io.branch import IndexOver, StorageOver

        self.index = cast("Index", IndexOver(self.index, parent.index))
        self.storage = cast("Storage", StorageOver(self.storage, parent.storage))

    def backfill(
        self,
        data_root: str | os.PathLike[str] = "data",
        *,
        layout: str | os.PathLike[str] | None = None,
        stages: Collection[str] = (),
        run_id: str | None = None,
        link: bool = False,
        dry_run: bool = False,
        bad_files: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> BackfillReport:
        """File the versioned text files of before doc_io as documents; run again, it adds what is new.

        Args:
            data_root: The folder that holds the old tree; nothing in it is changed.
            layout: A TOML file that says where its files lie; see docs/adopting.md. Default: ``2_tasks``,
                ``3_generation`` and ``4_evaluation``, as in ``doc_io/legacy/generation.toml``.
            stages: Only these stages. Default: all of the layout.
            run_id: The run that the documents belong to. Default: ``backfill-YYYYMMDD``.
            link: Whether texts may be hard links to the old files, into which nothing may write any more then.
            dry_run: Whether to look and count only.
            bad_files: Where the CSV of what was not taken in goes. Default: ``bad_files.csv`` in the data root.
            progress: Told how many of how many files are done. Default: nobody.

        Returns:
            The counts, and what was not taken in and why.

        Raises:
            ConfigurationError: There is no such data root or stage, or layout or tables cannot be used.
            StorageError: The docs root failed. What was filed stays; run it again.
            IndexAccessError: The index failed. Likewise.
        """
        from doc_io.legacy.backfill import backfill
        from doc_io.legacy.layout import read_layout

        return backfill(
            self,
            data_root,
            layout=read_layout(layout),
            stages=stages,
            run_id=run_id,
            link=link,
            dry_run=dry_run,
            bad_files=bad_files,
            progress=progress,
        )

    def close(self) -> None:
        """Let go of files and connections. Using the store again opens them again."""
        self.index.close()
        self.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DocumentStore({self.docs_root!r}, index={self.index.name!r})"


@cache
def _say_that_the_index_is_local(docs_root: str, index: str) -> None:
    """Once in a process: documents that other machines can read have an index that they cannot."""
    import logging

    logging.getLogger("doc_io").warning(
        "The documents are in %s, but their index %s is on this machine only. Where several machines write, give db_url"
        " a PostgreSQL database.",
        docs_root,
        index,
    )


def _drafts(documents: Iterable[tuple[Document | str, Origin]]) -> list[Draft]:
    from doc_io.writing.draft import make_draft

    return [make_draft(parse(as_document(document)), origin) for document, origin in documents]


def _beside(storage: Storage) -> Path:
    if "://" in storage.root:
        return Path("data/db/documents.sqlite")
    return Path(storage.root).parent / "db" / "documents.sqlite"


def _may_be(*names: str) -> bool:
    """Whether anything can be called that; a database fails on a name that it cannot hold, where the answer is nothing."""
    return not any(map(unstorable, names))


def _choice(status: Collection[Status | str], runs: Sequence[str], as_of: str | None) -> VersionSelector:
    if status is OK and not runs and as_of is None:
        return LATEST_OK
    return VersionSelector(frozenset(Status(each) for each in status), tuple(runs), as_of)
