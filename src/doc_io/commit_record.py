"""The commit record, ``metadata.json``: everything the row says, and the manifest that tells a whole document from a torn one.

Its bytes are a function of its content, and it carries its own checksum: a record that does not come out byte for byte
the same when it is written again was altered.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from itertools import groupby
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from typing import Any, NamedTuple

from doc_io.document import COLUMNS, Parent, Status
from doc_io.document_fields import MAX_COUNT, MAX_INTEGER_DIGITS, MAX_METADATA_DEPTH
from doc_io.errors import InvalidDocumentError
from doc_io.escaping import printable
from doc_io.ids import doc_dir, is_id, unstorable

SCHEMA_VERSION = 3
"""Of the record. Older ones are still read, a newer one is refused; see `decode`.

Version 2 names the input of each parent anew; version 1 also lacks ``score`` and ``prompt_hash``.
"""

RECORD_NAME = "metadata.json"
RAW_NAME, PARSED_NAME, PROMPT_NAME = "raw.txt", "parsed.txt", "prompt.txt"
EXTRAS_FOLDER = "extras"

_to_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode

MAX_RECORD_BYTES = 64 * 2**20
"""Of a commit record: it is read whole, and a larger one is an attack or an accident."""
END_OF_TIME = "3000-01-01T00:00:00.000000Z"
"""Every ``created_at`` is earlier. A later one is forged or of a broken clock, and would be the newest for ever."""


class FileEntry(NamedTuple):
    """What the manifest says of one file.

    Attributes:
        size: Its length in bytes.
        sha256: Its hash in hexadecimal.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class CommitRecord:
    """The content of one ``metadata.json``.

    Attributes:
        row: Every column of the index but ``seq`` and ``doc_dir``, which follow from the insert and from the ids.
        parents: All documents it was made from.
        files: The manifest: path inside the document's folder to size and hash; every file but the record itself.
        extras: File of an extra to the name it was given.
        metadata: What the writer attached.
        schema_version: The form it is written in.
    """

    row: Mapping[str, Any]
    parents: tuple[Parent, ...]
    files: Mapping[str, FileEntry]
    extras: Mapping[str, str]
    metadata: Mapping[str, Any]
    schema_version: int = SCHEMA_VERSION

    @property
    def doc_dir(self) -> str:
        """Where the document must be, relative to the docs root."""
        return doc_dir(self.row["stage"], self.row["logical_key_id"], self.row["doc_id"])

    @cached_property
    def lines(self) -> dict[str, str]:
        """Each field as its line of ``metadata.json``, in their order.

        Raises:
            InvalidDocumentError: The attached metadata holds what JSON cannot.
        """
        fields: dict[str, object] = {
            "schema_version": self.schema_version,
            **{column: self.row[column] for column in _COLUMNS_OF[self.schema_version]},
            "parents": _parents_to_json(self),
            "files": {path: {"bytes": entry.size, "sha256": entry.sha256} for path, entry in self.files.items()},
            "extras": self.extras,
            "metadata": self.metadata,
        }
        try:
            return {name: _line(name, value) for name, value in fields.items()}
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidDocumentError(
                what="A document",
                reason=f"its metadata is not JSON: {error}",
                hint="Give strings, numbers, lists and dicts.",
            ) from None

    def with_row(self, **columns: str | None) -> CommitRecord:
        """The same record with other values of some columns; only their lines are made anew."""
        changed = replace(self, row={**self.row, **columns})
        changed.__dict__["lines"] = {**self.lines, **{name: _line(name, value) for name, value in columns.items()}}
        return changed


class CommitRecordError(ValueError):
    """Why a record does not hold true. `doc_io.errors.DamagedDocumentError` says of which document."""


def file_entry(data: bytes) -> FileEntry:
    """The manifest's entry for a file of these bytes."""
    return FileEntry(len(data), hashlib.sha256(data).hexdigest())


def encode_text(text: str) -> bytes:
    """UTF-8 that keeps lone surrogates, so that any ``str`` comes back exactly (PEP 383 texts, broken JSON escapes)."""
    return text.encode("utf-8", "surrogatepass")


def decode_text(data: bytes) -> str:
    """The text that `encode_text` was given.

    Raises:
        UnicodeDecodeError: The bytes are no such text.
    """
    return data.decode("utf-8", "surrogatepass")


def encode(record: CommitRecord) -> bytes:
    """The bytes of ``metadata.json``: JSON, one field a line, in ASCII, so that looking at it in a terminal is safe.

    Raises:
        InvalidDocumentError: The attached metadata holds what JSON cannot.
    """
    body = "".join(record.lines.values())
    if len(body) > MAX_RECORD_BYTES - _CHECKSUM_LENGTH:
        raise InvalidDocumentError(
            what="A document",
            reason=f"its {RECORD_NAME} would have more than {MAX_RECORD_BYTES // 2**20} MiB",
            hint="Give what is that large as extras: they are files of their own.",
        )
    checksum = hashlib.sha256(body.encode("ascii")).hexdigest()
    return f'{{\n{body}  "checksum": "{checksum}"\n}}\n'.encode("ascii")


def frozen_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as it will be read back: plain JSON values, copied so that later changes have no effect.

    Raises:
        InvalidDocumentError: JSON cannot hold it, or it is more than a reader accepts.
    """
    if not metadata:
        return {}
    frozen: dict[str, Any] = {}
    try:
        frozen = _from_json(_to_json(dict(metadata)))
        reason = _unreadable(frozen)
    except (TypeError, ValueError, RecursionError) as error:
        reason = f"is not JSON: {error}"
    if reason is not None:
        raise InvalidDocumentError(
            what="A document", reason=f"its metadata {reason}", hint="Give strings, numbers, lists and dicts."
        )
    return frozen


def _unreadable(metadata: dict[str, Any]) -> str | None:
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH + 1):
        if any(type(value) is int and abs(value) >= 10**MAX_INTEGER_DIGITS for value in level):
            return f"has an integer of more than {MAX_INTEGER_DIGITS} digits"
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return None
    return f"is nested more than {MAX_METADATA_DEPTH} levels deep"


def decode(data: bytes) -> CommitRecord:
    """Read a ``metadata.json`` that may be torn, altered or hostile.

    Args:
        data: The bytes of the file.

    Returns:
        The record; every field is there once and has its type.

    Raises:
        CommitRecordError: It does not hold true, and why.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise CommitRecordError(f"metadata.json is larger than {MAX_RECORD_BYTES // 2**20} MiB")
    if not _checksum_holds(data):
        raise CommitRecordError("metadata.json is cut short or altered: its checksum does not match")
    fields = _parsed(data)
    version = fields.pop("schema_version", None)
    if type(version) is not int or version not in _COLUMNS_OF:
        raise CommitRecordError(
            f"metadata.json has schema version {version!r}, and this doc_io knows up to {SCHEMA_VERSION}"
        )
    if tuple(_FIELD.findall(data)) != _fields(version):  # of two fields of one name the parser would take the last
        raise CommitRecordError(
            "metadata.json was not written by doc_io: it has other fields than a record, or one twice"
        )
    del fields["checksum"]
    try:
        record = CommitRecord(
            parents=_parents_from_json(fields.pop("parents"), version),
            files={path: FileEntry(entry["bytes"], entry["sha256"]) for path, entry in fields.pop("files").items()},
            extras=fields.pop("extras"),
            metadata=fields.pop("metadata"),
            row=fields,
            schema_version=version,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise CommitRecordError(f"metadata.json lacks a field or has one of a wrong type: {error}") from None
    if version == 1:
        record = _upgraded(record)
    _check_types(record)
    return record


def _parents_to_json(record: CommitRecord) -> list[dict[str, object]]:
    """By input, as a step may have read thousands of documents by one of them; their order is kept."""
    if record.schema_version < _FIRST_BY_INPUT:
        return [parent._asdict() for parent in record.parents]
    return [
        {"input_name": name, "doc_ids": [parent.doc_id for parent in parents]}
        for name, parents in groupby(record.parents, attrgetter("input_name"))
    ]


def _parents_from_json(parents: object, version: int) -> tuple[Parent, ...]:
    if type(parents) is not list:
        raise CommitRecordError("parents is no list")
    if version < _FIRST_BY_INPUT:
        return tuple(Parent(**parent) for parent in parents)
    if any(set(each) != {"input_name", "doc_ids"} or type(each["doc_ids"]) is not list for each in parents):
        raise CommitRecordError("the parents of an input are no list")
    return tuple(Parent(doc_id, each["input_name"]) for each in parents for doc_id in each["doc_ids"])


def _upgraded(record: CommitRecord) -> CommitRecord:
    """A record of the first form with the columns that it lacks; it is still written as it was."""
    prompt = record.files.get(PROMPT_NAME)
    row = {**record.row, "score": None, "prompt_hash": None if prompt is None else prompt.sha256}
    if len(row) != len(RECORD_COLUMNS):
        raise CommitRecordError("metadata.json has other fields than a record")
    return replace(record, row={column: row[column] for column in RECORD_COLUMNS})


def _line(name: str, value: object) -> str:
    if value is None:  # every other field; starting the encoder for it takes longer than the rest of its line
        return f'  "{name}": null,\n'
    if type(value) is str:
        return f'  "{name}": {encode_basestring_ascii(value)},\n'
    return f'  "{name}": {_to_json(value.value if isinstance(value, Status) else value)},\n'


_CHECKSUM_LENGTH = len('  "checksum": ""\n}\n') + 64


def _checksum_holds(data: bytes) -> bool:
    if not data.startswith(b"{\n"):
        return False
    body, end = data[2:-_CHECKSUM_LENGTH], data[-_CHECKSUM_LENGTH:]
    return end == b'  "checksum": "%s"\n}\n' % hashlib.sha256(body).hexdigest().encode("ascii")


def _parsed(data: bytes) -> dict[str, Any]:
    # The checksum only guards against accidents: anyone can compute one over a hostile record. Deep nesting raises
    # RecursionError and a number of thousands of digits ValueError (Python's int_max_str_digits).
    try:
        fields = _from_json(data.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise CommitRecordError(f"metadata.json is not JSON that can be read: {error}") from None
    if not isinstance(fields, dict):
        raise CommitRecordError("metadata.json holds no object")
    return fields


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_from_json = json.JSONDecoder(parse_constant=_refused).decode


def _check_types(record: CommitRecord) -> None:
    _check_row(record.row)
    for path, entry in record.files.items():
        if not _FILE.fullmatch(path):
            raise CommitRecordError(f"the manifest names a file that no document has: {printable(path, limit=100)}")
        if not _is_count(entry.size) or type(entry.sha256) is not str:
            raise CommitRecordError("an entry of the manifest has a wrong type")
    for parent in record.parents:
        if unstorable(parent.doc_id) or unstorable(parent.input_name):
            raise CommitRecordError("a parent is no name")
    if type(record.metadata) is not dict or type(record.extras) is not dict:
        raise CommitRecordError("metadata or extras is no object")


def _check_row(row: Mapping[str, Any]) -> None:
    if tuple(row) != RECORD_COLUMNS:
        raise CommitRecordError("metadata.json has other fields than a record")
    for name, value in row.items():
        if value is None and name not in _REQUIRED:
            continue
        right = (
            _is_count(value)
            if name in _COUNTS
            else type(value) is float and math.isfinite(value)
            if name == "score"
            else type(value) is dict
            if name == "meta_small"
            else not unstorable(value)
        )
        if not right:
            raise CommitRecordError(f"{name} is missing or of a wrong type")
    if not all(isinstance(value, _SMALL) for value in row["meta_small"].values()):
        raise CommitRecordError("meta_small holds something that is not small")
    if row["status"] not in _STATUSES:
        raise CommitRecordError("status is none of the five")
    if not (is_id(row["doc_id"]) and is_id(row["logical_key_id"])):
        raise CommitRecordError("doc_id or logical_key_id is not an id")
    if not (_CREATED_AT.fullmatch(row["created_at"]) and _is_time(row["created_at"])):
        raise CommitRecordError("created_at is not a time in the form of the index")


def _is_time(created_at: str) -> bool:
    try:
        datetime.fromisoformat(created_at.removesuffix("Z"))  # there is no 13th month
    except ValueError:
        return False
    return created_at < END_OF_TIME


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


RECORD_COLUMNS: tuple[str, ...] = tuple(column for column in COLUMNS if column not in ("seq", "doc_dir"))
"""What the record says of the row; ``seq`` follows from the insert, ``doc_dir`` from the ids."""

_REQUIRED = frozenset({"doc_id", "logical_key_id", "stage", "task_id", "attempt", "status", "created_at", "meta_small"})
_COUNTS = ("usage_prompt_tokens", "usage_completion_tokens", "usage_max_tokens", "raw_chars", "parsed_chars")
_SMALL = (str, int, float, type(None))
_STATUSES = frozenset(status.value for status in Status)
_FILE = re.compile(rf"(?:{RAW_NAME}|{PARSED_NAME}|{PROMPT_NAME}|{EXTRAS_FOLDER}/[A-Za-z0-9_%~-][A-Za-z0-9_%~.-]*)")
_CREATED_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_FIELD = re.compile(rb'\n  "(\w+)": ')  # the newline as such: found twice as fast as by an anchor
_COLUMNS_OF = {
    1: tuple(column for column in RECORD_COLUMNS if column not in ("score", "prompt_hash")),
    2: RECORD_COLUMNS,
    3: RECORD_COLUMNS,
}
"""What a record of each version says of the row."""
_FIRST_BY_INPUT = 3  # the version from which on parents are listed by their input


@cache
def _fields(version: int) -> tuple[bytes, ...]:
    names = ("schema_version", *_COLUMNS_OF[version], "parents", "files", "extras", "metadata", "checksum")
    return tuple(name.encode("ascii") for name in names)
