"""Writes legacy documents to the store: at their place in the past, in batches, each only once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from doc_io.batches import batches
from doc_io.commit_record import PARSED_NAME, PROMPT_NAME, RAW_NAME
from doc_io.document import Document, DocumentRow
from doc_io.errors import InvalidDocumentError
from doc_io.ids import path_segment
from doc_io.legacy.backfill_result import BackfillReport, BadFile, StageReport
from doc_io.legacy.reading import Old, OldFile
from doc_io.legacy.versioned_files import UNVERSIONED
from doc_io.renames import read_renames
from doc_io.task_table import Task
from doc_io.writing.draft import MAX_SMALL_CHARS, Draft, Origin, later_created_at, make_draft

if TYPE_CHECKING:
    from doc_io.store import DocumentStore

Key = tuple[str, str]
"""A stage and a task."""

_BATCH_SIZE = 200  # renamed documents that are looked up with one query


class New(NamedTuple):
    """A document to be written.

    Attributes:
        draft: It, at its place in history.
        old: What it is made of.
    """

    draft: Draft
    old: Old


@dataclass
class Filing:
    """Writes the legacy documents of a backfill, stage by stage.

    Attributes:
        store: Where to.
        report: What was done with them.
        link: Whether texts may become hard links to the legacy files.
        planned: What a dry run would have filed: parents that are not there yet.
    """

    store: DocumentStore
    report: BackfillReport
    link: bool
    planned: set[Key] = field(default_factory=set)

    def file(self, olds: Sequence[Old], tasks: Mapping[str, Task] | None, counts: StageReport) -> None:
        """File some documents of a stage; all versions of a task come at once.

        Args:
            olds: The documents, those of one task oldest first.
            tasks: What the stage's tables say; ``None`` where there is none.
            counts: Where they are counted.

        Raises:
            StorageError: The docs root failed. Nothing of these is in the index.
            IndexAccessError: The index failed. Likewise; the files stay, and are met again.
        """
        rows = {} if self._nothing_indexed() else self._there(olds)
        parents = self._parents(olds, tasks or {})
        new: dict[str, New] = {}
        refused: list[Old] = []
        for versions in _by_task(olds):
            if all(old.doc_id in rows for old in versions):
                continue
            history = self._history(versions[0])
            for old in versions:
                row = rows.get(old.doc_id) or history.row_of(old)
                rest = None if row is not None else history.not_filed(old)
                if rest is None:
                    history.follow(row or history.filed(old.source))
                    continue
                draft = self._draft(rest, tasks, parents)
                if draft is None:
                    refused.append(rest)
                else:
                    new[draft.doc_dir] = New(history.placed(draft, rest), rest)
        if not self.report.dry_run:
            self.store.commit([self._linked(each) for each in new.values()])
        added, bad = [each.old for each in new.values()], _paths(refused)
        counts.documents += len(added)
        counts.bad += len(bad)
        counts.filed += len(_paths(added) - bad)
        counts.existing += len(_paths(olds) - _paths(added) - bad)
        self._tell(added, tasks, parents, counts)

    def _history(self, old: Old) -> _History:
        if self._nothing_indexed():
            return _History((), ())
        renamed = self._renamed.get((path_segment(old.stage), old.task_id), ())
        return _History(self.store.history(old.stage, old.task_id), renamed)

    @cached_property
    def _renamed(self) -> dict[Key, list[DocumentRow]]:
        """Documents that have another name now, by the folder of the stage and the task that they were filed under."""
        found: dict[Key, list[DocumentRow]] = {}
        names = read_renames(self.store.storage).names
        for batch in batches(names, _BATCH_SIZE):
            for row in self.store.index.get_many(batch):
                same_task = names[row.doc_id].task_id is None
                task_id = row.task_id if same_task else self.store.record(row).row["task_id"]
                found.setdefault((row.doc_dir.partition("/")[0], task_id), []).append(row)
        return found

    def _nothing_indexed(self) -> bool:
        """Whether a dry run would make the index by asking it."""
        return self.report.dry_run and not self.store.unchecked.index.exists

    def _there(self, olds: Sequence[Old]) -> dict[str, DocumentRow]:
        return {row.doc_id: row for row in self.store.index.get_many([old.doc_id for old in olds])}

    def _parents(self, olds: Iterable[Old], tasks: Mapping[str, Task]) -> dict[Key, str]:
        """The latest ok document of each parent that is named; one query a stage."""
        by_stage: dict[str, dict[str, None]] = {}
        for old in olds:
            task = tasks.get(old.task_id)
            if task is not None and task.parent_task_id is not None:
                by_stage.setdefault(task.parent_stage or "", {})[task.parent_task_id] = None
        found = dict.fromkeys(self.planned, "")
        if not self._nothing_indexed():
            for stage, task_ids in by_stage.items():
                latest = self.store.latest_many(stage, task_ids)
                found |= {(stage, task_id): row.doc_id for task_id, row in latest.items()}
        return found

    def _draft(self, old: Old, tasks: Mapping[str, Task] | None, parents: Mapping[Key, str]) -> Draft | None:
        task = (tasks or {}).get(old.task_id, Task())
        document = Document(
            None if old.raw is None else old.raw.text,
            parsed=None if old.parsed is None else old.parsed.text,
            prompt=None if old.prompt is None else old.prompt.text,
            template_id=task.template_id,
            model_id=task.model_id,
            parent_doc_id=parents.get(_parent(task)) or None,
            metadata=_metadata(old, known=tasks is not None and old.task_id in tasks),
        )
        origin = Origin(
            stage=old.stage,
            task_id=old.task_id,
            attempt=old.attempt,
            run_id=self.report.run_id,
            asset_key=old.asset_key,
            doc_id=old.doc_id,
        )
        try:
            return make_draft(document, origin)
        except InvalidDocumentError as error:
            for file in old.files:
                self._bad(old, file, str(error), filed=False)
            return None

    def _linked(self, new: New) -> Draft:
        """The draft; where links are allowed, with contents that know their file."""
        if not self.link:
            return new.draft
        named = ((RAW_NAME, new.old.raw), (PARSED_NAME, new.old.parsed), (PROMPT_NAME, new.old.prompt))
        linked = {name: file.data for name, file in named if file is not None}
        return replace(new.draft, contents={**new.draft.contents, **linked})

    def _tell(
        self, added: Sequence[Old], tasks: Mapping[str, Task] | None, parents: Mapping[Key, str], counts: StageReport
    ) -> None:
        """Say of what was added which parents were found, and of what no table tells them."""
        for old in added:
            if self.report.dry_run:
                self.planned.add(_task(old))
            if tasks is None:
                continue
            task = tasks.get(old.task_id)
            if task is None:
                counts.orphans += 1
                self._bad(old, old.source, "its task is in no table, so template, model and parent are not known")
            elif task.parent_task_id is not None and _parent(task) in parents:
                counts.linked += 1
            elif task.parent_task_id is not None:
                counts.unresolved += 1
                reason = f"its parent {task.parent_task_id!r} (stage {task.parent_stage}) has no ok document"
                self._bad(old, old.source, reason)

    def _bad(self, old: Old, file: OldFile, reason: str, *, filed: bool = True) -> None:
        self.report.bad_files.append(BadFile(old.stage, old.task_id, file.path, filed=filed, reason=reason))


class _History:
    """What comes before the next old version of one task.

    Args:
        rows: The documents of the task.
        renamed: Those that were, and have another stage or task now: what they hold is not filed again.
    """

    def __init__(self, rows: Sequence[DocumentRow], renamed: Sequence[DocumentRow]) -> None:
        self._rows = [*rows, *renamed]
        self._renamed = {row.doc_id for row in renamed}
        self._last: str | None = None
        self._places = [(row.created_at, row.doc_id) for row in rows]
        self._filed = {key: row for row in self._rows for key in _files_of(row)}

    def row_of(self, old: Old) -> DocumentRow | None:
        """The row of a document that was written with this legacy file beside it, by ``rollout``."""
        file = old.text_file
        for row in self._rows:
            facts = row.meta_small
            written = (
                (facts.get("legacy_version"), facts.get("legacy_sha256")),
                (facts.get("legacy_raw_version"), row.content_hash),
            )
            if "backfill" not in facts and (file.version, file.sha256) in written:
                return row
        return None

    def not_filed(self, old: Old) -> Old | None:
        """What of an old document no earlier backfill has filed; ``None`` where all of it is there.

        A parsed file that came since may belong to a raw one that is filed already: neither is filed twice.
        """
        raw, parsed = (None if file is None or self.filed(file) is not None else file for file in (old.raw, old.parsed))
        if (raw, parsed) == (old.raw, old.parsed):
            return old
        if raw is None and parsed is None:
            return None
        return replace(old, raw=raw, parsed=parsed, prompt=None if raw is None else old.prompt)

    def filed(self, file: OldFile) -> DocumentRow | None:
        """The document that holds a file, known by its name and content, whatever it was filed with."""
        return self._filed.get((file.path[:MAX_SMALL_CHARS], file.sha256))

    def follow(self, row: DocumentRow | None) -> None:
        """The next version comes after this one."""
        if row is not None and row.doc_id in self._renamed:
            self._last = row.created_at
        elif row is not None:
            self._after(row.created_at, row.doc_id)

    def _after(self, created_at: str, doc_id: str) -> None:
        self._last = created_at
        self._places.append((created_at, doc_id))

    def placed(self, draft: Draft, old: Old) -> Draft:
        """A version at its place: the time of its file, or right after the version before it."""
        created_at = later_created_at(old.source.modified, self._last)
        before = max(((at, doc_id) for at, doc_id in self._places if at < created_at), default=(None, None))
        self._after(created_at, draft.doc_id)
        return draft.at(created_at, before[1])


def _files_of(row: DocumentRow) -> Iterable[tuple[object, object]]:
    """Name and content of the raw and the parsed file that a backfill made a document of."""
    facts = row.meta_small
    if facts.get("backfill"):
        yield facts.get("legacy_raw"), row.content_hash
        yield facts.get("legacy_parsed"), facts.get("legacy_sha256")


def _by_task(olds: Iterable[Old]) -> Iterable[list[Old]]:
    tasks: dict[str, list[Old]] = {}
    for old in olds:
        tasks.setdefault(old.task_id, []).append(old)
    return tasks.values()


def _task(old: Old) -> Key:
    return old.stage, old.task_id


def _paths(olds: Iterable[Old]) -> set[str]:
    return {file.path for old in olds for file in old.files}


def _parent(task: Task) -> Key:
    return task.parent_stage or "", task.parent_task_id or ""


def _metadata(old: Old, *, known: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {"backfill": True, "legacy_sha256": old.text_file.sha256}
    if old.text_file.version != UNVERSIONED:
        metadata["legacy_version"] = old.text_file.version
    if not known:
        metadata["logical_key"] = "of stage and task: no table names the task"
    for name, file in (("legacy_raw", old.raw), ("legacy_parsed", old.parsed), ("legacy_prompt", old.prompt)):
        if file is not None:
            metadata[name] = file.path
    return metadata
