"""Verification: finds every difference between files and rows, and changes nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import Literal, NamedTuple

from doc_io.batches import batches
from doc_io.commit_record import RECORD_NAME
from doc_io.document import DocumentRow, Parent
from doc_io.errors import IndexFormatError
from doc_io.index.base import TaskKey
from doc_io.index.sql_index import Index
from doc_io.integrity import FolderVerdict, differences, judge
from doc_io.maintenance.removal import under_way
from doc_io.maintenance.seq_set import SeqSet
from doc_io.maintenance.shards import WHOLE, Shard, documents_by_stage, folders_of, in_threads, rows_of, shards_of
from doc_io.progress import Progress
from doc_io.renames import RENAMES_NAME, Renames, read_renames
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
- ``unreadable``: a folder that cannot be listed or whose name is no text, or a file of it that could not be read twice in a
  row; what it holds is not known.
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
    jobs: int = 1,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Compare every file with its manifest and every row with its document.

    Args:
        store: Which store.
        full: Read every file and compare its hash. Default: lengths, and the checksum of the commit record.
        grace: Unfinished folders younger than this are not reported, in seconds.
        jobs: How many shards of the store to read at a time, each in a thread; for a storage that answers slowly.
            Default: 1, the whole store in one pass.
        progress: Progress callback, called with `(done, total)`. Default: none.

    Returns:
        Findings as they are made: the database of the index, folders and rows shard by shard, then the notes. Memory is
        flat: a bit for each row.
    """
    storage, index = store.storage, store.index
    damages = list(verify_index(index))
    yield from damages
    seen: set[Finding] = set()
    differs = False
    try:
        for finding in _compared(storage, index, full=full, grace=grace, jobs=jobs, progress=progress):
            if finding.kind == "unreadable" or finding.where == RENAMES_NAME:  # found in each shard of a stage
                if finding in seen:
                    continue
                seen.add(finding)
            differs = differs or finding.kind == "differs"
            yield finding
        # A row that was changed has changed its total.
        yield from () if differs else verify_totals(index)
    except IndexFormatError as error:
        if not damages:
            raise
        yield Finding("index", index.name, f"what follows could not be compared: {error.facts['reason']}")


def verify_index(index: Index) -> Iterator[Finding]:
    """What is wrong with the database of an index."""
    yield from (Finding("index", index.name, damage) for damage in index.check())


def verify_totals(index: Index) -> Iterator[Finding]:
    """What is wrong with the totals that an index keeps beside its rows."""
    wrong = index.wrong_totals()
    if wrong:
        yield Finding("index", index.name, f"the totals of {wrong} groups are not those of the rows")


def _compared(
    storage: Storage, index: Index, *, full: bool, grace: float, jobs: int, progress: Progress | None
) -> Iterator[Finding]:
    known = documents_by_stage(index)
    total, done = sum(known.values()), 0
    yield from verify_removals(storage)
    shards = [WHOLE]
    if jobs > 1:
        shards = shards_of(storage, known)
        yield from verify_beside_stages(storage, grace)
    for batch in in_threads(
        [partial(verify_shard, storage, index, each, full=full, grace=grace) for each in shards], jobs
    ):
        yield from batch.findings
        done += batch.rows
        if progress is not None:
            progress(done, max(done, total))
    yield from verify_notes(index)


def verify_removals(storage: Storage) -> Iterator[Finding]:
    """The removals that were interrupted."""
    for path in under_way(storage):
        yield Finding("unfinished", path, "a removal was interrupted; run `doc-io prune` to end it")


def verify_beside_stages(storage: Storage, grace: float) -> Iterator[Finding]:
    """The files beside the stages, which are in no shard; ``grace`` as for `verify`."""
    return _not_indexed(FolderVerdict(storage.stages()[1], None), grace)


class Checked(NamedTuple):
    """Some folders of a shard, or rows whose documents were looked for.

    Attributes:
        rows: How many of the folders have a row.
        findings: What was found.
    """

    rows: int
    findings: list[Finding]


def verify_shard(storage: Storage, index: Index, shard: Shard, *, full: bool, grace: float) -> Iterator[Checked]:
    """Compare the folders and the rows of one shard, in flat memory.

    Args:
        storage: The files.
        index: The rows.
        shard: Which part of the store.
        full: As for `verify`.
        grace: As for `verify`.
    """
    seen = SeqSet()
    renames = read_renames(storage)
    unindexed, unfinished = _Unindexed(index), _UnfinishedRename(index, renames)
    verdicts = judge(storage, folders_of(storage, shard), full=full)
    for batch in batches(verdicts, _BATCH_SIZE):
        rows = {row.doc_id: row for row in index.get_many([_name(each.folder) for each in batch])}
        parents = index.parents_of(list(rows))
        findings: list[Finding] = []
        for each in batch:
            row = rows.get(_name(each.folder))
            if row is not None and row.doc_dir == each.folder.path:
                seen.add(row.seq)
            if row is not None and (each.record is not None or row.doc_dir == each.folder.path):
                different = differences(row, each.record, renames, parents.get(row.doc_id, [])) if each.record else []
                findings += _indexed(each, row, () if unfinished.explains(row, different) else different)
            elif each.record is not None:
                unindexed.add(each.folder.path)
            else:
                findings += _not_indexed(each, grace)
        yield Checked(len(rows), [*findings, *_orphans(index, rows.values(), parents), *unindexed.settled()])
    yield Checked(0, [*unindexed.rest(), *unfinished.settled()])
    unseen = (row for row in rows_of(index, shard) if row.seq not in seen)
    for missing in batches(unseen, _BATCH_SIZE):
        yield Checked(0, list(_without_files(storage, index, missing, renames)))


class _UnfinishedRename:
    """Rows that still have their old names. A rename that is under way ends soon: some are looked up a second time."""

    def __init__(self, index: Index, renames: Renames) -> None:
        self._index = index
        self._renames = renames
        self._old_names: dict[str, TaskKey] = {}

    def explains(self, row: DocumentRow, different: Collection[str]) -> bool:
        """Whether a row differs from its record in nothing but the new name that it is to have."""
        if row.doc_id not in self._renames.names or not different or not {"stage", "task_id"}.issuperset(different):
            return False
        if len(self._old_names) < _BATCH_SIZE:
            self._old_names[row.doc_id] = row.stage, row.task_id
        return True

    def settled(self) -> Iterator[Finding]:
        """What to say of those that have their old names still."""
        rows = self._index.get_many(list(self._old_names)) if self._old_names else []
        if any((row.stage, row.task_id) == self._old_names[row.doc_id] for row in rows):
            yield Finding("differs", RENAMES_NAME, "the index has documents under old names: a rename was interrupted")


def _indexed(verdict: FolderVerdict, row: DocumentRow, different: Collection[str]) -> Iterator[Finding]:
    path = verdict.folder.path
    if verdict.folder.error:
        yield Finding("unreadable", path, verdict.folder.error)
    elif verdict.record is None:
        yield Finding("damaged", path, "; ".join(verdict.reasons))
    else:
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


def _without_files(storage: Storage, index: Index, rows: list[DocumentRow], renames: Renames) -> Iterator[Finding]:
    """Findings for rows whose folder was not listed; each is looked for, as it may have been written since."""
    # Where a document of this row would be, whatever folder the row names.
    places = [renames.doc_dir_of(row) for row in rows]
    read = storage.read_many([f"{place}/{RECORD_NAME}" for place in places])
    for row, place, data in zip(rows, places, read, strict=True):
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


def verify_notes(index: Index) -> Iterator[Finding]:
    """The notes that are not about one document."""
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
