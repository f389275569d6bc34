"""A dataset of Parquet files: one folder for each stage, day or status, readable as one by DuckDB, Polars, Spark and others.

The folders are named as Hive names them (``stage=essay/day=2026-01-31``, other characters percent-encoded), and what is in a
folder's name is not in the files: readers take it from there. A document that the dataset has is left out, so that the same
call goes on after an interruption and later adds what is new.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote

from doc_io.document import Status
from doc_io.errors import ConfigurationError
from doc_io.ids import path_segment
from doc_io.index.base import ALL, Filter
from doc_io.reports.export import LeaveOut, export_rows
from doc_io.reports.frames import schema_of, write_parquet

if TYPE_CHECKING:
    from doc_io.document import DocumentRow
    from doc_io.index.sql_index import Index
    from doc_io.progress import Progress
    from doc_io.reading import Which
    from doc_io.store import DocumentStore

PartitionedBy = Literal["stage", "day", "status"]
"""What a dataset can be divided by: what every document has."""

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

MAX_FILE_ROWS = 100_000
"""Documents in a file."""

MAX_FILE_CHARACTERS = 128 * 2**20
"""Of the texts in a file; one document may have more."""


class Dataset(NamedTuple):
    """The result of writing a dataset.

    Attributes:
        documents: How many documents were added.
        files: In how many new files.
        existing: How many it had already.
    """

    documents: int
    files: int
    existing: int


def write_dataset(
    store: DocumentStore,
    folder: str | os.PathLike[str],
    where: Filter = ALL,
    *,
    by: Sequence[PartitionedBy] = ("stage", "day"),
    texts: Sequence[Which] = (),
    leave_out: LeaveOut | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Add the documents that a dataset does not have yet.

    Args:
        store: Which store.
        folder: The dataset's, made where it is missing.
        where: Which documents; what is outside is not looked at. Default: all.
        by: What it is divided by, outer folders first; the same at every call.
        texts: Which texts; the same at every call. Default: none.
        leave_out: As for `doc_io.reports.export`.
        progress: Progress callback, called with `(done, total)`. Default: none.

    Returns:
        What was written. Memory is that of a row group, and of the ids in one folder.

    Raises:
        ConfigurationError: pyarrow is not installed, a file cannot be read or written, or a stage's name cannot be a folder's;
            then nothing was written.
        DamagedDocumentError: A text is not what was saved.
    """
    schema_of(texts)  # refuses a missing pyarrow before anything is made
    total = sum(each.documents for each in store.index.usage("status", where))
    documents = files = 0
    existing = count()
    for names, inside in list(_partitions(store.index, where, by)):  # all names are checked before anything is made
        partition = Path(folder, *names)
        known = _known(partition)
        rows = _missing(store.select_all(inside), known, existing)
        for values in _files(export_rows(store, rows, texts=texts, leave_out=leave_out), texts):
            _make(partition)
            first = next(values)
            name = path_segment(f"{first['created_at'].replace(':', '')}-{first['doc_id']}.parquet")
            documents += write_parquet(str(partition / name), chain([first], values), texts, without=by)
            files += 1
            if progress is not None:
                progress(documents, total)
    return Dataset(documents, files, next(existing))


def _missing(rows: Iterable[DocumentRow], known: Collection[str], existing: Iterator[int]) -> Iterator[DocumentRow]:
    """The rows that are not known; the others are counted."""
    for row in rows:
        if row.doc_id in known:
            next(existing)
        else:
            yield row


def _partitions(index: Index, where: Filter, by: Sequence[PartitionedBy]) -> Iterator[tuple[list[str], Filter]]:
    """Names of folders, and what is in the innermost one."""
    if not by:
        yield [], where
        return
    for group in sorted(each.group or "" for each in index.usage(by[0], where)):
        for names, inside in _partitions(index, _restricted(where, by[0], group), by[1:]):
            yield [f"{by[0]}={_folder_name(group)}", *names], inside


def _folder_name(group: str) -> str:
    """A value as readers decode it."""
    name = path_segment(group)
    if unquote(name) != group or name == _NO_VALUE:
        raise ConfigurationError(
            setting=f"A dataset by stage, in which {group!r} would be a folder",
            reason="readers could not get the stage back from it, which is too long, is a reserved name or has no text",
            hint="Partition it by day or status, where the stage stays a column, or name the other stages (--stage).",
        )
    return name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            setting=str(folder), reason=os.strerror(error.errno or 0), hint="Name a folder that can be made."
        ) from None


def _restricted(where: Filter, column: PartitionedBy, group: str) -> Filter:
    if column == "stage":
        return replace(where, stage=group)
    if column == "status":
        return replace(where, status=(Status(group),))
    next_day = str(date.fromisoformat(group) + timedelta(days=1))
    return replace(
        where,
        since=max(where.since or group, group),
        until=next_day if where.until is None else min(where.until, next_day),
    )


def _known(partition: Path) -> set[str]:
    """The documents that are in a folder; what an interrupted call left there is removed."""
    from pyarrow import ArrowInvalid, parquet  # noqa: PLC0415 - an extra

    for unfinished in partition.glob("*.unfinished"):
        unfinished.unlink()
    found: set[str] = set()
    for path in partition.glob("*.parquet"):
        try:
            found.update(parquet.read_table(path, columns=["doc_id"], partitioning=None)["doc_id"].to_pylist())
        except (OSError, ArrowInvalid) as error:
            raise ConfigurationError(
                setting=str(path), reason=error, hint="Remove this file; it is made anew."
            ) from None
    return found


def _files(values: Iterable[Mapping[str, Any]], texts: Sequence[str]) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The rows of each file; those of one are to be taken before the next is asked for."""
    remaining = iter(values)
    for first in remaining:
        yield _one_file(chain([first], remaining), texts)


def _one_file(values: Iterable[Mapping[str, Any]], texts: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    characters = 0
    for number, value in enumerate(values, start=1):
        yield value
        characters += sum(len(value[name] or "") for name in texts)
        if number >= MAX_FILE_ROWS or characters >= MAX_FILE_CHARACTERS:
            return
