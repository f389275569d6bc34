"""Attempts: keep what a body has of a generation, so that no answer is lost when the body raises.

A try that raises is kept at once. An answer that was whole waits for its step, with a copy in the spool: `DocDirIOManager`
writes it with what the body returns; if the body raises later, or its process dies, it is kept as a ``gen_error`` document
marked `COMPLETE`, which `reuse` finds.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dagster import DagsterEventType

from doc_io.dagster.reuse import COMPLETE, PROVIDER_ID, Answers, Question, ReusedDocument, answer_of, find_answers
from doc_io.document import OK, Document, Status, Usage
from doc_io.document_checks import as_document
from doc_io.escaping import described
from doc_io.maintenance.answer_copies import AnswerCopy

if TYPE_CHECKING:
    from doc_io.dagster.identity import OutputInfo
    from doc_io.store import DocumentStore


class Attempt:
    """One call of a model while it runs: what is set here is not lost when the body raises.

    Attributes:
        prompt: The prompt.
        raw: The answer so far.
        template_id: The template. Default: from the asset.
        model_id: The model asked for. Default: from the asset.
        usage: Tokens spent so far.
        metadata: Anything else worth keeping.
        provider_id: What the provider calls the work, where it answers later; set it as soon as it is known.
    """

    def __init__(
        self,
        question: Question,
        store: DocumentStore,
        *,
        template_id: str | None,
        model_id: str | None,
        known: Answers | None = None,
    ) -> None:
        if known is not None:  # looked up together with those of other partitions
            self._known = known
        self._question = question
        self._store = store
        self._document: Document | None = None
        self.prompt: Any = question.prompt
        self.raw = ""
        self.template_id = template_id
        self.model_id = model_id
        self.usage: Usage | Mapping[str, Any] | None = None
        self.metadata: dict[str, Any] = {}
        self.provider_id: str | None = None

    @property
    def partition(self) -> str | None:
        """The partition that it is for."""
        return self._question.partition

    def is_answered_by(self, document: Document) -> bool:
        """Whether a document holds this answer, letter by letter, and was not made by `document`."""
        texts = (self.raw, None if self._document is None else self._document.raw)
        return document is not self._document and document.raw is not None and document.raw in texts

    @property
    def stored(self) -> Document | None:
        """The stored answer to the same question, to return instead of calling the model; ``None`` if there is none."""
        row = self._known[0]
        return None if row is None else answer_of(self._store, self._question, row)

    @property
    def unfinished(self) -> str | None:
        """The ``provider_id`` that an earlier try noted before it failed; ``None`` where the newest try noted none."""
        return self._known[1]

    def document(self, response: object = None, **fields: Any) -> Document:
        """The whole answer as a document to return; prompt, template and model go with it.

        Args:
            response: What the provider returned, as for `doc_io.Document.from_response`. Default: ``raw`` is the answer.
            **fields: More of the document; each wins.
        """
        known = {name: getattr(self, name) for name in ("prompt", "template_id", "usage")}
        known["identifiers"] = self._question.document.identifiers
        if response is None:
            made = Document(fields.pop("raw", self.raw), **{**known, "model_id": self.model_id, **fields})
        else:
            made = Document.from_response(response, **{**known, **fields})
            if self.model_id is not None and "model_id" not in fields:
                made = dataclasses.replace(made, model_id=self.model_id)
        made = dataclasses.replace(made, metadata={**self._noted(), **_with(made, {})} or None)
        self._document = made
        return made

    @property
    def has_answer(self) -> bool:
        """Whether there is an answer, or a part of one."""
        return bool(self.raw) or self._document is not None

    def start_over(self) -> None:
        """Forget the answer so far: another try begins."""
        self.raw, self.usage, self._document = "", None, None

    def finished(self, answer: object) -> Document:
        """What a body made of the attempt, with prompt, template and model where it does not name them.

        Args:
            answer: A text, a document, or what the provider returned. ``None``: ``raw`` is the answer.
        """
        if isinstance(answer, (str, Document)):
            made = as_document(answer)
        else:
            made = self._document if answer is None and self._document is not None else self.document(answer)
        if not isinstance(made, ReusedDocument):
            asked = {"prompt": self.prompt, "template_id": self.template_id, "model_id": self.model_id}
            open_fields: dict[str, Any] = {name: value for name, value in asked.items() if getattr(made, name) is None}
            made = dataclasses.replace(made, **open_fields)
        self._document = made
        return made

    def failed(self, error: BaseException) -> Document:
        """What there is, as a ``gen_error`` document; the error is in its metadata.

        Args:
            error: What the body raised.
        """
        if self._document is not None:
            return self.complete(error) or self._document
        raw: object = self.raw  # a body may have set it to what is no text
        return Document(
            (raw if raw is None or isinstance(raw, str) else repr(raw)) or None,
            status=Status.GEN_ERROR,
            prompt=self.prompt,
            template_id=self.template_id,
            model_id=self.model_id,
            identifiers=self._question.document.identifiers,
            usage=self.usage,
            metadata={**self._noted(), "error": described(error)},
        )

    def complete(self, error: BaseException | None = None) -> Document | None:
        """The whole answer as a document whose step failed; ``None`` where there is no answer, or it was stored before.

        Args:
            error: What the body raised. Default: not known.
        """
        made = self._document or (self.document() if self.raw else None)
        if made is None or isinstance(made, ReusedDocument) or made.raw is None or "reused_from" in _with(made, {}):
            return None
        if made.outcome not in OK:
            return made
        reason = "its step failed" if error is None else described(error)
        facts = {"finish_reason": made.finish_reason} if made.finish_reason else {}
        return dataclasses.replace(
            made,
            status=Status.GEN_ERROR,
            parser=None,
            parsed=None,
            metadata=_with(made, {**facts, COMPLETE: True, "error": f"the answer is whole, and {reason}"}),
        )

    def _noted(self) -> dict[str, Any]:
        """The metadata so far, as an entry of itself where the body has set it to what is no mapping."""
        given: object = self.metadata
        try:
            noted = dict(given) if isinstance(given, Mapping) else {} if given is None else {"metadata": given}
        except Exception:  # noqa: BLE001 - a mapping of any class
            noted = {"metadata": given}
        return {**({PROVIDER_ID: self.provider_id} if self.provider_id else {}), **noted}

    @cached_property
    def _known(self) -> Answers:
        return find_answers(self._store, self._question)


def _with(document: Document, facts: dict[str, Any]) -> dict[str, Any]:
    """A document's metadata with more; what is not a mapping is reported when the document itself is saved."""
    return {**(document.metadata if isinstance(document.metadata, Mapping) else {}), **facts}


@dataclasses.dataclass(frozen=True, eq=False)
class PendingAttempt:
    """A whole answer whose step has not ended.

    Attributes:
        output: What the step makes.
        attempt: The answer.
        keep: Keeps a document of it; False where it could not.
        owner: The resource that will be torn down with the step's process.
        under_way: Whether the answer may not be whole yet.
        copy: Its copy in the spool, where there is one.
    """

    output: OutputInfo
    attempt: Attempt
    keep: Callable[[Document], bool]
    owner: object
    under_way: bool
    copy: AnswerCopy | None = None


_pending: list[PendingAttempt] = []
_lock = threading.Lock()


def await_step(pending: PendingAttempt) -> None:
    """Note a whole answer until its step ends."""
    with _lock:
        _pending.append(pending)


def forget(pending: PendingAttempt) -> None:
    """Forget an attempt that was stored."""
    with _lock:
        if pending in _pending:
            _pending.remove(pending)


def take_attempts(output: OutputInfo) -> list[PendingAttempt]:
    """The answers of an output that an IO manager was handed: it keeps what the body made of them, and then lets go of them."""
    with _lock:
        taken = [each for each in _pending if (each.output.step, each.output.name) == (output.step, output.name)]
        ids = set(map(id, taken))
        _pending[:] = [each for each in _pending if id(each) not in ids]
    return taken


def with_questions(
    documents: Mapping[str | None, Document], answers: Iterable[PendingAttempt]
) -> dict[str | None, Document]:
    """Documents with prompt, template and model of the attempt whose answer they are, where their body did not name them."""
    by_partition: dict[str | None, list[Attempt]] = {}
    for each in answers:
        by_partition.setdefault(each.attempt.partition, []).append(each.attempt)
    named = dict(documents)
    for partition, document in documents.items():
        attempts = by_partition.get(partition, ())
        if len(attempts) == 1 and attempts[0].is_answered_by(document):
            named[partition] = attempts[0].finished(document)
    return named


def let_go(pending: Iterable[PendingAttempt]) -> None:
    """Remove the copies of answers that are stored now."""
    for each in pending:
        if each.copy is not None:
            each.copy.release()


def keep_failed_attempts(output: OutputInfo) -> None:
    """Keep the whole answers of an earlier try of a step: that it is tried again says that it failed."""
    step = output.step
    _keep(
        each
        for each in list(_pending)
        if step is not None
        and each.output.step is not None
        and each.output.step is not step
        and (each.output.run_id, each.output.step.step.key) == (output.run_id, step.step.key)
    )


def keep_attempts_of_step(output: OutputInfo, error: BaseException) -> None:
    """Keep the whole answers of a step whose body has just raised."""
    _keep((each for each in list(_pending) if each.output.step is output.step), error)


def keep_attempts_of(owner: object) -> None:
    """Keep the whole answers of steps that failed, at the end of their process."""
    _keep(each for each in list(_pending) if each.owner is owner)


def _keep(pending: Iterable[PendingAttempt], error: BaseException | None = None) -> None:
    for each in pending:
        with _lock:
            if each not in _pending:  # another thread keeps it
                continue
            _pending.remove(each)
        if each.under_way:
            each.keep(each.attempt.failed(error or InterruptedError("the step ended")))
            continue
        document = each.attempt.complete(error)
        if document is None or (error is None and _succeeded(each.output)) or each.keep(document):
            let_go([each])


def _succeeded(output: OutputInfo) -> bool:
    """Whether a step ended well: its output went to another IO manager then, or nowhere."""
    step = output.step
    if step is None or output.run_id is None:
        return False
    try:
        ended_well = step.instance.all_logs(output.run_id, of_type=DagsterEventType.STEP_SUCCESS)
    except Exception:  # noqa: BLE001 - Dagster's storage may be what ended the step: better kept once too often
        return False
    return any(each.step_key == step.step.key for each in ended_well)
