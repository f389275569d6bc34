"""Documents that were made earlier than they are saved: each gets its place in the history of its task."""

from __future__ import annotations

from collections.abc import Sequence

from doc_io.document import Status
from doc_io.index.base import TaskKey, VersionSelector
from doc_io.index.sql_index import Index
from doc_io.writing.draft import Draft, later_created_at


def place_in_the_past(index: Index, drafts: Sequence[Draft], times: Sequence[str | None]) -> list[Draft]:
    """Give each draft that has a time of its own its place: after the newest document of its task up to that time.

    Args:
        index: The rows that are there.
        drafts: The documents, in any order.
        times: The time of each, in the form of ``created_at``; ``None`` where it is made now.

    Returns:
        The drafts, in the order given. Of several at the same time the one given first comes first, by a microsecond.
    """
    placed = list(drafts)
    before: dict[TaskKey, tuple[str, str]] = {}
    given = [(time, number) for number, time in enumerate(times) if time is not None]
    for time, number in sorted(given):
        draft = drafts[number]
        created_at, previous = _place(index, draft, time, before.get(draft.task))
        placed[number] = draft.at(created_at, previous)
        before[draft.task] = (created_at, draft.doc_id)
    return placed


def _place(index: Index, draft: Draft, time: str, before: tuple[str, str] | None) -> tuple[str, str | None]:
    stage, task_id = draft.task
    created_at = time if before is None else later_created_at(time, before[0])
    while True:
        row = index.latest_by_task(stage, task_id, VersionSelector(frozenset(Status), as_of=created_at))
        if row is not None and row.doc_id == draft.doc_id:  # saved before
            return row.created_at, row.lineage_prev_doc_id
        if row is None or row.created_at < created_at:
            break
        created_at = later_created_at(created_at, row.created_at)
    newest = max(filter(None, (before, None if row is None else (row.created_at, row.doc_id))), default=None)
    return created_at, None if newest is None else newest[1]
