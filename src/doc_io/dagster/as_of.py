"""The documents as they were at a time, or as a run read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from doc_io.document import OK, DocumentRow
from doc_io.errors import ConfigurationError
from doc_io.writing.draft import time_text

if TYPE_CHECKING:
    from doc_io.store import DocumentStore

AS_OF_TAG = "doc_io/as_of"
"""The run tag that pins every input of a run; it wins over the IO manager's ``as_of``."""

_BEGINS_LIKE_A_TIME = re.compile(r"\d{4}-\d\d(?:-|$)")


@dataclass(frozen=True)
class View:
    """The documents that count as of a time or a run.

    Attributes:
        store: Where.
        until: The last time that counts.
        read: By stage and task, what the run read; it comes before anything else.
    """

    store: DocumentStore
    until: str
    read: Mapping[tuple[str, str], DocumentRow]

    def latest(self, stage: str, task_ids: Sequence[str]) -> dict[str, DocumentRow]:
        """The document of each task that has one, in the order asked for."""
        found = self.store.latest_many(stage, task_ids, OK, as_of=self.until)
        found |= {task: row for task in task_ids if (row := self.read.get((stage, task))) is not None}
        return {task: found[task] for task in task_ids if task in found}


def view_of(store: DocumentStore, as_of: str) -> View:
    """The view that a tag or an option names.

    Args:
        store: Where.
        as_of: A time in ISO 8601 (UTC unless it says otherwise), or the id of a run.

    Raises:
        ConfigurationError: It is no time, and no run of that id has made a document.
    """
    if _BEGINS_LIKE_A_TIME.match(as_of):
        return View(store, _time(as_of), {})
    made = store.index.last_of_run(as_of)
    if made is None:
        raise ConfigurationError(
            setting=f"as_of = {as_of!r}",
            reason="it is no time, and no run of that id has made a document",
            hint="Give a time such as 2026-01-31T12:00:00Z, or the whole id of a run.",
        )
    read = sorted(store.index.read_by_run(as_of), key=lambda row: (row.created_at, row.seq))
    return View(store, made.created_at, {(row.stage, row.task_id): row for row in read})


def _time(text: str) -> str:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not know the Z
    except ValueError:
        raise ConfigurationError(
            setting=f"as_of = {text!r}", reason="it is no time", hint="Write it as 2026-01-31T12:00:00Z."
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    return time_text(time.astimezone(timezone.utc))
