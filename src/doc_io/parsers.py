"""Parsers by name: what turns a model's raw answer into parsed text, and keeps the answer where that fails."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable

from doc_io.document import Document, Status
from doc_io.errors import ConfigurationError

Parser = Callable[[str], str]

_registered: dict[str, Parser] = {}


def register_parser(name: str, parser: Parser) -> None:
    """Give a parser a name that ``doc_io/parser`` and ``Document.parser`` can use.

    Args:
        name: The name; a later registration of the same name wins.
        parser: A function from the raw text to the parsed text. What it raises makes the document a ``parse_error``.
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
        The document with ``parsed``; or, where there is no such parser, or it raised or gave no string, with status
        ``parse_error`` and the reason in the metadata as ``error``. The raw text is never touched.
    """
    if document.parser is None or document.parsed is not None:
        return document
    if document.raw is None or document.outcome is not Status.OK:
        return document
    try:
        parsed = find_parser(document.parser)(document.raw)
    except Exception as error:  # noqa: BLE001 - the parser is the user's; whatever it raises, the answer was paid for
        return _failed(document, f"{type(error).__name__}: {error}")
    if not isinstance(parsed, str):
        return _failed(document, f"the parser gave {type(parsed).__name__}, not a string")
    return dataclasses.replace(document, parsed=parsed)


def _failed(document: Document, reason: str) -> Document:
    return dataclasses.replace(
        document, status=Status.PARSE_ERROR, metadata={**(document.metadata or {}), "error": reason}
    )
