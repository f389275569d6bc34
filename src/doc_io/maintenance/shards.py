"""Shards: parts of a store that maintenance goes over side by side, in threads here or in the steps of a Dagster job.

A shard is a stage or, of a large one, a range of its logical keys: keys are hashes, so these shards are of one size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from queue import Empty, Queue
from threading import Event
from typing import NamedTuple, TypeVar

from doc_io.document import DocumentRow
from doc_io.errors import IndexAccessError
from doc_io.ids import path_segment
from doc_io.index.base import Filter
from doc_io.index.scan import scan_keys, select_all
from doc_io.index.sql_index import Index
from doc_io.storage.base import Folder, Storage

_BOUNDS = ("", *"123456789abcdefghijklmnopqrstuvwxyz", "")
"""Of the shards of a stage: one for each first character of a logical key; the outer ones have all other names too."""

_MAX_UNSPLIT = 250  # documents: of four files each, a page of a listing
_MAX_SPLIT_STAGES = 50
_WAIT_SECONDS = 0.05

_T = TypeVar("_T")


class Shard(NamedTuple):
    """A part of a store.

    Attributes:
        folder: The folder of its stage; empty for every stage, and files beside them.
        stage: The stage; ``None`` where the index has no document of it.
        first: Only logical keys from this one on; empty for all.
        last: Only logical keys before this one; empty for all.
    """

    folder: str
    stage: str | None
    first: str = ""
    last: str = ""


WHOLE = Shard("", None)
"""The whole store."""


def documents_by_stage(index: Index) -> dict[str, int]:
    """How many documents of each stage the index has; nothing where it cannot be read."""
    counts: dict[str, int] = {}
    with suppress(IndexAccessError):
        for each in index.stage_counts():
            counts[each.stage] = counts.get(each.stage, 0) + each.documents
    return counts


def shards_of(storage: Storage, known: Mapping[str, int]) -> list[Shard]:
    """The shards that make up a store, but for files beside the stages.

    Args:
        storage: The docs root.
        known: As `documents_by_stage` gives it. A stage is split if it is large, or not known.

    Raises:
        StorageError: The docs root cannot be listed.
    """
    stages = {path_segment(stage): stage for stage in known}
    unsplit = max(_MAX_UNSPLIT, sum(known.values()) // _MAX_SPLIT_STAGES)
    found = []
    for folder in sorted({*storage.stages()[0], *stages}):
        stage = stages.get(folder)
        bounds = _BOUNDS if stage is None or known[stage] > unsplit else ("", "")
        found += [Shard(folder, stage, first, last) for first, last in pairwise(bounds)]
    return found


def folders_of(storage: Storage, shard: Shard) -> Iterator[Folder]:
    """The folders of a shard; see `Storage.folders`."""
    return storage.folders(shard.folder, shard.first, shard.last)


def rows_of(index: Index, shard: Shard) -> Iterator[DocumentRow]:
    """The rows of a shard, in flat memory."""
    if shard == WHOLE:
        yield from index.scan()
    elif shard.stage is not None and (shard.first or shard.last):
        yield from scan_keys(index, shard.stage, shard.first, shard.last)
    elif shard.stage is not None:
        yield from select_all(index, Filter(stage=shard.stage))


def in_threads(parts: Sequence[Callable[[], Iterable[_T]]], threads: int) -> Iterator[_T]:
    """Call functions in threads, and give what they yield as it comes.

    Args:
        parts: The functions.
        threads: How many at a time. With one, each is called in this thread, one after the other.

    Raises:
        Exception: What a function raised; the others end at their next item.
    """
    if threads == 1:
        for part in parts:
            yield from part()
        return
    items: Queue[tuple[_T] | Exception | None] = Queue(2 * threads)  # bounded: no thread runs far ahead of the caller
    stopping = Event()
    with ThreadPoolExecutor(threads, "doc_io shard") as pool:
        running = [pool.submit(_put_items, part, items, stopping) for part in parts]
        try:
            ended = 0
            while ended < len(parts):
                item = items.get()
                if isinstance(item, Exception):
                    raise item
                if item is None:
                    ended += 1
                else:
                    yield item[0]
        finally:
            stopping.set()
            for each in running:
                each.cancel()
            while not all(each.done() for each in running):
                with suppress(Empty):
                    items.get(timeout=_WAIT_SECONDS)


def _put_items(part: Callable[[], Iterable[_T]], items: Queue[tuple[_T] | Exception | None], stopping: Event) -> None:
    try:
        for item in part():
            items.put((item,))
            if stopping.is_set():
                return
        items.put(None)
    except Exception as error:  # noqa: BLE001 - raised again by the caller
        items.put(error)
