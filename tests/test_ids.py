"""Keys never meet by concatenation; path segments are injective and contained."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io import InvalidDocumentError, compute_logical_key_id, new_doc_id
from doc_io.ids import doc_dir, is_id, path_segment

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # surrogates and controls included
HOSTILE = st.one_of(
    ANY_TEXT,
    st.text(alphabet="./\\%~aA-_\0 \n", max_size=8),
    st.text(alphabet="ab.", min_size=190, max_size=260),
)


def test_a_logical_key_is_the_same_on_every_machine() -> None:
    """A known answer: changing it would orphan every stored document."""
    key = compute_logical_key_id("essay", {"source": "abc", "template_id": "t", "model_id": "m"})

    assert key == "fxk9j0r52j3fm3sz"


def test_the_order_of_identifiers_does_not_matter() -> None:
    """They are names and values, not a list."""
    assert compute_logical_key_id("s", {"a": "1", "b": "2"}) == compute_logical_key_id("s", {"b": "2", "a": "1"})


@given(
    st.tuples(ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT)), st.tuples(ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT))
)
def test_two_different_identities_have_two_different_keys(
    one: tuple[str, dict[str, str]], other: tuple[str, dict[str, str]]
) -> None:
    """Lengths are part of what is hashed."""
    assert (compute_logical_key_id(*one) == compute_logical_key_id(*other)) is (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", {"c": "d"}), ("a", {"bc": "d"})),
        (("a", {"b": "cd"}), ("a", {"bc": "d"})),
        (("a", {"b": ""}), ("a", {})),
        (("a", {"b": "1:c"}), ("a", {"b": "1", "c": ""})),
    ],
)
def test_texts_cannot_move_from_one_part_to_the_next(
    one: tuple[str, dict[str, str]], other: tuple[str, dict[str, str]]
) -> None:
    """Where plain concatenation would make them one."""
    assert compute_logical_key_id(*one) != compute_logical_key_id(*other)


def test_the_same_attempt_gets_the_same_doc_id_and_another_one_another() -> None:
    """That is what makes a retry converge."""
    assert new_doc_id("key", "run", "1") == new_doc_id("key", "run", "1")
    assert len({new_doc_id("key", "run", "1"), new_doc_id("key", "run", "2"), new_doc_id("key", "run1", "")}) == 3


def test_a_time_may_name_an_attempt() -> None:
    """As a number, to its last digit."""
    assert new_doc_id("key", "run", 1.5) != new_doc_id("key", "run", 1.25)


def test_ids_are_sixteen_base36_characters() -> None:
    """They are folder names and are typed by people."""
    assert is_id(new_doc_id("key", "run", "1"))
    assert is_id(compute_logical_key_id("stage", {}))
    assert not is_id("../../../etc/pass")


def test_an_identifier_that_is_no_string_is_refused() -> None:
    """1 and "1" must not be one key by accident."""
    with pytest.raises(InvalidDocumentError, match="int"):
        compute_logical_key_id("stage", {"a": 1})  # type: ignore[dict-item]


@given(HOSTILE, HOSTILE)
def test_two_names_never_share_a_segment(one: str, other: str) -> None:
    """Injective, for long names too."""
    assert (path_segment(one) == path_segment(other)) is (one == other)


@given(HOSTILE)
def test_no_segment_can_leave_its_folder(name: str) -> None:
    """One relative name of safe ASCII, on any storage."""
    segment = path_segment(name)

    assert 1 <= len(segment) <= 200
    assert segment.isascii()
    assert posixpath.normpath(f"/root/{segment}") == f"/root/{segment}"
    assert not set(segment) & set("/\\\0\n :?*<>|\"'")
    assert not segment.startswith(".")


def test_a_plain_name_stays_readable() -> None:
    """A person looks for it."""
    assert path_segment("essay-draft_v1.2") == "essay-draft_v1.2"


@pytest.mark.parametrize("stage", ["..", ".", "/etc", "a/../../b", "", "~", "C:\\x"])
def test_a_hostile_stage_stays_below_the_root(stage: str) -> None:
    """Its folder is always the third level down."""
    folder = doc_dir(stage, "k" * 16, "d" * 16)

    assert posixpath.normpath(folder) == folder
    assert folder.count("/") == 2
