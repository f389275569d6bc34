"""The record of what a step really read: the parents of what it makes.

Within one step, inputs and outputs share process and step context, under every executor of Dagster; a weak
mapping keeps the record no longer than the step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from doc_io.dagster.internals import StepExecutionContext
    from doc_io.document import DocumentRow


class Loaded(NamedTuple):
    """One document that a step read.

    Attributes:
        input_name: The input it came in by.
        doc_id: The version that was read.
        task_id: What it was made for.
    """

    input_name: str
    doc_id: str
    task_id: str


_loaded: WeakKeyDictionary[StepExecutionContext, dict[Loaded, None]] = WeakKeyDictionary()


def note_loaded(step: StepExecutionContext, input_name: str, rows: Iterable[DocumentRow]) -> None:
    """Note that a step read these documents; reading one twice counts once."""
    noted = _loaded.setdefault(step, {})
    for row in rows:
        noted[Loaded(input_name, row.doc_id, row.task_id)] = None


def loaded_by(step: StepExecutionContext) -> list[Loaded]:
    """What a step has read so far, in the order it read it."""
    return list(_loaded.get(step, ()))
