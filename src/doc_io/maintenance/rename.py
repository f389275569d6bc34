"""Renames: documents get another stage or task, and no file of theirs is touched.

The new names become durable in `doc_io.renames` first, then all rows change in one transaction. What is interrupted in
between is told by `verify`; the same rename, or `reindex`, ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from doc_io.document import DocumentRow
from doc_io.errors import InvalidDocumentError, NameTakenError
from doc_io.ids import are_storable, unstorable
from doc_io.index.base import Filter, NewName
from doc_io.naming import unknown_document
from doc_io.renames import Renames, read_renames, write_renames
from doc_io.store import DocumentStore


@dataclass(frozen=True)
class Renamed:
    """The result of a rename.

    Attributes:
        documents: How many documents have the new name.
        tasks: Old task to new task, of every task.
        merged: How many of the tasks had documents under the new name already.
    """

    documents: int
    tasks: Mapping[str, str]
    merged: int


def rename(
    store: DocumentStore,
    stage: str,
    new_stage: str,
    *,
    task_id: str | None = None,
    new_task_id: str | None = None,
    merge: bool = False,
    dry_run: bool = False,
) -> Renamed:
    """File the documents of a stage, or of one task, under another name: their history comes along.

    The task of an asset without partitions is the asset's key; where it is the only task of the stage, it is renamed with it.
    To undo it, rename them back.

    Args:
        store: Which store.
        stage: What they are filed under.
        new_stage: What they are to be filed under.
        task_id: Only this task. Default: all tasks of the stage, which keep their names.
        new_task_id: Its new name. Default: the old one.
        merge: Whether they may join documents that are there under the new name; these cannot be told apart afterwards.
            Default: that is an error.
        dry_run: Only say what would be renamed. Default: rename it.

    Raises:
        UnknownNameError: There is no such document.
        NameTakenError: There are documents under the new name, and ``merge`` is not given; or two of one time would meet
            there.
        InvalidDocumentError: The new name cannot be stored, or is the old one.
        MaintenanceBusyError: Another maintenance command is running.
    """
    _check_name(new_stage, new_task_id)
    with store.index.maintenance_lock():
        found = are_storable(stage, task_id or "")
        rows = list(store.select_all(Filter(stage=stage, task_id=task_id))) if found else []
        if not rows:
            raise unknown_document(store.index, store.docs_root, f"{stage}/{task_id or ''}")
        tasks = _new_tasks(dict.fromkeys(row.task_id for row in reversed(rows)), stage, new_stage, task_id, new_task_id)
        if new_stage == stage and all(old == new for old, new in tasks.items()):
            raise InvalidDocumentError(what=f"A rename of {stage}", reason="it is the same name", hint="Give another.")
        taken = _check_free(store, rows, new_stage, tasks, merge=merge)
        if not dry_run:
            known = read_renames(store.storage).names
            changed = {task for task, new in tasks.items() if new != task}
            file_under(
                store,
                {
                    row.doc_id: NewName(
                        new_stage,
                        tasks[row.task_id] if row.task_id in changed else known.get(row.doc_id, _UNCHANGED).task_id,
                    )
                    for row in rows
                },
            )
    return Renamed(len(rows), tasks, taken)


def file_under(store: DocumentStore, names: Mapping[str, NewName]) -> None:
    """Give documents new names, in the file and then in the index. The caller holds the maintenance lock.

    Args:
        store: Which store.
        names: doc_id to new name; one that the store does not have yet gets it when it comes.
    """
    write_renames(store.storage, Renames({**read_renames(store.storage).names, **names}))
    store.index.rename(list(Renames(names).groups()))


_UNCHANGED = NewName("")


def _check_name(stage: str, task_id: str | None) -> None:
    for name in (stage, "" if task_id is None else task_id):
        reason = "it is empty" if not stage else unstorable(name)
        if reason is not None:
            raise InvalidDocumentError(what=f"A document under {name!r}", reason=reason, hint="Give another name.")


def _new_tasks(
    found: Mapping[str, None], stage: str, new_stage: str, task_id: str | None, new_task_id: str | None
) -> dict[str, str]:
    """Old task to new task."""
    if task_id is not None:
        return {task_id: task_id if new_task_id is None else new_task_id}
    if list(found) == [_key_of_stage(stage)]:
        return {_key_of_stage(stage): _key_of_stage(new_stage)}
    return {task: task for task in found}


def _key_of_stage(stage: str) -> str:
    """The key of the asset that has this stage, as text; see `doc_io.ids.stage_of_key`."""
    return "/".join(map(unquote, stage.split(".")))


def _check_free(
    store: DocumentStore, rows: list[DocumentRow], new_stage: str, tasks: Mapping[str, str], *, merge: bool
) -> int:
    """How many of the tasks are there under the new name."""
    renamed = {row.doc_id for row in rows}
    heads = store.index.heads([(new_stage, new) for new in dict.fromkeys(tasks.values())])
    taken = [task for (_, task), head in heads.items() if head.doc_id is not None and head.doc_id not in renamed]
    if taken and not merge:
        raise NameTakenError(stage=new_stage, task=taken[0], tasks=len(taken), hint=_MERGE)
    times = {(tasks[row.task_id], row.created_at) for row in rows}
    for task in taken:
        for row in store.history(new_stage, task):
            if row.doc_id not in renamed and (task, row.created_at) in times:
                hint = f"One of them was made at {row.created_at}, as one of those to be renamed: which is newer cannot be told."
                raise NameTakenError(stage=new_stage, task=task, tasks=len(taken), hint=hint)
    return len(taken)


_MERGE = "Give --merge to join them (merge=True in Python); renaming back then takes all of them along."
