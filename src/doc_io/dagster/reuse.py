"""Reuse: an asset may return the document that is stored already, instead of paying for another one.

A stored document answers a question where stage, task, template, model asked for and identifiers are the same, and so is
the prompt, letter by letter; or, where no prompt is named, the content of every input that the step loaded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from doc_io.document import OK, Document, DocumentRow, Status
from doc_io.document_fields import taken, taken_prompt, text_problem
from doc_io.errors import ConfigurationError, DocIOError
from doc_io.writing.draft import hash_of_prompt, logical_key_id

if TYPE_CHECKING:
    from doc_io.dagster.identity import OutputInfo
    from doc_io.dagster.internals import StepExecutionContext
    from doc_io.reading import StoredDocument
    from doc_io.store import DocumentStore

FORCE_TAG = "doc_io/force"
"""The run tag that makes every asset generate anew: ``true`` for all, or the names of stages with commas between."""

COMPLETE = "complete"
"""In the metadata of a ``gen_error`` document: the answer was whole, and its step failed for another reason."""

PROVIDER_ID = "provider_id"
"""In the metadata of a ``gen_error`` document: what the provider calls the work that was under way."""


@dataclasses.dataclass(frozen=True)
class ReusedDocument(Document):
    """A stored document that an asset returns as it is: nothing is written for it.

    Attributes:
        row: Its row in the index.
        preview: The beginning of its text, where the texts themselves are not in memory.
        made_by_this_step: Whether the step that returns it has just written it.
    """

    row: DocumentRow = dataclasses.field(kw_only=True)
    preview: str | None = dataclasses.field(default=None, kw_only=True)
    made_by_this_step: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Nothing is checked: that was done when it was written."""

    @classmethod
    def of(cls, stored: StoredDocument) -> ReusedDocument:
        """A stored document as something that an asset may return."""
        row = stored.row
        return cls(
            None if row.raw_chars is None else stored.raw,
            parsed=stored.parsed,
            prompt=stored.prompt,
            status=row.status,
            template_id=row.template_id,
            model_id=row.model_id,
            parent_doc_id=row.parent_doc_id,
            usage=row.usage,
            row=row,
        )

    @classmethod
    def of_row(cls, row: DocumentRow, preview: str | None, *, made_by_this_step: bool) -> ReusedDocument:
        """The same without its texts, so that thousands of them are no burden."""
        return cls(None, status=row.status, row=row, preview=preview, made_by_this_step=made_by_this_step)

    @property
    def beginning(self) -> str | None:
        """The text, or the beginning of it, for a preview."""
        return self.preview if self.raw is None else self.raw


Prompt = str | Sequence[Mapping[str, Any]] | None
"""A text, or chat messages; ``None`` where there is none."""


def check_prompt(prompt: object) -> None:
    """Refuse what is no prompt.

    Raises:
        ConfigurationError: It is neither text nor chat messages.
    """
    problem = None if prompt is None else text_problem(taken(taken_prompt, prompt))
    if problem is not None:
        hint = "Give a str, or chat messages that JSON can hold."
        raise ConfigurationError(setting="prompt", reason=problem, hint=hint)


@dataclasses.dataclass(frozen=True)
class Question:
    """What a body is about to ask a model.

    Attributes:
        output: What Dagster knows of the output.
        partition: The partition.
        document: Template, model and identifiers, completed from the asset.
        prompt: The prompt, a text or chat messages. ``None``: the step's inputs stand for it.
    """

    output: OutputInfo
    partition: str | None
    document: Document
    prompt: Prompt

    def __post_init__(self) -> None:
        """Refuse what is no prompt, before it is paid for."""
        check_prompt(self.prompt)

    @property
    def task_id(self) -> str:
        """The task."""
        return self.output.task_of(self.partition)

    @cached_property
    def prompt_hash(self) -> str | None:
        """As the column of this name."""
        return None if self.prompt is None else hash_of_prompt(str(taken_prompt(self.prompt)))

    def difference(self, store: DocumentStore, row: DocumentRow) -> str | None:
        """What a document of the same stage and task has otherwise, in words; ``None`` where it fits."""
        # Where no model was asked for, the one that answered is the model of the row.
        answered = self.document.model_id is None and row.model_id == row.meta_small.get("provider_model")
        for name in ("template_id", "model_id"):
            asked, stored = getattr(self.document, name), getattr(row, name)
            if asked != stored and not (answered and name == "model_id"):
                return f"{name} {asked!r} was asked for, and the document has {stored!r}"
        if self.prompt is not None and row.prompt_hash != self.prompt_hash:
            return "it was asked for one prompt, and the document " + (
                "has another" if row.prompt_hash else "keeps none"
            )
        named = dataclasses.replace(self.document, parent_doc_id=row.parent_doc_id, model_id=row.model_id)
        if logical_key_id(named, row.stage, row.task_id) != row.logical_key_id:
            try:
                made_as = store.record(row).row  # the key is that of the stage and the task before a rename
            except DocIOError:
                return "the identifiers are others"
            if logical_key_id(named, made_as["stage"], made_as["task_id"]) != row.logical_key_id:
                return "the identifiers are others"
        return None


Answers = tuple["DocumentRow | None", "str | None"]
"""The newest whole answer to a question, and the provider's id of an unfinished try that is newer."""


def find_answers(store: DocumentStore, question: Question) -> Answers:
    """Finds stored answers to a question.

    Args:
        store: Where to look.
        question: What is about to be asked.

    Returns:
        The newest whole answer, ``ok`` or `COMPLETE`; and the provider's id of an unfinished try that is newer.
    """
    unfinished: str | None = None
    for row in _rows_that_fit(store, question):
        if row.status in OK or is_complete(row):
            return row, unfinished
        if unfinished is None and row.status is Status.GEN_ERROR:
            unfinished = row.meta_small.get(PROVIDER_ID)
    return None, unfinished


def find_answers_of_many(store: DocumentStore, questions: Sequence[Question]) -> list[Answers]:
    """What `find_answers` gives for each of some questions of one stage; one query where nothing is stored yet."""
    tasks = [question.task_id for question in questions]
    begun = store.latest_many(questions[0].output.stage, tasks, frozenset(Status)) if questions else {}
    return [find_answers(store, question) if question.task_id in begun else (None, None) for question in questions]


def is_complete(row: DocumentRow) -> bool:
    """Whether a ``gen_error`` document holds a whole answer whose step failed."""
    return row.status is Status.GEN_ERROR and row.meta_small.get(COMPLETE) is True


def answer_of(store: DocumentStore, question: Question, row: DocumentRow) -> Document:
    """What a body returns instead of calling the model: the stored document, or a new one with the text of a failed step."""
    stored = store.stored(row)
    if row.status in OK:
        return ReusedDocument.of(stored)
    return dataclasses.replace(
        question.document,
        raw=stored.raw,
        prompt=stored.prompt,
        usage=row.usage,
        parent_doc_id=None,
        finish_reason=row.meta_small.get("finish_reason"),
        metadata={"reused_from": row.doc_id},
    )


def _rows_that_fit(store: DocumentStore, question: Question) -> Iterator[DocumentRow]:
    output = question.output
    asked = output.stage, question.task_id
    found = store.history(*asked) if question.prompt_hash is None else store.index.answers(*asked, question.prompt_hash)
    rows = [row for row in found if question.difference(store, row) is None]
    if _is_forced(output):  # a retry of this very run need not pay again
        rows = [row for row in rows if row.run_id is not None and row.run_id == output.run_id]
    if question.prompt is not None or not rows:
        yield from rows
        return
    now = _contents(store, {"": [(each.input_name, each.doc_id) for each in output.loaded(question.partition)]})[""]
    parents = store.index.parents_of([row.doc_id for row in rows])
    named = {row.doc_id: [(each.input_name, each.doc_id) for each in parents.get(row.doc_id, ())] for row in rows}
    then = _contents(store, named)
    yield from (row for row in rows if then[row.doc_id] == now)


def _contents(
    store: DocumentStore, inputs: Mapping[str, Sequence[tuple[str, str]]]
) -> dict[str, list[tuple[str, str]]]:
    """Of each, its inputs by name and hash of the content; a parent without an input's name was named by the author."""
    doc_ids = list(dict.fromkeys(doc_id for each in inputs.values() for name, doc_id in each if name))
    rows = {row.doc_id: row for row in store.index.get_many(doc_ids)} if doc_ids else {}
    hashes = {doc_id: rows[doc_id].content_hash or doc_id if doc_id in rows else doc_id for doc_id in doc_ids}
    return {key: sorted({(name, hashes[doc_id]) for name, doc_id in each if name}) for key, each in inputs.items()}


def _is_forced(output: OutputInfo) -> bool:
    forced = output.tags.get(FORCE_TAG, "")
    return forced.lower() in ("true", "1", "yes") or output.stage in (name.strip() for name in forced.split(","))


_asked: WeakKeyDictionary[StepExecutionContext, dict[tuple[str, str], Question]] = WeakKeyDictionary()


def note_asked(question: Question) -> None:
    """Note what a step asked `reuse` for, so that a document of another identity can be warned of."""
    output = question.output
    if output.step is not None:
        light = dataclasses.replace(question, output=dataclasses.replace(output, step=None))
        _asked.setdefault(output.step, {})[output.stage, question.task_id] = light


def identity_warnings(store: DocumentStore, output: OutputInfo, rows: Mapping[str | None, DocumentRow]) -> list[str]:
    """One warning where a step wrote a document that the same question will not find again."""
    asked = {} if output.step is None else _asked.get(output.step, {})
    for row in rows.values():
        question = asked.get((row.stage, row.task_id))
        difference = None if question is None else question.difference(store, row)
        if difference is not None:
            return [f"{row.doc_id} will not be found by the reuse that was asked for it: {difference}"]
    return []
