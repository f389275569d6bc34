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


class _LoadedInput:
    """What came in by one input: in order, and by task, so that many partitions are looked up in linear time."""

    def __init__(self) -> None:
        self.documents: dict[Loaded, None] = {}
        self.by_task: dict[str, list[Loaded]] = {}


_loaded: WeakKeyDictionary[StepExecutionContext, dict[str, _LoadedInput]] = WeakKeyDictionary()


def note_loaded(step: StepExecutionContext, input_name: str, rows: Iterable[DocumentRow]) -> None:
    """Note that a step read these documents; reading one twice counts once."""
    noted = _loaded.setdefault(step, {}).setdefault(input_name, _LoadedInput())
    for row in rows:
        each = Loaded(input_name, row.doc_id, row.task_id)
        if each not in noted.documents:
            noted.documents[each] = None
            noted.by_task.setdefault(row.task_id, []).append(each)


def loaded_for(step: StepExecutionContext, partition: str | None) -> list[Loaded]:
    """What a step has read so far for one of its partitions, input by input.

    Of an input that has documents of the partition itself, these; of any other all that came in.
    """
    found: list[Loaded] = []
    for noted in _loaded.get(step, {}).values():
        own = None if partition is None else noted.by_task.get(str(partition))
        found += noted.documents if own is None else own
    return found
