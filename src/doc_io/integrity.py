"""Commit record against files against row: the only judge of whether a document is whole, and whether its row is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from doc_io.batches import batches
from doc_io.commit_record import (
    MAX_RECORD_BYTES,
    RECORD_NAME,
    CommitRecord,
    CommitRecordError,
    FileEntry,
    decode,
    encode,
    file_entry,
)
from doc_io.document import DocumentRow, Parent
from doc_io.errors import StorageError
from doc_io.ids import is_id
from doc_io.renames import Renames, read_renames
from doc_io.storage.base import DOCUMENT_DEPTH, NO_FILE_ERRORS, Folder, Storage

_BATCH_SIZE = 256  # folders; enough for a storage that reads side by side, little enough to stay flat
_ROWS_BATCH_SIZE = 64  # documents whose files are in memory at the same time
MAX_BATCH_BYTES = 32 * 2**20
"""Of the files of documents that are read whole and together; one alone may have more."""


class FolderVerdict(NamedTuple):
    """A folder and its files.

    Attributes:
        folder: Where; with an ``error`` also where a file of it could not be read, so that nothing is known of that.
        record: The commit record where the document is whole; else ``None``.
        reasons: Why it is not, file by file; empty where it is.
        extra: Files that the manifest does not know.
    """

    folder: Folder
    record: CommitRecord | None
    reasons: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def is_document_folder(folder: Folder) -> bool:
    """Whether a folder has the name and the place of a document; says nothing about what is in it."""
    segments = folder.path.split("/")
    return len(segments) == DOCUMENT_DEPTH and is_id(segments[1]) and is_id(segments[2])


def is_document_or_error(folder: Folder) -> bool:
    """Whether a folder is one of a document, or was passed over and may hold some."""
    return bool(folder.error) or is_document_folder(folder)


def judge(storage: Storage, folders: Iterable[Folder], *, full: bool = False) -> Iterator[FolderVerdict]:
    """Read the commit record of each folder and hold the files against its manifest.

    Args:
        storage: Where the folders are.
        folders: Which, as `Storage.folders` gives them.
        full: Also read every file and compare its hash. Default: lengths only, which tells every cut text and no
            altered one of the same length.

    Returns:
        Each folder with the verdict, in the order given, in flat memory. A file that cannot be read is asked for once
        more; if it still cannot, that is the folder's ``error``, and does not end the scan.
    """
    for batch in batches(folders, _BATCH_SIZE):
        storage.prefetch(
            f"{folder.path}/{name}" for folder in batch for name in folder.files if full or name == RECORD_NAME
        )
        having = [folder for folder in batch if folder.files.get(RECORD_NAME, MAX_RECORD_BYTES + 1) <= MAX_RECORD_BYTES]
        paths = [f"{folder.path}/{RECORD_NAME}" for folder in having]
        read = dict(_read_twice(storage, paths))
        records = {folder.path: read[path] for folder, path in zip(having, paths, strict=True)}
        verdicts = [_verdict(folder, records.get(folder.path)) for folder in batch]
        yield from _compared(storage, verdicts) if full else verdicts


class Content(NamedTuple):
    """Every byte of a document.

    Attributes:
        path: Its folder.
        record: The commit record where the document is whole; else ``None``.
        files: Path inside the folder to content, the record last; none where it is not whole.
        reasons: Why it is not, file by file.
    """

    path: str
    record: CommitRecord | None
    files: Mapping[str, bytes]
    reasons: tuple[str, ...] = ()


def contents(storage: Storage, paths: Sequence[str]) -> Iterator[list[Content]]:
    """Read documents whole, each file held against its hash. Nothing is listed: the record says what there is to read.

    Args:
        storage: Where the folders are.
        paths: Their folders.

    Returns:
        All of them in the order given, in lists of some megabytes.

    Raises:
        StorageError: None of several records could be read: it is the storage that fails, and not a document.
    """
    records = list(storage.read_many([f"{path}/{RECORD_NAME}" for path in paths]))
    for failure in records[:1]:
        if (
            len(records) > 1
            and isinstance(failure, StorageError)
            and all(isinstance(each, StorageError) for each in records)
        ):
            raise failure
    found = [(path, data, _record_of(path, data)) for path, data in zip(paths, records, strict=True)]
    for group in _of_some_megabytes(found):
        files = [
            f"{path}/{name}" for path, _, record in group if isinstance(record, CommitRecord) for name in record.files
        ]
        read = storage.read_many(files)
        yield [_content(path, data, record, read) for path, data, record in group]


def read_whole_record(storage: Storage, path: str) -> CommitRecord | None:
    """The commit record of a folder whose document is whole, every byte of it; else ``None``.

    Raises:
        StorageError: A file cannot be read, which says nothing of what is in it.
    """
    try:
        record = _record_of(path, storage.read(f"{path}/{RECORD_NAME}"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    if isinstance(record, str):
        return None
    found = storage.read_many([f"{path}/{name}" for name in record.files])
    for entry, data in zip(record.files.values(), found, strict=True):
        if isinstance(data, FileNotFoundError) or (isinstance(data, bytes) and file_entry(data) != entry):
            return None
        if isinstance(data, OSError):
            raise data
    return record


def missing_files(storage: Storage, path: str, files: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """The files that a partially written document still lacks.

    Args:
        storage: Where its directory is.
        path: Its folder.
        files: All files of the document, the commit record too. A record that differs from it in no more than what the
            moment of writing adds counts as the same.

    Returns:
        Those that are not there; ``None`` where one is there that is not this document's.

    Raises:
        StorageError: A file cannot be read.
    """
    ours = decode(files[RECORD_NAME]).files
    missing = {}
    found = storage.read_many([f"{path}/{name}" for name in files])
    for (name, content), data in zip(files.items(), found, strict=True):
        if isinstance(data, FileNotFoundError):
            missing[name] = content
        elif isinstance(data, OSError):
            raise data
        elif data != content:
            record = _record_of(path, data) if name == RECORD_NAME else ""
            if isinstance(record, str) or record.files != ours:
                return None
    return missing


def differences(
    row: DocumentRow, record: CommitRecord, renames: Renames, parents: Sequence[Parent] | None = None
) -> list[str]:
    """The columns in which a row is not what its commit record says.

    Args:
        row: The row of the index.
        record: The document's record.
        renames: The new names of its store.
        parents: What the index has as its parents. Default: not compared.
    """
    expected = {**renames.row(record.row), "doc_dir": record.doc_dir}
    actual = row.as_dict()
    different = [column for column, value in expected.items() if actual[column] != value]
    if parents is not None and tuple(parents) != record.parents:
        different.append("list of parents")
    return different


class DocumentProblem(NamedTuple):
    """What is wrong with an indexed document.

    Attributes:
        row: Its row.
        missing: Whether a file is missing or cannot be read; else one, or the row, is not what was saved.
        reason: What exactly, for people.
    """

    row: DocumentRow
    missing: bool
    reason: str


def check_documents(storage: Storage, rows: Iterable[DocumentRow]) -> Iterator[DocumentProblem]:
    """Hold rows against their commit records, and every byte of their files against the manifest; in flat memory."""
    renames = read_renames(storage)
    for batch in batches(rows, _ROWS_BATCH_SIZE):
        found = storage.read_many([f"{row.doc_dir}/{RECORD_NAME}" for row in batch])
        records: list[tuple[DocumentRow, CommitRecord]] = []
        for row, data in zip(batch, found, strict=True):
            record = _record_of(row.doc_dir, data)
            if isinstance(record, str):
                yield DocumentProblem(row, isinstance(data, OSError), record)
                continue
            records.append((row, record))
            different = differences(row, record, renames)
            if different:
                yield DocumentProblem(row, missing=False, reason=f"{RECORD_NAME} has another {', '.join(different)}")
        files = [(row, path, entry) for row, record in records for path, entry in record.files.items()]
        contents_found = storage.read_many([f"{row.doc_dir}/{path}" for row, path, _ in files])
        for (row, path, entry), data in zip(files, contents_found, strict=True):
            reason = _file_problem(path, entry, data)
            if reason is not None:
                yield DocumentProblem(row, isinstance(data, OSError), reason)


def _read_twice(storage: Storage, paths: Sequence[str]) -> Iterator[tuple[str, bytes | OSError]]:
    """The contents of files, by path; those that cannot be read at first come last, after another try."""
    failed = []
    for path, data in zip(paths, storage.read_many(paths), strict=True):
        if _is_unread(data):
            failed.append(path)
        else:
            yield path, data
    yield from zip(failed, storage.read_many(failed), strict=True)


def _is_unread(data: bytes | OSError | None) -> bool:
    """Whether a file may be as it should be, and only could not be read."""
    return isinstance(data, StorageError) and data.errno not in NO_FILE_ERRORS


def _file_problem(name: str, entry: FileEntry, data: bytes | OSError) -> str | None:
    if isinstance(data, FileNotFoundError):
        return f"{name} is missing"
    if isinstance(data, OSError):
        return f"{name} cannot be read: {data}"
    return None if file_entry(data) == entry else f"{name} was altered: its hash is another one"


_Found = tuple[str, "bytes | OSError", "CommitRecord | str"]


def _of_some_megabytes(found: Iterable[_Found]) -> Iterator[list[_Found]]:
    group: list[_Found] = []
    size = 0
    for each in found:
        record = each[2]
        coming = sum(entry.size for entry in record.files.values()) if isinstance(record, CommitRecord) else 0
        if group and size + coming > MAX_BATCH_BYTES:
            yield group
            group, size = [], 0
        group.append(each)
        size += coming
    if group:
        yield group


def _content(path: str, data: bytes | OSError, record: CommitRecord | str, read: Iterator[bytes | OSError]) -> Content:
    if isinstance(record, str) or isinstance(data, OSError):
        return Content(path, None, {}, (str(record),))
    files = {}
    reasons = []
    for (name, entry), content in zip(record.files.items(), islice(read, len(record.files)), strict=True):
        reason = _file_problem(name, entry, content)
        if reason is not None:
            reasons.append(reason)
        elif isinstance(content, bytes):
            files[name] = content
    if encode(record) != data:
        reasons.append(f"{RECORD_NAME} was altered")
    if reasons:
        return Content(path, None, {}, tuple(reasons))
    return Content(path, record, {**files, RECORD_NAME: data})


def _record_of(path: str, data: bytes | OSError | None) -> CommitRecord | str:
    """The commit record of a folder, or why there is none that holds true."""
    if data is None or isinstance(data, FileNotFoundError):
        return f"{RECORD_NAME} is missing"
    if isinstance(data, OSError):
        return f"{RECORD_NAME} cannot be read: {data}"
    try:
        record = decode(data)
    except CommitRecordError as error:
        return str(error)
    if record.doc_dir != path:
        return f"{RECORD_NAME} is of another document, {record.row['doc_id']}"
    return record


def _verdict(folder: Folder, data: bytes | OSError | None) -> FolderVerdict:
    if folder.error:
        return FolderVerdict(folder, None, (folder.error,))
    if folder.files.get(RECORD_NAME, 0) > MAX_RECORD_BYTES:
        return FolderVerdict(folder, None, (f"{RECORD_NAME} has {folder.files[RECORD_NAME]} bytes",))
    record = _record_of(folder.path, data)
    if isinstance(record, str):
        return FolderVerdict(_unread(folder, record) if _is_unread(data) else folder, None, (record,))
    reasons = []
    for name, entry in record.files.items():
        size = folder.files.get(name)
        if size is None:
            reasons.append(f"{name} is missing")
        elif size != entry.size:
            reasons.append(f"{name} has {size} bytes and not {entry.size}")
    extra = tuple(name for name in folder.files if name not in record.files and name != RECORD_NAME)
    return FolderVerdict(folder, None if reasons else record, tuple(reasons), extra)


def _compared(storage: Storage, verdicts: list[FolderVerdict]) -> Iterator[FolderVerdict]:
    """The same verdicts, after a look at every byte of those that seemed whole."""
    files = {
        f"{verdict.folder.path}/{name}": (verdict.folder.path, name, entry)
        for verdict in verdicts
        if verdict.record is not None
        for name, entry in verdict.record.files.items()
    }
    altered: dict[str, list[str]] = {}
    unread: dict[str, str] = {}
    for file, data in _read_twice(storage, list(files)):
        path, name, entry = files[file]
        reason = _file_problem(name, entry, data)
        if reason is not None:
            altered.setdefault(path, []).append(reason)
            if _is_unread(data):
                unread[path] = reason
    for verdict in verdicts:
        path = verdict.folder.path
        if path in altered:
            folder = _unread(verdict.folder, unread[path]) if path in unread else verdict.folder
            yield verdict._replace(folder=folder, record=None, reasons=tuple(altered[path]))
        else:
            yield verdict


def _unread(folder: Folder, reason: str) -> Folder:
    return replace(folder, error=reason)
