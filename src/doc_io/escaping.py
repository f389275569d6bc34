"""Text that is safe to show: no character of a model's answer can act on a terminal or hide in a message."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable

# Categories that draw nothing by themselves: controls, formats (bidi overrides, zero widths), surrogates,
# private use, unassigned, and the two separators that some terminals treat as newlines.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\ufe0e\ufe0f\uffa0")  # letters, marks and a pattern that draw nothing


def printable(text: str, *, keep: str = "", limit: int | None = None) -> str:
    r"""Escape every character that could act instead of being seen.

    Args:
        text: Any text, hostile ones included.
        keep: Characters to leave as they are; give ``"\n\t"`` to keep the lines of a text. Default: none.
        limit: The longest result, in characters of the text; a longer text ends in ``…``. Default: no limit.

    Returns:
        The text with control, format, private and surrogate characters as ``\\xNN``, ``\\uNNNN`` or ``\\UNNNNNNNN``.
    """
    cut = limit is not None and len(text) > limit
    shown = text[:limit] if cut else text
    if not shown.isprintable():
        shown = "".join(_escaped(c) if c not in keep and unicodedata.category(c) in _UNSHOWN else c for c in shown)
    return shown + "…" if cut else shown


def shell_words(words: Iterable[str]) -> str:
    """Words as a shell takes them, on one line that is safe to show and to paste.

    A word with a character that could act is written in ``$'…'``, byte by byte where it has to be; bash, zsh and ksh read that.
    """
    return " ".join(shlex.quote(word) if printable(word) == word else f"$'{_ansi_c(word)}'" for word in words)


def counted(count: int, noun: str) -> str:
    """A number with its noun: ``1 document``, ``2,000 documents``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def is_unshown(character: str) -> bool:
    """Whether a character draws nothing by itself: a control, a format such as a bidirectional override, a surrogate."""
    return unicodedata.category(character) in _UNSHOWN


def is_blank(text: str) -> bool:
    """Whether a text has nothing to see: white space, zero widths, byte order marks and fillers alone."""
    return all(unicodedata.category(each) in _BLANK or each in _FILLERS for each in text)


def described(error: BaseException) -> str:
    """An error by its class and message; by its class alone where its own ``__str__`` raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the error of a user's function
        return type(error).__name__


def fenced(text: str) -> str:
    """A Markdown code block that shows a text as it is and lets none of it act.

    Args:
        text: Any text; control characters but newline and tab are escaped.

    Returns:
        The text between fences longer than any run of backticks in it, so that nothing inside can close the block
        (CommonMark, "Fenced code blocks").
    """
    shown = printable(text, keep="\n\t")
    fence = "```"
    while fence in shown:
        fence += "`"
    return f"{fence}text\n{shown}\n{fence}"


def _ansi_c(word: str) -> str:
    return "".join(
        "".join(f"\\x{byte:02x}" for byte in each.encode("utf-8", "surrogatepass"))
        if is_unshown(each) or each in "\\'"
        else each
        for each in word
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:  # noqa: PLR2004 - the widths of Python's own escapes
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - as above


_CREDENTIALS = re.compile(r"(?<=://).*(?=@)|(?<=\?).*", re.DOTALL)


def without_credentials(value: object) -> object:
    """A setting as it may be shown: a URL without the user, password and query that it should not have; all else as it is."""
    return _CREDENTIALS.sub("***", value) if isinstance(value, str) and "://" in value else value
