"""The names that people give documents: a doc_id, the start of one, or a task and which attempt at it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from doc_io.document import DocumentRow, Status
from doc_io.errors import AmbiguousDocumentError, DocumentNotFoundError, UnknownNameError
from doc_io.escaping import counted, shell_words
from doc_io.ids import unstorable
from doc_io.index.base import LATEST_OK, Filter, VersionSelector
from doc_io.index.sql_index import Index

# ruff: noqa: PLC0415 - difflib is only for a name that was not found

NEWEST = VersionSelector(frozenset(Status))
"""The newest attempt at a task, whatever its status."""

_NEWEST = "newest"
_BEFORE = re.compile(r"-\d{1,9}")
_MAX_TASKS = 10_000  # rows that are read to suggest a task


def find_document(index: Index, docs_root: str, name: str) -> DocumentRow:
    """The document that a person means.

    Args:
        index: The rows.
        docs_root: For messages.
        name: A doc_id, a start of one that no other has, or ``STAGE/TASK`` for the latest ok document of a task,
            ``STAGE/TASK@newest`` for its newest attempt whatever the status, ``STAGE/TASK@-1`` for the attempt before
            that one, ``STAGE/TASK@RUN`` for the document that a run (or the start of its id) made.

    Raises:
        UnknownNameError: There is none; the message says which names are like it.
        DocumentNotFoundError: There is such a task, and no document of it is ok.
        AmbiguousDocumentError: Several doc_ids, or the ids of several runs, begin like this.
    """
    if unstorable(name):
        raise unknown_document(index, docs_root, name)
    found = index.find_by_prefix(name, limit=2) if name.isalnum() else []
    if len(found) > 1 and found[0].doc_id != name:
        raise AmbiguousDocumentError(start=name, first=found[0].doc_id, second=found[1].doc_id)
    if found:
        return found[0]
    for stage, task_id in _tasks(name):
        latest = index.latest_by_task(stage, task_id, LATEST_OK)
        if latest is not None:
            return latest
        newest = index.latest_by_task(stage, task_id, NEWEST)
        if newest is not None:
            raise DocumentNotFoundError(
                kind="ok",
                of=f"{name} (as {shell_words([f'{name}@{_NEWEST}'])} its newest attempt is found)",
                stage=stage,
                task=task_id,
                newest=f"{newest.status}, {newest.doc_id}",
            )
    task, at, which = name.rpartition("@")  # only now: a task may have an @ of its own
    if at:
        for stage, task_id in _tasks(task):
            attempts = index.history(stage, task_id)
            if attempts:
                return _attempt(attempts, which, name, docs_root)
    raise unknown_document(index, docs_root, task if at else name)


def is_task_name(row: DocumentRow, name: str) -> bool:
    """Whether a name by which a document was found is that of its task alone."""
    return name == f"{row.stage}/{row.task_id}"


def unknown_document(index: Index, docs_root: str, name: str) -> UnknownNameError:
    """The error for a name that means no document, with the names that are like it."""
    stage, slash, _ = name.partition("/")
    stages = sorted({each.stage for each in index.stage_counts()})
    if not slash:
        tasks = [f"{each}/…" for each in _near(name, stages)]
        hint = f"Did you mean {' or '.join(tasks)}? " if tasks else ""
        hint += "List documents with `doc-io ls`, or rebuild the index with `doc-io reindex`."
        return UnknownNameError(what="document", name=name, docs_root=docs_root, hint=hint)
    if stage not in stages and not any(name.startswith(f"{each}/") for each in stages):
        return unknown_value(docs_root, "stage", stage, stages)
    rows = index.select(Filter(stage=stage), None, _MAX_TASKS)
    return unknown_value(docs_root, "task", name, {f"{stage}/{row.task_id}" for row in rows})


def unknown_value(docs_root: str, what: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a stage, task, model, … that no document has, with those that are like it.

    Args:
        docs_root: For the message.
        what: What kind of name it is.
        name: The name.
        known: The names that documents have.
    """
    names = sorted(known)
    near = _near(name, names)
    if near:
        hint = f"Did you mean {' or '.join(shell_words([each]) for each in near)}?"
    elif names:
        hint = f"There are: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}."  # noqa: PLR2004 - to be read
    else:
        hint = "There is no document yet; if there should be, rebuild the index with `doc-io reindex`."
    return UnknownNameError(what=what, name=name, docs_root=docs_root, hint=hint)


def _near(name: str, known: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    begin_alike = [each for each in known if name and each.startswith(name)]
    close = get_close_matches(name, known, n=2)
    have_it = [] if begin_alike or close else [each for each in known if name and name in each]
    return list(dict.fromkeys([*begin_alike[:2], *close, *have_it[:3]]))[:3]


def _tasks(name: str) -> list[tuple[str, str]]:
    """Every way to read a name as a stage and a task: both may have slashes of their own."""
    return [(name[:at], name[at + 1 :]) for at, character in enumerate(name) if character == "/"]


def _attempt(attempts: Sequence[DocumentRow], which: str, name: str, docs_root: str) -> DocumentRow:
    """One of a task's attempts, which come newest first."""
    if which == _NEWEST:
        return attempts[0]
    if _BEFORE.fullmatch(which):
        if -int(which) < len(attempts):
            return attempts[-int(which)]
        hint = f"The task has {counted(len(attempts), 'attempt')}."
        raise UnknownNameError(what="attempt", name=name, docs_root=docs_root, hint=hint)
    made = [row for row in attempts if which and row.run_id is not None and row.run_id.startswith(which)]
    runs = list(dict.fromkeys(row.run_id for row in made))
    if which in runs:
        made, runs = [row for row in made if row.run_id == which], [which]
    if len(runs) > 1:
        raise AmbiguousDocumentError(start=f"@{which}", first=runs[0], second=runs[1])
    if not made:
        known = [_NEWEST, "-1", *dict.fromkeys(row.run_id for row in attempts if row.run_id)]
        hint = f"After the @ may stand: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}."  # noqa: PLR2004
        raise UnknownNameError(what="attempt", name=name, docs_root=docs_root, hint=hint)
    return next((row for row in made if row.status is Status.OK), made[0])
