"""Verification: finds every difference between files and rows, and changes nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, NamedTuple

from doc_io.commit_record import RECORD_NAME
from doc_io.document import DocumentRow, Parent
from doc_io.errors import IndexFormatError
from doc_io.ids import doc_dir
from doc_io.index.sql_index import Index
from doc_io.integrity import FolderVerdict, differences, judge
from doc_io.maintenance.removal import under_way
from doc_io.maintenance.seq_set import SeqSet
from doc_io.progress import Progress
from doc_io.storage.base import QUARANTINE_PREFIX, TEMPORARY_PREFIX, Folder, Storage
from doc_io.store import DocumentStore

Kind = Literal[
    "damaged", "missing", "differs", "unindexed", "torn", "extra", "stray", "temporary", "unfinished",
    "unreadable", "index", "orphan", "duplicate", "empty", "without_ok",
]  # fmt: skip
"""What can be found:

- ``damaged``: a row whose files are not what its commit record says; ``missing``: a row without any file.
- ``differs``: row and commit record disagree. ``unindexed``: a whole document without a row.
- ``torn``: a document's folder that holds no whole document, and no row knows it.
- ``extra``: files in a document's folder that its manifest does not know; ``stray``: files or folders where no document
  can be; ``temporary``: what a writer left that died; ``unfinished``: a removal that was interrupted.
- ``unreadable``: a folder that was passed over, as it cannot be listed or its name is no text; what it holds is not known.
- ``index``: the database of the index is damaged: an index or a total does not say what its table says, or the file is not
  what SQLite wrote. Whatever is looked up may be wrong until `reindex`.
- ``orphan``: a parent that is not in the store; ``duplicate``: the same raw text in several documents; ``empty``: an ok
  document with an empty text; ``without_ok``: a task that was tried and has no ok document.
"""

NOTES: frozenset[Kind] = frozenset({"orphan", "duplicate", "empty", "without_ok"})
"""Worth knowing, and no damage: a store that lost nothing may have them."""

GRACE = 3600.0
"""Seconds that an unfinished folder may be a writer's who is still at work."""

_BATCH_SIZE = 256
_SETTLING = 1.0  # seconds between a document's files and its row; the slowest commit that was seen took 0.3


class Finding(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: What kind of thing.
        where: The folder or file, relative to the docs root; for a note the doc_id or ``stage/task``.
        details: What exactly, for people.
    """

    kind: Kind
    where: str
    details: str


def verify(
    store: DocumentStore,
    *,
    full: bool = False,
    grace: float = GRACE,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Compare every file with its manifest and every row with its document.

    Args:
        store: Which store.
        full: Read every file and compare its hash. Default: lengths, and the checksum of the commit record.
        grace: Unfinished folders younger than this are not reported, in seconds.
        progress: Progress callback, called with `(done, total)`. Default: none.

    Returns:
        Findings as they are made: the database of the index, one pass over the folders, one over the rows, then the
        notes. Memory is flat: a bit for each row.
    """
    storage, index = store.storage, store.index
    damages = index.check()
    yield from (Finding("index", index.name, damage) for damage in damages)
    kinds = set()
    try:
        for finding in _compared(storage, index, full=full, grace=grace, progress=progress):
            kinds.add(finding.kind)
            yield finding
        wrong = 0 if "differs" in kinds else index.wrong_totals()  # a row that was changed has changed its total
        if wrong:
            yield Finding("index", index.name, f"the totals of {wrong} groups are not those of the rows")
    except IndexFormatError as error:
        if not damages:
            raise
        yield Finding("index", index.name, f"what follows could not be compared: {error.facts['reason']}")


def _compared(
    storage: Storage, index: Index, *, full: bool, grace: float, progress: Progress | None
) -> Iterator[Finding]:
    seen = SeqSet()
    total = sum(each.documents for each in index.stage_counts())
    unindexed = _Unindexed(index)
    done = 0
    yield from (
        Finding("unfinished", path, "a removal was interrupted; run `doc-io prune` to end it")
        for path in under_way(storage)
    )
    verdicts = judge(storage, storage.folders(), full=full)
    while batch := list(islice(verdicts, _BATCH_SIZE)):
        rows = {row.doc_id: row for row in index.get_many([_name(each.folder) for each in batch])}
        for known in rows.values():
            seen.add(known.seq)
        parents = index.parents_of(list(rows))
        for each in batch:
            row = rows.get(_name(each.folder))
            if row is not None and (each.record is not None or row.doc_dir == each.folder.path):
                yield from _indexed(each, row, parents.get(row.doc_id, []))
            elif each.record is not None:
                unindexed.add(each.folder.path)
            else:
                yield from _not_indexed(each, grace)
        yield from _orphans(index, rows.values(), parents)
        yield from unindexed.settled()
        done += len(rows)
        if progress is not None:
            progress(done, total)
    yield from unindexed.rest()
    yield from _rows_without_files(storage, index, seen)
    yield from _notes(index)


def _indexed(verdict: FolderVerdict, row: DocumentRow, parents: list[Parent]) -> Iterator[Finding]:
    path = verdict.folder.path
    if verdict.folder.error:
        yield Finding("unreadable", path, verdict.folder.error)
    elif verdict.record is None:
        yield Finding("damaged", path, "; ".join(verdict.reasons))
    else:
        different = differences(row, verdict.record, parents)
        if different:
            yield Finding("differs", path, f"the row has another {', '.join(different)} than {RECORD_NAME}")
        if row.status.value == "ok" and 0 in (row.raw_chars, row.parsed_chars):
            yield Finding("empty", path, "an ok document with an empty text")
    if verdict.extra:
        yield Finding("extra", path, f"not in the manifest: {', '.join(sorted(verdict.extra))}")


def _not_indexed(verdict: FolderVerdict, grace: float) -> Iterator[Finding]:
    """Findings for a folder that is not a whole document and that no row points to."""
    folder = verdict.folder
    depth = folder.path.count("/") + 1 if folder.path else 0
    name = _name(folder)
    unfinished = name.startswith((TEMPORARY_PREFIX, QUARANTINE_PREFIX))
    young = time.time() - folder.modified < grace
    if folder.error:
        yield Finding("unreadable", folder.path, folder.error)
    if depth < 3:  # noqa: PLR2004 - stage, key, document
        for file in sorted(folder.files):
            if not (young and file.startswith(TEMPORARY_PREFIX)):
                yield Finding("stray", f"{folder.path}/{file}".lstrip("/"), "no document can be here")
    elif unfinished:
        if not young:
            yield Finding("temporary", folder.path, "left by a writer that did not finish")
    elif verdict.reasons and not folder.error:
        yield Finding("torn", folder.path, f"no row, and no whole document: {'; '.join(verdict.reasons)}")


class _Unindexed:
    """Whole documents without a row. A writer that was between the two commits soon: each is looked up a second time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._found: deque[tuple[float, str]] = deque()  # when, and the folder; of the last moments alone

    def add(self, path: str) -> None:
        self._found.append((time.monotonic(), path))

    def settled(self) -> Iterator[Finding]:
        """Of those that were found long enough ago, the ones that still have no row."""
        while self._found and self._found[0][0] + _SETTLING <= time.monotonic():
            due = range(min(len(self._found), _BATCH_SIZE))
            places = {path.rpartition("/")[2]: path for path in [self._found.popleft()[1] for _ in due]}
            indexed = {row.doc_id: row.doc_dir for row in self._index.get_many(list(places))}
            for doc_id, path in places.items():
                if indexed.get(doc_id) != path:
                    yield Finding("unindexed", path, "a whole document without a row")

    def rest(self) -> Iterator[Finding]:
        """All that are left, once the last of them is settled."""
        if self._found:
            time.sleep(max(0.0, self._found[-1][0] + _SETTLING - time.monotonic()))
        yield from self.settled()


def _rows_without_files(storage: Storage, index: Index, seen: SeqSet) -> Iterator[Finding]:
    unseen = (row for row in index.scan() if row.seq not in seen)
    while batch := list(islice(unseen, _BATCH_SIZE)):
        # Where a document of this row would be, whatever folder the row names; looked for once more, as rows that were
        # written after their folder's key was listed are here too.
        places = [doc_dir(row.stage, row.logical_key_id, row.doc_id) for row in batch]
        read = storage.read_many([f"{place}/{RECORD_NAME}" for place in places])
        for row, place, data in zip(batch, places, read, strict=True):
            if isinstance(data, FileNotFoundError) and index.get(row.doc_id) is not None:
                yield Finding("missing", place, f"a row ({row.stage}, task {row.task_id}) without a document")


def _orphans(index: Index, rows: Iterable[DocumentRow], parents: dict[str, list[Parent]]) -> Iterator[Finding]:
    named: dict[str, str] = {}
    for row in rows:
        for parent in [row.parent_doc_id, *(each.doc_id for each in parents.get(row.doc_id, []))]:
            if parent is not None:
                named[parent] = row.doc_id
    for existing in index.get_many(list(named)):
        del named[existing.doc_id]
    for parent, child in named.items():
        yield Finding("orphan", child, f"its parent {parent} is not in the store")


def _notes(index: Index) -> Iterator[Finding]:
    for first, last, count in index.duplicates():
        others = f" and {count - 2} more" if count > 2 else ""  # noqa: PLR2004 - the two that are named
        yield Finding("duplicate", first, f"has the same raw text as {last}{others}")
    for stage, task_id, count in index.without_ok():
        yield Finding(
            "without_ok",
            f"{stage}/{task_id}",
            f"{count} attempts, none of them ok" if count > 1 else "one attempt, and it is not ok",
        )


def _name(folder: Folder) -> str:
    return folder.path.rpartition("/")[2]
