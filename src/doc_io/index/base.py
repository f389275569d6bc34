"""The values that an index takes and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from doc_io.document import OK, DocumentRow, Parent, Status

TaskKey = tuple[str, str]
"""Whose history: a stage and a task id."""


class NewName(NamedTuple):
    """What a renamed document is filed under.

    Attributes:
        stage: Kind of document.
        task_id: The task; ``None`` where it is still the one of its commit record.
    """

    stage: str
    task_id: str | None = None


NewRow = tuple[Mapping[str, Any], Sequence[Parent]]
"""A row to insert: every column but ``seq``, and its parents in order."""


@dataclass(frozen=True, slots=True)
class HistoryHead:
    """The newest document of a (stage, task), whatever its status; both fields are ``None`` where there is none.

    Attributes:
        doc_id: Its id: the ``lineage_prev_doc_id`` of the next document.
        created_at: Its time: the next document must be later.
    """

    doc_id: str | None = None
    created_at: str | None = None

    def is_followed_by(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is this head's direct successor: it names it as its predecessor and is later."""
        later = self.created_at is None or bool(self.created_at < row["created_at"])
        return later and bool(self.doc_id == row["lineage_prev_doc_id"])


class ConcurrentWriteError(Exception):
    """Another writer added to a history first, so that a row's time or predecessor no longer follows its head.

    Attributes:
        heads: The heads of the histories of this batch now.
    """

    def __init__(self, heads: Mapping[TaskKey, HistoryHead]) -> None:
        super().__init__(heads)
        self.heads = heads


@dataclass(frozen=True, slots=True)
class VersionSelector:
    """Which of a task's documents to read: the newest that matches.

    Attributes:
        status: Which outcomes count.
        runs: Runs whose documents are preferred, in order of preference; documents of other runs come after them.
        as_of: Only documents made up to this time (``created_at``'s form).
    """

    status: Collection[Status] = OK
    runs: Sequence[str] = ()
    as_of: str | None = None


LATEST_OK = VersionSelector()
"""The newest ok document: the default of every reader."""


def version_selector(status: Collection[Status | str], runs: Sequence[str], as_of: str | None) -> VersionSelector:
    """A selector of these attributes; `LATEST_OK` itself for the defaults, which an engine knows without comparing."""
    if status is OK and not runs and as_of is None:
        return LATEST_OK
    return VersionSelector(frozenset(Status(each) for each in status), tuple(runs), as_of)


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on rows, all of which must hold; an attribute that is not given does not restrict.

    Each of the names may be one text or several, any of which matches.

    Attributes:
        stage: Kind of document.
        task_id: What it was made for.
        status: Which outcomes; empty for all.
        model_id: The model.
        template_id: The prompt template.
        run_id: The run.
        experiment_id: The experiment.
        since: Made at this time or later (``created_at``'s form).
        until: Made before this time.
        doc_id: Only these documents; empty for all.
        newest: Only the newest document of each task, whatever its status; the other conditions apply to it.
    """

    stage: str | Collection[str] | None = None
    task_id: str | Collection[str] | None = None
    status: Collection[Status] = ()
    model_id: str | Collection[str] | None = None
    template_id: str | Collection[str] | None = None
    run_id: str | Collection[str] | None = None
    experiment_id: str | Collection[str] | None = None
    since: str | None = None
    until: str | None = None
    doc_id: Collection[str] = ()
    newest: bool = False


class PruneCandidate(NamedTuple):
    """A document that `prune` may remove.

    Attributes:
        doc_id: Which version.
        doc_dir: Its folder, relative to the docs root.
        stage: Kind of document.
        task_id: What it was made for.
        status: How it ended.
        created_at: When it was made.
        seq: Its place in the index.
    """

    doc_id: str
    doc_dir: str
    stage: str
    task_id: str
    status: Status
    created_at: str
    seq: int


GroupedBy = Literal["model_id", "template_id", "stage", "task_id", "status", "run_id", "experiment_id", "day"]
"""What token totals can be grouped by."""

ALL = Filter()
"""Every row."""


class StageCount(NamedTuple):
    """The documents of one stage and status.

    Attributes:
        stage: Kind of document.
        status: How they ended.
        documents: Number of documents.
        characters: Total length of their raw and parsed texts.
    """

    stage: str
    status: Status
    documents: int
    characters: int


class TokenUsage(NamedTuple):
    """Tokens of the documents of one group.

    Attributes:
        group: The value they share; ``None`` where it is not known.
        documents: Number of documents.
        prompt_tokens: Sum over the documents whose count is known.
        completion_tokens: Sum over the documents whose count is known.
        cost: US dollars at list price, over the documents whose price is known; ``None`` where there is none.
        priced: Number of these documents.
    """

    group: str | None
    documents: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None
    priced: int = 0

    @property
    def unpriced(self) -> int:
        """Number of documents that the cost leaves out: model or token counts are not known, or the model has no price."""
        return self.documents - self.priced


class TextTerms(NamedTuple):
    """What a document is found by; see `doc_io.index.terms.terms_of`.

    Attributes:
        doc_id: Which version.
        text: The terms of its text.
        prompt: Those of its prompt.
    """

    doc_id: str
    text: Collection[str]
    prompt: Collection[str]


class Texts(ABC):
    """The terms of the documents' texts: derived, made again at any time, and not a part of the index's promises."""

    @abstractmethod
    def is_up_to_date(self) -> bool:
        """Whether every document is here; if not, forgets those that were removed."""

    @abstractmethod
    def missing(self, after: int, limit: int) -> list[str]:
        """The documents that are not here yet.

        Args:
            after: Only those with a higher ``seq``, so that many calls in a row take linear time.
            limit: How many at most.

        Returns:
            Their ids by ``seq``.
        """

    @abstractmethod
    def add(self, documents: Sequence[TextTerms]) -> None:
        """Add documents; one that is here already stays as it is."""

    @abstractmethod
    def search(self, terms: Collection[str], after: DocumentRow | None, limit: int) -> list[str]:
        """The documents whose text, or whose prompt, has all these terms.

        Args:
            terms: At least one.
            after: The last document of the page before. Default: the first page.
            limit: How many at most.

        Returns:
            Their ids, newest first.
        """


def first_of_each_task(rows: Iterable[NewRow]) -> dict[TaskKey, Mapping[str, Any]]:
    """By its (stage, task) the first of the rows: the one that must follow the head."""
    first: dict[TaskKey, Mapping[str, Any]] = {}
    for row, _ in rows:
        first.setdefault((row["stage"], row["task_id"]), row)
    return first


def are_chained(rows: Iterable[NewRow]) -> bool:
    """Whether each row follows the row of the same task before it."""
    last: dict[TaskKey, HistoryHead] = {}
    for row, _ in rows:
        task = row["stage"], row["task_id"]
        if task in last and not last[task].is_followed_by(row):
            return False
        last[task] = HistoryHead(row["doc_id"], row["created_at"])
    return True
