"""Documents and their rows: plain, frozen values that check themselves when they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from enum import Enum
from typing import Any, NamedTuple

from doc_io import document_fields
from doc_io.errors import InvalidDocumentError, UnknownStatusError
from doc_io.escaping import is_blank

# ruff: noqa: PLC0415 - `doc-io ls` makes rows alone, and must not wait for the readers of provider responses

_NO_TEXT = "Return a str, or a doc_io.Document."
EMPTY = "empty"
"""The reason of a document whose text has no character that can be seen."""

RESPONSE_NAME = "response.json"
"""The extra that holds a provider's whole response."""


class Status(str, Enum):
    """How an attempt ended. Only ``ok`` documents are handed on by default."""

    OK = "ok"
    TRUNCATED = "truncated"
    PARSE_ERROR = "parse_error"
    GEN_ERROR = "gen_error"
    SKIPPED = "skipped"

    @classmethod
    def _missing_(cls, value: object) -> Status:
        raise UnknownStatusError(status=repr(value))

    def __str__(self) -> str:
        return self.value


OK: frozenset[Status] = frozenset({Status.OK})
"""The default of every look-up: only documents that are good to use."""

FAILED: frozenset[Status] = frozenset({Status.TRUNCATED, Status.PARSE_ERROR, Status.GEN_ERROR})
"""The statuses of a generation that went wrong: kept, and then the step fails."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a generation cost, in tokens.

    A count that cannot be true does not raise here, where it would cost the answer; it is reported when the document is
    saved.

    Args:
        prompt_tokens: Tokens that were read, cached ones included. Default: not known.
        completion_tokens: Tokens of the answer. Default: not known.
        max_tokens: The limit the answer was given. Default: not known.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            count = getattr(self, name)
            if count is not None and type(count) is not int:
                object.__setattr__(self, name, document_fields.taken(document_fields.taken_count, count))


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

    Only ``raw`` is checked when a document is made. Of the other fields natural forms are taken (a mapping for ``usage``,
    an enum for ``finish_reason``); one that cannot be stored is reported when the document is saved; the text is kept.

    Args:
        raw: The model's whole answer. ``None`` only where there is none: ``gen_error``, ``skipped`` and ``truncated``, or
            where nothing but the ``parsed`` text was kept, as in files from before doc_io.
        parsed: The parsed or normalised text. Default: none, or what ``parser`` makes of ``raw``.
        prompt: The prompt that made it; chat messages are kept as JSON. Default: not known.
        status: How it ended, a `Status` or its name. Default: what ``finish_reason`` says, and ``gen_error`` where the
            text is empty or white space; else ``ok``.
        template_id: The prompt template. Default: from the asset; the order is in docs/reference.md, "Identity".
        model_id: The model that was asked for. Default: from the asset; else the one that answered.
        parent_doc_id: The document it was primarily made from. Default: the one the step loaded.
        parser: Name of the parser for ``raw``: one registered with `doc_io.register_parser`, or a dotted path to a
            function. Default: from the asset.
        usage: Tokens spent, a `Usage` or what a provider's library gives. Default: not known.
        score: A number that judges the document it was made from. Default: none, or what ``parser`` returns.
        finish_reason: Why the provider stopped, in its own words. Default: not known.
        identifiers: More names and values that tell this product from others of its stage; they enter the logical key.
        metadata: Anything else worth keeping that JSON can hold; kept whole in ``metadata.json``.
        extras: More files, by name: text or bytes.

    Raises:
        InvalidDocumentError: ``raw`` is not a ``str``.
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
    usage: Usage | Mapping[str, Any] | None = None
    score: float | None = None
    finish_reason: str | None = None
    identifiers: Mapping[str, str] | None = None
    metadata: Mapping[str, Any] | None = None
    extras: Mapping[str, str | bytes] | None = None

    def __post_init__(self) -> None:
        if self.raw is not None and not isinstance(self.raw, str):
            raise InvalidDocumentError(
                what="A document", reason=f"raw is {type(self.raw).__name__}, not a string", hint=_NO_TEXT
            )
        for name, take in _TAKEN.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, document_fields.taken(take, value))
        if self.raw is None and self.parsed is None and self.outcome not in _WITHOUT_TEXT:
            raise InvalidDocumentError(
                what="A document without text", reason="raw is None and so is parsed", hint=_NO_TEXT
            )

    @classmethod
    def skipped(cls, reason: str) -> Document:
        """A row without a text: the task was examined and there was nothing to generate.

        Args:
            reason: Why, in words; kept in the metadata as ``skip_reason``.

        Returns:
            A document with status ``skipped``.
        """
        return cls(None, status=Status.SKIPPED, metadata={"skip_reason": reason})

    @classmethod
    def from_response(cls, response: object, *, keep_response: bool = True, **fields: Any) -> Document:
        """The document that a model provider's response holds: text, model, token counts and why it stopped.

        No response makes this raise: one that is not understood becomes a ``gen_error`` document that names its type.

        Args:
            response: What ``openai`` (chat completions or responses), ``anthropic``, ``google-genai``, Bedrock's Converse,
                LangChain, LiteLLM, Ollama, Mistral or Cohere returned, or the same as a dict.
            keep_response: Whether the whole response is kept as JSON in ``extras/response.json``. Default: yes.
            **fields: More of the document, for example ``prompt``; each wins over what the response says, and ``metadata``
                and ``extras`` are added to it.
        """
        from doc_io.provider_responses import read_response, response_as_json

        answer = read_response(response)
        said: dict[str, Any] = {
            "usage": Usage(answer.prompt_tokens, answer.completion_tokens),
            "finish_reason": answer.finish_reason,
            "metadata": answer.metadata,
            "extras": {RESPONSE_NAME: response_as_json(response)} if keep_response else {},
        }
        if answer.status != Status.OK.value and "finish_reason" not in fields:
            said["status"] = Status(answer.status)
        elif answer.text is None and fields.get("parsed") is None:
            said["status"] = Status.GEN_ERROR
        for name in ("metadata", "extras"):
            given = fields.get(name)
            if given is None or isinstance(given, Mapping):
                fields = {**fields, name: {**said[name], **(given or {})} or None}
        return cls(answer.text, **{**said, **fields})

    @property
    def outcome(self) -> Status:
        """The status that holds: the one given, else what ``finish_reason`` and the text say."""
        return self._verdict()[0]

    @property
    def reason(self) -> str | None:
        """Why it is not ok, where the text or ``finish_reason`` says so; ``None`` where its author gave the status."""
        return self._verdict()[1]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd about the response and costs nothing else: an unknown finish reason, a negative count."""
        noted = document_fields.taken(lambda metadata: metadata.get("response_notes"), self.metadata)
        if noted is not self.metadata and isinstance(noted, (list, tuple)):  # an unknown word is among them
            return tuple(str(each) for each in noted)
        from doc_io.provider_responses.finish_words import meaning_of

        word = self.finish_reason
        if self.status is None and isinstance(word, str) and word and meaning_of(word) is None:
            return (f"doc_io does not know the finish reason {word!r} and takes the text for a whole answer",)
        return ()

    def _verdict(self) -> tuple[Status, str | None]:
        if isinstance(self.status, Status):
            return self.status, None
        if self.status is not None:
            return Status.GEN_ERROR, "its status is none of the five"
        from doc_io.provider_responses.finish_words import Meaning, meaning_of

        text = self.raw if self.parsed is None else self.parsed
        word = self.finish_reason if isinstance(self.finish_reason, str) else None
        meaning = meaning_of(word) if word else None
        if meaning is Meaning.CUT:
            return Status.TRUNCATED, None
        if meaning is Meaning.NO_ANSWER or (meaning is Meaning.TOOL_CALL and _is_blank(text)):
            return Status.GEN_ERROR, f"finish_reason is {word}"
        if text is not None and _is_blank(text):
            return Status.GEN_ERROR, EMPTY
        return Status.OK, None


def _is_blank(text: object) -> bool:
    return text is None or (isinstance(text, str) and is_blank(text))


def _taken_status(value: object) -> object:
    try:
        return Status(value)
    except ValueError:
        return value


def _taken_usage(value: object) -> object:
    """Counts in the words of any provider; a mapping of which nothing is known stays as it is."""
    if isinstance(value, Usage):
        return value
    counts = {
        "prompt_tokens": ("prompt_tokens", "input_tokens"),
        "completion_tokens": ("completion_tokens", "output_tokens"),
        "max_tokens": ("max_tokens",),
    }
    if isinstance(value, Mapping):
        known = {name: next((value[each] for each in names if each in value), None) for name, names in counts.items()}
        return Usage(**known) if any(each is not None for each in known.values()) or not value else value
    from doc_io.provider_responses.token_counts import UsageReader

    reader = UsageReader(value)
    known = {name: next(filter(None, map(reader.total, names)), None) for name, names in counts.items()}
    return Usage(**known) if any(known.values()) else value


_TAKEN: dict[str, Callable[[Any], object]] = {
    **dict.fromkeys(("raw", "parsed"), document_fields.taken_name),
    "prompt": document_fields.taken_prompt,
    "status": _taken_status,
    **dict.fromkeys(
        ("template_id", "model_id", "parent_doc_id", "parser", "finish_reason"), document_fields.taken_name
    ),
    "usage": _taken_usage,
    "score": document_fields.taken_number,
    "identifiers": document_fields.taken_identifiers,
    "extras": document_fields.taken_files,
}
"""Field to what makes its natural forms plain."""


_WITHOUT_TEXT = (Status.GEN_ERROR, Status.SKIPPED, Status.TRUNCATED)


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
        prompt_hash: SHA-256 of the prompt in hexadecimal, also where prompt.txt is not kept; ``None`` where the prompt is not known.
        meta_small: Small facts: finish_reason, provider, error, …
        lineage_prev_doc_id: The newest document of the same stage and task when this one was committed.
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
