"""Real text that is on every machine: the long descriptions of the installed Python packages, as prose.

Nothing is downloaded, and the same set of installed packages gives the same texts in the same order.
"""

import re
from functools import cache
from importlib.metadata import distributions

SHORTEST = 5
"""Words; a shorter sentence is mostly a caption."""

_FENCED = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?(^(?P=fence)|\Z)", re.MULTILINE | re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])")
_LINK = re.compile(r"\[([^\]]+)\](\([^)]*\)|\[[^\]]*\])")
_RST_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`__?")
_RST_ROLE = re.compile(r":[a-z:]+:(?=`)")
_TAG = re.compile(r"<[^<>]{1,500}>")
_MARKS = re.compile(r"[`*]|(?<![\w.])_+(?=\w)|(?<=\w)_+(?!\w)")
_NOT_PROSE = re.compile(r"\s{2,}|[-+*#|>$=~.:\[]|\d+[.)]\s|\w+::")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")


@cache
def descriptions() -> dict[str, str]:
    """The prose of every installed package that has any, by the package's normalised name."""
    found = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        # Older metadata keeps the description behind the headers instead of among them.
        text = distribution.metadata.get("Description") or distribution.metadata.get_payload()  # type: ignore[attr-defined]
        prose = prose_of(text) if isinstance(text, str) else ""
        if name and prose:
            found[re.sub(r"[-_.]+", "-", name).lower()] = prose
    return found


def longest(count: int) -> list[str]:
    """The packages with the most to tell, in the order of the alphabet.

    Args:
        count: How many packages to name at most.
    """
    texts = descriptions()
    return sorted(sorted(texts, key=lambda name: (-len(texts[name]), name))[:count])


def description(package: str) -> str:
    """What a package tells of itself, as prose.

    Raises:
        LookupError: No such package is installed here, or it describes itself in no sentence.
    """
    try:
        return descriptions()[package]
    except KeyError:
        message = f"No installed package {package!r} with a description in sentences. Choose one of: {', '.join(longest(10))}."
        raise LookupError(message) from None


def prose_of(text: str) -> str:
    """The paragraphs of a Markdown or reStructuredText page that are made of sentences; no code, tables, lists, badges."""
    for pattern, replacement in (
        (_FENCED, ""),
        (_IMAGE, ""),
        (_LINK, r"\1"),
        (_RST_LINK, r"\1"),
        (_RST_ROLE, ""),
        (_TAG, ""),
    ):
        text = pattern.sub(replacement, text)
    paragraphs = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.splitlines()
        if any(_NOT_PROSE.match(line) for line in lines):
            continue
        paragraph = _MARKS.sub("", " ".join(line.strip() for line in lines)).strip()
        kept = [sentence for sentence in sentences(paragraph) if _is_sentence(sentence)]
        if kept:
            paragraphs.append(" ".join(kept))
    return "\n\n".join(dict.fromkeys(paragraphs))


def sentences(text: str) -> list[str]:
    """A text cut at the ends of its sentences; a paragraph's end is one too."""
    return [
        sentence for paragraph in text.split("\n\n") for sentence in _SENTENCE_END.split(paragraph.strip()) if sentence
    ]


def _is_sentence(text: str) -> bool:
    return (
        text[0].isalpha()
        and text[0].isupper()
        and text[-1] in ".!?"
        and not text.endswith("...")
        and len(text.split()) >= SHORTEST
        and "|" not in text
    )
