"""Checks what of a document can be stored: field by field when it is saved, so that a wrong one costs no other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from doc_io import document_fields
from doc_io.document import Document, DocumentsByPartition, Status, Usage
from doc_io.errors import InvalidDocumentError
from doc_io.ids import unstorable


def checked(document: Document) -> tuple[Document, tuple[str, ...]]:
    """What can be stored of a document.

    Returns:
        A document with what is right of each field, and in words what is wrong with the rest; nothing where all of it can
        be stored.
    """
    problems: list[str] = []
    kept: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        value = getattr(document, name)
        if value is not None:
            try:
                kept[name] = check(name, value, problems)
            except Exception as error:  # noqa: BLE001 - a value of any class, whose methods may raise anything
                kept[name] = _kept(name, value, f"reading it raises {type(error).__name__}", problems)
    if document.status is Status.SKIPPED and (document.raw is not None or document.parsed is not None):
        problems.append("status is skipped, which means that nothing was made, and there is a text")
        kept["status"] = Status.GEN_ERROR
    if problems and kept.get("status") is None:
        kept["status"] = Status.GEN_ERROR  # without a wrong field's word the text might seem to be ok
    changed = {name: value for name, value in kept.items() if value is not getattr(document, name)}
    return dataclasses.replace(document, **changed) if changed else document, tuple(problems)


def _checked_text(name: str, value: object, problems: list[str]) -> Any:
    problem = document_fields.text_problem(value)
    return _kept(name, value, problem, problems)


def _checked_name(name: str, value: object, problems: list[str]) -> Any:
    return _kept(name, value, unstorable(value), problems)


def _checked_status(name: str, value: object, problems: list[str]) -> Any:
    if isinstance(value, Status):
        return value
    known = ", ".join(status.value for status in Status)
    problems.append(f"{name} is none of {known}")
    return Status.GEN_ERROR


def _checked_score(name: str, value: object, problems: list[str]) -> Any:
    return _kept(name, value, document_fields.score_problem(value), problems)


def _checked_usage(name: str, value: object, problems: list[str]) -> Any:
    if not isinstance(value, Usage):
        return _kept(name, value, f"it is {type(value).__name__}; give a doc_io.Usage", problems)
    counts = {each: getattr(value, each) for each in Usage.__slots__}
    return Usage(
        **{
            each: _kept(f"{name}.{each}", count, document_fields.count_problem(count), problems)
            for each, count in counts.items()
            if count is not None
        }
    )


def _checked_entries(name: str, value: object, problems: list[str], *kinds: type) -> Any:
    if not isinstance(value, Mapping):
        return _kept(name, value, f"it is {type(value).__name__}, not a mapping", problems)
    kept = {}
    for key, each, problem in document_fields.entries(value, *kinds):
        if problem is None:
            kept[key] = each
        else:
            problems.append(f"{name}[{_shown_key(key)}]: {problem}")
    return kept


def _checked_identifiers(name: str, value: object, problems: list[str]) -> Any:
    return _checked_entries(name, value, problems, str)


def _checked_extras(name: str, value: object, problems: list[str]) -> Any:
    return _checked_entries(name, value, problems, str, bytes)


def _checked_metadata(name: str, value: object, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        return _kept(name, value, f"it is {type(value).__name__}, not a mapping", problems)
    kept: dict[str, Any] = {}
    for key, each in value.items():
        try:
            [(plain, copied)] = document_fields.as_json_value({key: each}).items()
            if plain in kept:
                raise ValueError("there is such a key already, as a string or as a number")  # noqa: TRY301 - as below
            kept[plain] = copied
        except (ValueError, RecursionError) as problem:
            problems.append(f"{name}[{_shown_key(key)}]: {problem}")
        except Exception as error:  # noqa: BLE001 - as above, and it costs no other entry
            problems.append(f"{name}[{_shown_key(key)}]: reading it raises {type(error).__name__}")
    return kept


def _shown_key(key: object) -> str:
    return repr(document_fields.plain_text(key)) if isinstance(key, str) else type(key).__name__


def _kept(name: str, value: object, problem: str | None, problems: list[str]) -> Any:
    if problem is None:
        return value
    problems.append(f"{name}: {problem}")
    return None


_CHECKS = {
    **dict.fromkeys(("parsed", "prompt"), _checked_text),
    "status": _checked_status,
    **dict.fromkeys(("template_id", "model_id", "parent_doc_id", "parser", "finish_reason"), _checked_name),
    "usage": _checked_usage,
    "score": _checked_score,
    "identifiers": _checked_identifiers,
    "metadata": _checked_metadata,
    "extras": _checked_extras,
}
"""Field to what keeps that of it which can be stored."""


_DATA = "For data return json.dumps(…), or give the asset an IO manager of its own with io_manager_key."
_INSTEAD: dict[type, str] = {
    type(None): "Annotate an asset that returns nothing with -> None.",
    bytes: "Decode bytes: value.decode().",
    DocumentsByPartition: "Give the asset a partitions_def, or return the one text.",
}


def text_instead_of(value: object) -> str:
    """What an asset does that returned this value, in a sentence."""
    return _INSTEAD.get(type(value), _DATA)


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
    hint = f"Return a str, or a doc_io.Document. {text_instead_of(value)}"
    raise InvalidDocumentError(what=f"A value of type {type(value).__name__}", reason="it is not text", hint=hint)
