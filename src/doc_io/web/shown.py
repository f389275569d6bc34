"""A model's text as HTML: escaped, with every character that could act or hide shown as a sign of its own."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from doc_io.escaping import is_unshown, printable

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

PART = 200_000
"""Characters of a text that are shown at once."""

_PICTURES = 0x2400  # where Unicode has pictures of the control characters, in their order
_DELETE = 0x7F
_MAX_NAME = 40
_PLAIN = bytes(range(ord(" "), _DELETE)) + b"\n\t"
_NOT_SPECIAL = re.compile(
    "[ !#-%(-;=?-~\N{EN DASH}\N{MIDDLE DOT}]*"
).fullmatch  # ASCII that is seen, without " & ' < >; our signs


def marked(text: str) -> Markup:
    """A text to stand between tags; newlines and tabs stay, other characters that draw nothing become signs.

    Args:
        text: Any text, hostile ones included.
    """
    return Markup(_with_signs(str(escape(text))))  # noqa: S704 - escaped, and our signs


def html(value: object) -> str:
    """What every template shows of a value by itself: escaped, and without characters that act, in attributes too."""
    if type(value) is str and _NOT_SPECIAL(value):  # nearly every value: the quick way out
        return value
    if type(value) is Markup:
        return value
    if type(value) is int or type(value) is float:
        return str(value)
    if isinstance(value, str) and not isinstance(value, Markup):
        return escape(printable(value, keep="\n\t"))
    return escape("\N{EN DASH}" if value is None else value)


def markdown(text: str) -> Markup:
    """A text as Markdown: without HTML, images, links and anything else that leaves the page.

    Args:
        text: Any text, hostile ones included.
    """
    # The signs come last: a text can spell the characters as entities. The renderer escapes, and makes no links or HTML.
    return Markup(_with_signs(_markdown().render(text)))  # noqa: S704 - as the line above says


def _with_signs(html: str) -> str:
    if html.isascii() and not html.encode().translate(None, _PLAIN):  # ten times as quick as what follows
        return html
    hidden = [character for character in set(html) if character not in "\n\t" and is_unshown(character)]
    if not hidden:
        return html
    return re.sub("[" + "".join(map(re.escape, hidden)) + "]", lambda match: _sign(match[0]), html)


@cache
def _sign(character: str) -> str:
    code = ord(character)
    name = unicodedata.name(character, "")[:_MAX_NAME].lower() or "control character"
    shown = {_DELETE: "␡"}.get(code) or (chr(_PICTURES + code) if code < ord(" ") else f"U+{code:04X}")
    return f'<span class="sign" title="U+{code:04X} {name}">{shown}</span>'


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - only those who ask for Markdown wait for it

    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    parser.enable(["table", "strikethrough"])
    parser.disable(["image", "link", "autolink", "html_block", "html_inline", "reference"])
    parser.core.ruler.push("quiet", _quieten)
    return parser


def _quieten(state: StateCore) -> None:
    """Headings are the text's and not the page's; the language of a code block is no attribute of ours."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            if token.type == "heading_open":
                token.attrs = {"class": f"md-{token.tag}"}
            token.tag = "p"
        if token.type == "fence":
            token.info = ""
