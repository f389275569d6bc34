"""Parsers by name: what turns a model's raw answer into parsed text, and keeps the answer where that fails."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from doc_io.document import Document, Status
from doc_io.document_fields import is_number, plain_text, score_problem, taken_number
from doc_io.errors import ConfigurationError
from doc_io.escaping import described, is_blank

Parser = Callable[[str], "str | float | tuple[str, float]"]
"""From a raw text to the parsed one, to a number that judges it, or to both."""

_DAGSTERS_INTERRUPT = "DagsterExecutionInterruptedError"  # a BaseException too; Dagster is not imported here

_registered: dict[str, Parser] = {}


def register_parser(name: str, parser: Parser) -> None:
    """Give a parser a name that ``doc_io/parser`` and ``Document.parser`` can use.

    Args:
        name: The name; a later registration of the same name wins.
        parser: A function from the raw text to the parsed text, to a number (the document's score; its text is the parsed
            text), or to both as a pair. What it raises makes the document a ``parse_error``.
    """
    _registered[name] = parser


def find_parser(name: str) -> Parser:
    """The parser of a name.

    Args:
        name: A registered name, or a dotted path to a function (``package.module.function``).

    Raises:
        ConfigurationError: There is neither; the message says what was tried.
    """
    if name in _registered:
        return _registered[name]
    module, _, attribute = name.rpartition(".")
    hint = "Register it with doc_io.register_parser, or give the dotted path to a function."
    if not module:
        raise ConfigurationError(setting=f"Parser {name!r}", reason="no parser is registered by that name", hint=hint)
    try:
        parser = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(setting=f"Parser {name!r}", reason=str(error), hint=hint) from None
    if not callable(parser):
        raise ConfigurationError(setting=f"Parser {name!r}", reason="it is not a function", hint=hint)
    found: Parser = parser
    return found


def parse(document: Document) -> Document:
    """Apply a document's parser to its raw text.

    An answer that is already known to be bad, or that was parsed by its writer, stays as it is.

    Args:
        document: What is to be stored.

    Returns:
        The document with ``parsed``; or, where there is no such parser, or it raised or gave no text, with status
        ``parse_error`` and the reason in the metadata as ``error``. The raw text is never touched.
    """
    if document.parser is None or document.parsed is not None:
        return document
    if document.raw is None or document.outcome is not Status.OK:
        return document
    try:
        return dataclasses.replace(document, **_result(find_parser(document.parser)(document.raw), document.score))
    except _WrongResultError as problem:
        return _failed(document, f"the parser gave {problem}")
    except (
        BaseException
    ) as error:  # the parser is the user's; whatever it raises, sys.exit too, the answer was paid for
        if isinstance(error, KeyboardInterrupt) or type(error).__name__ == _DAGSTERS_INTERRUPT:
            raise
        return _failed(document, described(error))


class _WrongResultError(Exception):
    """What a parser returned, in words."""


def _result(parsed: object, given: float | None) -> dict[str, Any]:
    """Text and score from what a parser returned; raises `_WrongResultError` with what it is instead."""
    text, score = parsed if isinstance(parsed, tuple) and len(parsed) == 2 else (parsed, None)  # noqa: PLR2004 - a pair
    if score is None and is_number(text):
        text, score = str(text), text
    if not isinstance(text, str):
        raise _WrongResultError(f"{type(parsed).__name__}, not a string")
    text = plain_text(text)
    if is_blank(text):
        raise _WrongResultError("an empty text")
    number = taken_number(score)
    if number is not None and (problem := score_problem(number)):
        raise _WrongResultError(f"a score that is none: {problem}")
    return {"parsed": text, "score": number if given is None else given}


def _failed(document: Document, reason: str) -> Document:
    if not isinstance(document.metadata or {}, Mapping):  # refused for that when it is filed, which must see it
        return dataclasses.replace(document, status=Status.PARSE_ERROR)
    return dataclasses.replace(
        document, status=Status.PARSE_ERROR, metadata={**(document.metadata or {}), "error": reason}
    )
