"""What a response says, and whether it is an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from doc_io.escaping import is_blank
from doc_io.provider_responses.fields import name, type_name
from doc_io.provider_responses.finish_words import Meaning, meaning_of
from doc_io.provider_responses.token_counts import TokenCounts

OK = "ok"
TRUNCATED = "truncated"
GEN_ERROR = "gen_error"

MAX_DETAIL = 300
"""Characters that an error quotes of a provider's own message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a response says.

    Attributes:
        text: The answer, as it is: it may be empty, or a part of one. ``None`` where there is none.
        model: The model that gave it, as the provider calls it.
        provider_id: The provider's own id of the response.
        finish_reason: Why it ended, in the provider's own word.
        status: ``"ok"``, ``"truncated"`` or ``"gen_error"``. Empty text is not judged here.
        error: Why it is not a whole answer, in a sentence; ``None`` with ``"ok"``.
        prompt_tokens: All tokens that were read, cached ones included; ``None`` if not known.
        completion_tokens: All tokens that were written, reasoning included; ``None`` if not known.
        usage_parts: Parts of the counts, by their path in the provider's usage.
        notes: What a caller should log as a warning: odd counts, unknown finish reasons, choices not taken.
        provider: Whose shape it has; ``None`` where it has none that is known.
    """

    text: str | None = None
    model: str | None = None
    provider_id: str | None = None
    finish_reason: str | None = None
    status: str = OK
    error: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usage_parts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    provider: str | None = None

    @property
    def metadata(self) -> dict[str, object]:
        """What a document's metadata says of the response; what is not known is left out."""
        known = {
            "response_id": self.provider_id,
            "provider": self.provider,
            "provider_model": self.model,
            "usage_parts": dict(self.usage_parts) or None,
            "response_notes": list(self.notes) or None,
            "error": self.error,
        }
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ResponseParts:
    """What the reader of one shape found, before it is judged.

    Attributes:
        provider: The shape.
        text: The answer.
        model: The model, in whatever form the response names it.
        provider_id: The id of the response, likewise.
        finish_reason: Why it ended, likewise.
        counts: Its tokens.
        failure: The provider's own message of a failure or a refusal: whatever text there is, it is no answer.
        tool_call: The model waits for the result of a tool.
        unfinished: The provider says that there is more to come.
        notes: What else a caller should log.
    """

    provider: str
    text: str | None = None
    model: object = None
    provider_id: object = None
    finish_reason: object = None
    counts: TokenCounts = field(default_factory=TokenCounts)
    failure: str | None = None
    tool_call: bool = False
    unfinished: bool = False
    notes: tuple[str, ...] = ()


def judge(found: ResponseParts) -> Answer:
    """Decide whether what was found is a whole answer."""
    word = name(found.finish_reason)
    meaning = meaning_of(word) if word else None
    status, error = _verdict(found, meaning, f"finish reason {word!r}" if word else "no finish reason")
    return Answer(
        text=found.text,
        model=name(found.model),
        provider_id=name(found.provider_id),
        finish_reason=word,
        status=status,
        error=error,
        prompt_tokens=found.counts.prompt,
        completion_tokens=found.counts.completion,
        usage_parts=found.counts.parts,
        notes=(*found.counts.notes, *found.notes, *_warnings(found, word, meaning, status)),
        provider=found.provider,
    )


def not_understood(response: object, because: str = "it has no shape that doc_io knows") -> Answer:
    """The answer that stands for a response which could not be read."""
    error = f"A response of type {type_name(response)} was not understood: {because}. Pass its text: Document(text)."
    return Answer(status=GEN_ERROR, error=error)


def detail(message: str | None) -> str:
    """A provider's message as the end of a sentence, cut to a length that fits one."""
    if not message or not message.strip():
        return ""
    return f": {message[:MAX_DETAIL].strip()}{'…' if len(message) > MAX_DETAIL else ''}"


def _verdict(found: ResponseParts, meaning: Meaning | None, said: str) -> tuple[str, str | None]:
    """Status and error."""
    has_text = found.text is not None and not is_blank(found.text)
    status, error = OK, None
    if found.failure:
        status, error = GEN_ERROR, found.failure
    elif meaning is Meaning.NO_ANSWER:
        status, error = GEN_ERROR, f"The provider gave no whole answer ({said})."
    elif meaning is Meaning.CUT or found.unfinished:
        status, error = TRUNCATED, f"The answer is not complete ({said})."
    elif (found.tool_call or meaning is Meaning.TOOL_CALL) and not has_text:
        status, error = GEN_ERROR, f"The model called a tool and gave no text ({said})."
    elif found.text is None or (meaning is None and not has_text):
        status, error = GEN_ERROR, f"The response holds no text ({said})."
    return status, error


def _warnings(found: ResponseParts, word: str | None, meaning: Meaning | None, status: str) -> list[str]:
    """What a reader of the status alone would not know."""
    warnings = []
    if word and meaning is None:
        warnings.append(f"unknown finish reason {word!r}")
    if not word and status == OK:
        warnings.append("the response does not say why it ended")
    if (found.tool_call or meaning is Meaning.TOOL_CALL) and status == OK:
        warnings.append("the model called a tool beside its text")
    return warnings
