"""Names that want to leave the root, or to meet another name."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io import compute_logical_key_id, new_doc_id
from doc_io.ids import doc_dir, file_stem, path_segment

MANY = 100_000
PIECES = [
    "..", ".", "/", "\\", "~", "%", "%2F", "%2E", "%00", "\0", "\n", "\r", " ", "", ":", "*", "?", '"', "'", "|", "<", ">", "$", "`", ";",
    "CON", "nul", "C:", "//host/share", "file://", "s3://b/k", "é", "e\u0301", "\u202e", "\u200b", "\ufeff", "\udc80", "😀", "İ", "ß",
    "a", "A", "b", "aa", "-", "_", ".tmp-", ".torn-", "metadata.json", "raw.txt", "extras", "--", "#", "&", "=", "+", "@", "{x}", "x" * 199,
    "x" * 200, "x" * 201, "é" * 150, "|a|b", "1:", "2:ab",
]  # fmt: skip


# A dot neither begins nor ends it; ASCII letters, digits and five signs are all there is.
PLAIN = re.compile(r"(?!\.)[A-Za-z0-9_.%~-]{1,200}(?<!\.)", re.ASCII)


def hostile_names(seed: int, count: int) -> Iterator[str]:
    """Different names, made of the pieces that have fooled path code before."""
    chance, made = random.Random(seed), set[str]()  # noqa: S311 - a seed that can be repeated is the point
    while len(made) < count:
        name = "".join(chance.choices(PIECES, k=chance.randint(0, 5)))
        if name not in made:
            made.add(name)
            yield name


def test_a_hundred_thousand_hostile_names_become_as_many_plain_segments() -> None:
    """No two share one, and none has a separator, drive, parent or hidden file for POSIX, Windows or a URL."""
    segments = {path_segment(name) for name in hostile_names(1, MANY)}

    assert len(segments) == MANY
    for segment in segments:
        assert PLAIN.fullmatch(segment), segment


def test_a_hundred_thousand_names_are_as_many_files_of_the_legacy_layout() -> None:
    """The names that people read are injective too, and none leaves its folder, hides or acts on a terminal."""
    stems = {file_stem(name) for name in hostile_names(2, MANY)}

    assert len(stems) == MANY
    for each in stems:
        assert each.isprintable()
        assert each[0] != "."
        assert not set(each) & set("/\\")
        assert len(each.encode()) <= 200


def test_a_hundred_thousand_partition_keys_have_as_many_logical_keys() -> None:
    """The key of a product is injective in its source, also where parts could run together."""
    keys = {compute_logical_key_id("essay", {"source": name}) for name in hostile_names(3, MANY)}

    assert len(keys) == MANY


@given(st.text())
def test_any_stage_stays_below_the_root(stage: str) -> None:
    """The folder of a document has three segments below the root, for POSIX and Windows alike."""
    key = compute_logical_key_id(stage, {"source": "t"})
    folder = doc_dir(stage, key, new_doc_id(key, "r", "1"))

    assert os.path.normpath(f"/root/{folder}") == f"/root/{folder}"
    assert len(PurePosixPath(folder).parts) == len(PureWindowsPath(folder).parts) == 3
    assert not PureWindowsPath(folder).drive


@given(st.text(), st.text())
def test_two_names_share_a_segment_only_where_they_are_the_same(one: str, other: str) -> None:
    """The same fact as above, with examples that shrink."""
    assert (path_segment(one) == path_segment(other)) == (one == other)


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.dictionaries(st.text(), st.text(), max_size=4))
def test_two_sets_of_identifiers_share_a_key_only_where_they_are_the_same(
    one: dict[str, str], other: dict[str, str]
) -> None:
    """Names and values cannot be moved across their borders to meet another product."""
    assert (compute_logical_key_id("s", one) == compute_logical_key_id("s", other)) == (one == other)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../etc/passwd", "/etc/passwd", "C:\\x", "a/../b", "\0", "%2e%2e", "x" * 5000]
)
def test_names_known_from_attacks_are_plain(name: str) -> None:
    """A short list that a reader can check by eye."""
    assert path_segment(name) == PurePosixPath(path_segment(name)).name
    assert path_segment(name) not in ("", ".", "..")
