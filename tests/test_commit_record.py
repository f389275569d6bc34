"""The commit record: what goes in comes out, and what was altered is not believed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io import Document, InvalidDocumentError
from doc_io.commit_record import CommitRecord, CommitRecordError, decode, encode
from doc_io.document import Parent
from doc_io.writing.draft import Origin, make_draft

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def a_record(document: Document | None = None) -> CommitRecord:
    """The record of some document."""
    draft = make_draft(
        document or Document("text", prompt="p", extras={"a/b": b"\0"}, metadata={"provider": "x"}),
        Origin(stage="essay", task_id="t", attempt="1", run_id="r", parents=(Parent("p" * 16, "draft"),)),
    )
    return draft.at("2026-01-31T12:00:00.000001Z", None).record


def forged(change: dict[str, Any]) -> bytes:
    """A record with fields of the forger's, under a checksum that holds."""
    fields = {**json.loads(encode(a_record())), **change}
    del fields["checksum"]
    body = "".join(f'  "{name}": {json.dumps(value)},\n' for name, value in fields.items())
    checksum = hashlib.sha256(body.encode()).hexdigest()
    return f'{{\n{body}  "checksum": "{checksum}"\n}}\n'.encode()


@given(st.dictionaries(st.text(), JSON))
def test_a_record_comes_back_as_it_was_written(metadata: dict[str, Any]) -> None:
    """Whatever JSON was attached."""
    record = a_record(Document("text", metadata=metadata))

    assert decode(encode(record)) == record


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.builds(Parent, NAMES, NAMES)), st.sampled_from([1, 2, 3]))
def test_parents_come_back_in_their_order_from_a_record_of_any_version(parents: list[Parent], version: int) -> None:
    """A record of an older version is still written as it was."""
    record = replace(a_record(), parents=tuple(parents), schema_version=version)
    data = encode(record)

    assert decode(data).parents == tuple(parents)
    assert encode(decode(data)) == data


def test_a_record_names_an_input_once_however_many_documents_came_in_by_it() -> None:
    """Of two thousand parents each takes the bytes of its id and four more."""
    parents = tuple(Parent(f"{n:016}", "the name of an input") for n in range(2000))

    assert len(encode(replace(a_record(), parents=parents))) < len(encode(a_record())) + 2000 * 20


def test_a_record_is_json_that_any_tool_can_read() -> None:
    """One field a line, the whole row in it."""
    fields = json.loads(encode(a_record()))

    assert (fields["stage"], fields["status"], fields["files"]["raw.txt"]["bytes"]) == ("essay", "ok", 4)
    assert fields["parents"] == [{"input_name": "draft", "doc_ids": ["p" * 16]}]


def test_a_record_is_ascii_whatever_it_holds() -> None:
    """Looking at one in a terminal is safe: escapes and bidi controls stay escaped."""
    data = encode(a_record(Document("x", metadata={"a": "\x1b[2J\u202e"})))

    assert data.isascii()
    assert b"\x1b" not in data


def test_any_flipped_byte_of_a_record_is_found() -> None:
    """The checksum covers every byte, white space included."""
    data = encode(a_record())
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 1
        with pytest.raises(CommitRecordError):
            decode(bytes(altered))


def test_any_cut_record_is_found() -> None:
    """A torn write leaves a prefix."""
    data = encode(a_record())
    for length in range(len(data)):
        with pytest.raises(CommitRecordError):
            decode(data[:length])


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 4},
        {"schema_version": None},
        {"status": "done"},
        {"doc_id": "../../../../etc/x"},
        {"logical_key_id": "SHORT"},
        {"raw_chars": 10**30},
        {"raw_chars": -1},
        {"raw_chars": True},
        {"usage_prompt_tokens": "7"},
        {"stage": None},
        {"stage": 7},
        {"task_id": "a\0b"},
        {"task_id": "\ud800"},
        {"created_at": "yesterday"},
        {"meta_small": []},
        {"files": {"../../outside.txt": {"bytes": 1, "sha256": "0"}}},
        {"files": {"extras/..": {"bytes": 1, "sha256": "0"}}},
        {"files": {"raw.txt": {"bytes": "1", "sha256": "0"}}},
        {"files": []},
        {"parents": [{"input_name": "", "doc_ids": [1]}]},
        {"parents": [{"input_name": 1, "doc_ids": ["a"]}]},
        {"parents": [{"input_name": "", "doc_ids": "a"}]},
        {"parents": [{"input_name": "", "doc_ids": ["a"], "more": 1}]},
        {"parents": [{"doc_id": "a", "input_name": ""}]},
        {"parents": ["input_name"]},
        {"parents": [1]},
        {"parents": {}},
        {"schema_version": 2, "parents": [{"doc_id": 1, "input_name": ""}]},
        {"schema_version": 2, "parents": [{"doc_id": "a", "input_name": "", "more": 1}]},
        {"schema_version": 2, "parents": [{"input_name": "", "doc_ids": ["a"]}]},
        {"metadata": []},
        {"extras": None},
        {"another": 1},
    ],
)
def test_a_forged_field_is_refused_though_the_checksum_holds(change: dict[str, Any]) -> None:
    """Anyone can compute a checksum; types and ranges are checked before a field is believed."""
    with pytest.raises(CommitRecordError):
        decode(forged(change))


def _signed(body: bytes) -> bytes:
    return b'{\n%s  "checksum": "%s"\n}\n' % (body, hashlib.sha256(body).hexdigest().encode())


@pytest.mark.parametrize(
    "body",
    [
        b'"a": ' + b"[" * 100_000 + b"]" * 100_000 + b",\n",
        b'"a": ' + b"9" * 5_000 + b",\n",
        b'"a": NaN,\n',
        b'"a": "\xff",\n',
        b"",
        b'"a": 1,\n"a": 2,\n',
    ],
    ids=["deep", "huge number", "NaN", "not UTF-8", "empty", "twice"],
)
def test_hostile_json_is_refused_and_never_crashes_the_reader(body: bytes) -> None:
    """A scan over many records must go on after any of them."""
    with pytest.raises(CommitRecordError):
        decode(_signed(body))


@pytest.mark.parametrize("metadata", [{"a": float("nan")}, {"a": object()}, {"a": b"x"}, {"a": 10**5000}])
def test_metadata_that_json_cannot_hold_is_refused_before_anything_is_written(metadata: dict[str, Any]) -> None:
    """It could not be read back."""
    with pytest.raises(InvalidDocumentError, match="metadata"):
        encode(a_record(Document("x", metadata=metadata)))
