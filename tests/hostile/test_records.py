"""Commit records that lie, overflow or attack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io.commit_record import CommitRecordError, decode
from tests.hostile.records import signed

HOSTILE = {
    "nothing": b"",
    "no object": b"[]",
    "not utf-8": b"\xff\xfe{}",
    "deep": signed('  "schema_version": 1, "metadata": ' + "[" * 100_000 + "]" * 100_000 + ",\n"),
    "deep objects": signed('  "schema_version": 1, "metadata": ' + '{"a":' * 50_000 + "1" + "}" * 50_000 + ",\n"),
    "a number of 5,000 digits": signed('  "schema_version": ' + "9" * 5_000 + ",\n"),
    "a huge exponent": signed('  "schema_version": 1e999999,\n'),
    "no number": signed('  "schema_version": NaN,\n'),
    "a newer version": signed('  "schema_version": 4,\n'),
    "no fields": signed('  "schema_version": 1,\n'),
    "fields twice": signed('  "schema_version": 1,\n  "schema_version": 1,\n'),
    "wrong types": signed('  "schema_version": 1, "parents": 1, "files": [], "extras": 0, "metadata": null,\n'),
    "parents of wrong types": signed(
        '  "schema_version": 1, "parents": [{"x": 1}], "files": {}, "extras": {}, "metadata": {},\n'
    ),
    "files of wrong types": signed(
        '  "schema_version": 1, "parents": [], "files": {"a": 1}, "extras": {}, "metadata": {},\n'
    ),
    "a cut checksum": signed('  "schema_version": 1,\n')[:-3],
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_record_is_refused_with_a_reason(data: bytes) -> None:
    """Whatever lies in metadata.json, reading it ends in one kind of error, which a scan can step over."""
    with pytest.raises(CommitRecordError, match=r"metadata\.json"):
        decode(data)


def test_a_huge_record_is_refused_before_it_is_parsed() -> None:
    """A record is read whole, so its size has a limit."""
    with pytest.raises(CommitRecordError, match="larger"):
        decode(b" " * (64 * 2**20 + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "parents",
    "files",
    "extras",
    "metadata",
    "status",
    "doc_id",
    "created_at",
    "stage",
    "meta_small",
    "schema_version",
]


@given(st.binary())
def test_random_bytes_are_never_a_record(data: bytes) -> None:
    """Nothing but `CommitRecordError` comes out of any bytes."""
    with pytest.raises(CommitRecordError):
        decode(data)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_json_with_a_true_checksum_breaks_the_reader(fields: dict[str, Any]) -> None:
    """A record made by someone else is refused, not crashed upon."""
    body = "".join(
        f"  {json.dumps(name)}: {json.dumps(value)},\n" for name, value in {"schema_version": 1, **fields}.items()
    )
    with pytest.raises(CommitRecordError):
        decode(signed(body))
