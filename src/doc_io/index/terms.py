"""The terms of a text: what both engines index and look up, so that a word is found in one as in the other.

Words of scripts that put spaces between them are terms, also where they are glued to another script. Chinese, Japanese,
Korean, Thai and others are cut into single characters and pairs of neighbours: every sequence in them can then be found.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

MAX_TERM = 64
"""Characters of a term that count: PostgreSQL indexes no value of more than 2.7 KB."""

# Thai, Lao, Tibetan, Myanmar, Hangul, Khmer, kana, Han, and the half-width forms of kana and Hangul.
_UNSPACED = (
    "\u0e01-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035"
    "\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_LATIN = (
    "0-9A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
)
_ACCENTS = "\u0300-\u036f"
# Vowel signs and points belong to the word they stand in, and are no letters to `\w`.
_SIGNS = f"{_ACCENTS}\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_WORD = f"[{_LATIN}][{_LATIN}{_ACCENTS}]*|(?:[{_SIGNS}]|[^\\W_{_LATIN}{_UNSPACED}])+"
_CHARACTER = f"[{_UNSPACED}][\uff9e\uff9f\u3099\u309a]*"  # with its sound marks, which may stand apart
_UNIT = re.compile(f"{_CHARACTER}|{_WORD}")
_CHARACTERS = re.compile(_CHARACTER)
_WORDS = re.compile(_WORD)
_RUNS = re.compile(f"[{_UNSPACED}]+")
_ASCII_WORDS = re.compile("[a-z0-9]+")
_ACCENT = re.compile(f"[{_ACCENTS}]")
_SEPARATORS = re.compile(r"[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+")


def terms_of(text: str) -> set[str]:
    """Every term that a text is found by."""
    if text.isascii():
        words = set(_ASCII_WORDS.findall(text.lower()))
        return {word[:MAX_TERM] for word in words}
    terms = {_folded(word)[:MAX_TERM] for word in set(_WORDS.findall(text))}
    for run in set(_RUNS.findall(text)):
        characters = list(map(_folded, _CHARACTERS.findall(run)))
        terms.update(characters)
        terms.update(map(str.__add__, characters, characters[1:]))
    return terms


class Phrase:
    """A word that is looked for: one or more units (words, or characters of a script without spaces) in a row.

    Args:
        word: As a person typed it, without spaces.
    """

    def __init__(self, word: str) -> None:
        found = list(_UNIT.finditer(word))
        self.units = [_folded(unit[0]) for unit in found]
        self._adjacent = [one.end() == other.start() for one, other in pairwise(found)]

    def terms(self) -> set[str]:
        """What a text has among its terms if it has the phrase; more is to be seen in the text itself."""
        paired = [
            adjacent and _is_unspaced(one) and _is_unspaced(other)
            for adjacent, one, other in zip(self._adjacent, self.units, self.units[1:], strict=False)
        ]
        pairs = {one + other for pair, one, other in zip(paired, self.units, self.units[1:], strict=False) if pair}
        in_pair = [before or after for before, after in zip([False, *paired], [*paired, False], strict=False)]
        return pairs | {unit[:MAX_TERM] for unit, known in zip(self.units, in_pair, strict=False) if not known}


def find_all(text: str, phrases: Sequence[Phrase], width: int) -> list[tuple[int, int]] | None:
    """Where phrases stand in a text: the first place of each, and every other one near the first of all.

    Args:
        text: Where to look.
        phrases: What must be there, as whole units; at least one.
        width: Characters after the first match within which every match is returned.

    Returns:
        Start and end of each match, in order; ``None`` where a phrase is not there.
    """
    missing = set(range(len(phrases)))
    longest = max(len(phrase.units) for phrase in phrases)
    by_last_unit: dict[str, list[int]] = {}
    for number, phrase in enumerate(phrases):
        by_last_unit.setdefault(phrase.units[-1], []).append(number)
    last: deque[tuple[str, int]] = deque(maxlen=longest)
    found: set[tuple[int, int]] = set()
    end = len(text)
    for match in _UNIT.finditer(text):
        if not missing and match.start() > end:
            break
        unit = _folded(match[0])
        last.append((unit, match.start()))
        for number in by_last_unit.get(unit, ()):
            units = phrases[number].units
            recent = list(last)[-len(units) :]
            if [each for each, _ in recent] != units or (number not in missing and match.end() > end):
                continue
            end = min(end, recent[0][1] + width)
            found.add((recent[0][1], match.end()))
            missing.discard(number)
    return None if missing else sorted(found)


def _is_unspaced(unit: str) -> bool:
    return _RUNS.match(unit) is not None


def _folded(word: str) -> str:
    """Without case, accents and differences of width."""
    if word.isascii():
        return word.lower()
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", word))
    folded = unicodedata.normalize("NFC", plain).casefold()
    return _SEPARATORS.sub("", folded) or word  # a letter in brackets is one character, three after NFKD
