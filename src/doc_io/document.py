"""What goes in and what comes out: plain, frozen values that check themselves when they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from doc_io.errors import InvalidDocumentError, UnknownStatusError
from doc_io.responses import read_response

if TYPE_CHECKING:
    from typing_extensions import Self

_CUT_SHORT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "MAX_TOKENS"})
"""Finish reasons that mean "stopped by the token limit": OpenAI and LiteLLM, Anthropic, OpenAI's Responses API, Mistral,
Gemini."""

_NO_TEXT = "Return a str, or a doc_io.Document."


class Status(str, Enum):
    """How an attempt ended. Only ``ok`` documents are handed on by default."""

    OK = "ok"
    TRUNCATED = "truncated"
    PARSE_ERROR = "parse_error"
    GEN_ERROR = "gen_error"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value


OK: frozenset[Status] = frozenset({Status.OK})
"""The default of every look-up: only documents that are good to use."""

FAILED: frozenset[Status] = frozenset({Status.TRUNCATED, Status.PARSE_ERROR, Status.GEN_ERROR})
"""The statuses of a generation that went wrong: kept, and then the step fails."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a generation cost, in tokens.

    Args:
        prompt_tokens: Tokens the provider counted in the prompt. Default: not known.
        completion_tokens: Tokens it counted in the answer. Default: not known.
        max_tokens: The limit the answer was given. Default: not known.

    Raises:
        InvalidDocumentError: A count is not an integer of at least 0.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "completion_tokens", "max_tokens"):
            count = getattr(self, name)
            if count is None:
                continue
            # bool is an int to Python; a database column holds 63 bits.
            if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**63:
                raise InvalidDocumentError(
                    what=f"Usage with {name}={count!r}", reason="a count of tokens is an integer of at least 0", hint=""
                )


class Parent(NamedTuple):
    """A document that another one was made from.

    Attributes:
        doc_id: The version that was really read.
        input_name: The input it came in by; empty where it was named by the writer.
    """

    doc_id: str
    input_name: str = ""


@dataclass(frozen=True)
class Document:
    """One text to store, and what is known of how it was made. An asset may return it instead of a plain ``str``.

    Args:
        raw: The model's whole answer. ``None`` only where there is none: ``gen_error`` and ``skipped``, or where nothing
            but the ``parsed`` text was kept, as in files from before doc_io.
        parsed: The parsed or normalised text. Default: none, or what ``parser`` makes of ``raw``.
        prompt: The prompt that made it. Default: not known.
        status: How it ended, a `Status` or its name. Default: ``truncated`` where ``finish_reason`` says that the token
            limit cut it short, else ``ok``.
        template_id: The prompt template. Default: from the asset; the order is in docs/reference.md, "Identity".
        model_id: The model. Default: from the asset.
        parent_doc_id: The document it was primarily made from. Default: the one the step loaded.
        parser: Name of the parser for ``raw``: one registered with `doc_io.register_parser`, or a dotted path to a
            function. Default: from the asset.
        usage: Tokens spent. Default: not known.
        finish_reason: Why the provider stopped, in its own words. Default: not known.
        identifiers: More names and values that tell this product from others of its stage; they enter the logical key.
        metadata: Anything else worth keeping that JSON can hold; kept whole in ``metadata.json``.
        extras: More files, by name: text or bytes.

    Raises:
        InvalidDocumentError: A text is not a ``str``, or another field has the wrong type.
        UnknownStatusError: There is no such status.
    """

    raw: str | None
    _: KW_ONLY
    parsed: str | None = None
    prompt: str | None = None
    status: Status | str | None = None
    template_id: str | None = None
    model_id: str | None = None
    parent_doc_id: str | None = None
    parser: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    identifiers: Mapping[str, str] | None = None
    metadata: Mapping[str, Any] | None = None
    extras: Mapping[str, str | bytes] | None = None
    status_given: bool = field(init=False, repr=False, compare=False)
    """Whether the author gave the status; else an IO manager may judge it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "status_given", self.status is not None)
        status = self._checked_status()
        object.__setattr__(self, "status", status)  # from here on always a Status
        if self.raw is None and self.parsed is None and status not in (Status.GEN_ERROR, Status.SKIPPED):
            raise InvalidDocumentError(
                what="A document without text", reason="raw is None and so is parsed", hint=_NO_TEXT
            )
        if status is Status.SKIPPED and (self.raw is not None or self.parsed is not None):
            raise InvalidDocumentError(
                what="A skipped document with text", reason="skipped means that nothing was made", hint=_NO_TEXT
            )
        for name in _TEXT_FIELDS:
            _check_text(name, getattr(self, name))
        if self.usage is not None and not isinstance(self.usage, Usage):
            raise InvalidDocumentError(
                what="A document", reason=f"usage is {type(self.usage).__name__}", hint="Give a doc_io.Usage."
            )
        _check_mapping("identifiers", self.identifiers, (str,))
        _check_mapping("extras", self.extras, (str, bytes))
        _check_mapping("metadata", self.metadata, (object,))

    @classmethod
    def skipped(cls, reason: str) -> Document:
        """A row and no text: the task was looked at and nothing was made.

        Args:
            reason: Why, in words; kept in the metadata as ``skip_reason``.

        Returns:
            A document with status ``skipped``.
        """
        return cls(None, status=Status.SKIPPED, metadata={"skip_reason": reason})

    @classmethod
    def from_response(cls, response: object, **fields: Any) -> Document:
        """The document that a model provider's response holds: text, model, token counts and why it stopped.

        Args:
            response: What ``openai`` (chat completions or responses), ``anthropic`` or LiteLLM returned, or the same
                as a dict.
            **fields: More of the document, for example ``prompt``; each wins over what the response says.

        Raises:
            InvalidDocumentError: It is no such response, or holds no text.
        """
        answer = read_response(response)
        said = {
            "model_id": answer.model_id,
            "usage": Usage(answer.prompt_tokens, answer.completion_tokens),
            "finish_reason": answer.finish_reason,
            "metadata": {
                name: value
                for name, value in (("response_id", answer.provider_id), ("provider_model", answer.model_id))
                if value
            },
        }
        return cls(answer.text, **{**said, **fields})

    def with_fields(self, **fields: Any) -> Self:
        """The same with other fields. Unlike `dataclasses.replace` it knows that the author gave no status.

        Args:
            **fields: As for `Document`.
        """
        made = replace(self, **fields)
        object.__setattr__(made, "status_given", self.status_given or "status" in fields)
        return made

    @property
    def outcome(self) -> Status:
        """The status that holds: the one given, else what ``finish_reason`` says."""
        return Status(self.status)

    def _checked_status(self) -> Status:
        if self.status is None:
            return Status.TRUNCATED if self.finish_reason in _CUT_SHORT else Status.OK
        try:
            return Status(self.status)
        except ValueError:
            raise UnknownStatusError(status=repr(self.status)) from None


_TEXT_FIELDS = ("raw", "parsed", "prompt", "template_id", "model_id", "parent_doc_id", "parser", "finish_reason")


@dataclass(frozen=True)
class DocumentRow:
    """One row of the index: everything a reader needs to choose a document, without its texts.

    Attributes:
        seq: Grows with every insert; breaks ties of ``created_at``.
        doc_id: This version.
        logical_key_id: The product it is a version of.
        stage: Kind of document.
        task_id: What it was made for: the partition key, or what stands for it.
        asset_key: The asset as text (``a/b``), where an asset made it.
        parent_doc_id: The primary parent, where there is one.
        template_id: The prompt template, where known.
        model_id: The model, where known.
        run_id: The run that made it, where known.
        experiment_id: The experiment it belongs to, where named.
        attempt: What tells it from other attempts of the same run.
        prompt_path: The prompt's file, relative to the docs root, where there is one.
        parser: The parser that was applied, where one was.
        status: How it ended.
        usage_prompt_tokens: Tokens of the prompt, where known.
        usage_completion_tokens: Tokens of the answer, where known.
        usage_max_tokens: The limit of the answer in tokens, where known.
        score: A number that judges its parent, where there is one.
        created_at: ISO 8601, UTC, microseconds; never runs backwards within one (stage, task).
        doc_dir: Its folder, relative to the docs root.
        raw_chars: Length of raw.txt in characters; ``None`` where there is no raw.txt.
        parsed_chars: Length of parsed.txt in characters; ``None`` where there is no parsed.txt.
        content_hash: SHA-256 of raw.txt in hexadecimal; ``None`` where there is no raw.txt.
        prompt_hash: SHA-256 of prompt.txt in hexadecimal; ``None`` where the prompt is not known.
        meta_small: Small facts: finish_reason, provider, error, …
        lineage_prev_doc_id: The attempt of the same logical key that this one supersedes.
    """

    seq: int
    doc_id: str
    logical_key_id: str
    stage: str
    task_id: str
    asset_key: str | None
    parent_doc_id: str | None
    template_id: str | None
    model_id: str | None
    run_id: str | None
    experiment_id: str | None
    attempt: str
    prompt_path: str | None
    parser: str | None
    status: Status
    usage_prompt_tokens: int | None
    usage_completion_tokens: int | None
    usage_max_tokens: int | None
    score: float | None
    created_at: str
    doc_dir: str
    raw_chars: int | None
    parsed_chars: int | None
    content_hash: str | None
    prompt_hash: str | None
    meta_small: Mapping[str, Any] = field(hash=False)
    lineage_prev_doc_id: str | None

    @property
    def usage(self) -> Usage:
        """The three token counts as one value."""
        return Usage(self.usage_prompt_tokens, self.usage_completion_tokens, self.usage_max_tokens)

    def as_dict(self) -> dict[str, Any]:
        """The row as a plain mapping, column by column, ready for JSON or a data frame."""
        return {column: getattr(self, column) for column in COLUMNS} | {"status": str(self.status)}


COLUMNS: tuple[str, ...] = tuple(column.name for column in fields(DocumentRow))
"""The columns of the index, in order."""


class DocumentsByPartition(Mapping[str, str | Document]):
    """The output of one run over many partitions: a text or a `Document` for each partition key.

    Args:
        documents: Partition key to text. Its keys must be exactly the partitions of the run.
    """

    def __init__(self, documents: Mapping[str, str | Document]) -> None:
        self._documents = dict(documents)

    def __getitem__(self, partition_key: str) -> str | Document:
        return self._documents[partition_key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._documents)

    def __len__(self) -> int:
        return len(self._documents)

    def __repr__(self) -> str:
        return f"DocumentsByPartition({list(self._documents)!r})"


def as_document(value: object) -> Document:
    """The `Document` that a returned value stands for.

    Args:
        value: A ``str`` or a `Document`.

    Returns:
        The document itself, or one whose ``raw`` is the text.

    Raises:
        InvalidDocumentError: It is neither.
    """
    if isinstance(value, Document):
        return value
    if isinstance(value, str):
        return Document(value)
    raise InvalidDocumentError(what=f"A value of type {type(value).__name__}", reason="it is not text", hint=_NO_TEXT)


def _check_text(name: str, value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidDocumentError(
            what="A document", reason=f"{name} is {type(value).__name__}, not a string", hint=_NO_TEXT
        )


def _check_mapping(name: str, value: object, kinds: tuple[type, ...]) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise InvalidDocumentError(
            what="A document", reason=f"{name} is {type(value).__name__}, not a mapping", hint="Give a dict."
        )
    for key, item in value.items():
        if not isinstance(key, str) or not isinstance(item, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise InvalidDocumentError(
                what="A document",
                reason=f"{name}[{key!r}] is {type(item).__name__}",
                hint=f"Its keys are strings and its values {wanted}.",
            )
