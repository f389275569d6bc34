"""Ways in which a document's folder can be damaged: by disks, by people, and by those who forge records."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

RECORD = "metadata.json"


def forged(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite a record the way doc_io writes it, checksum and all, with something else in it."""
    fields = json.loads((folder / RECORD).read_text())
    del fields["checksum"]
    change(fields)
    body = "".join(f'  "{name}": {json.dumps(value)},\n' for name, value in fields.items())
    _seal(folder, body)


def missing_raw(folder: Path) -> None:
    """A file is gone."""
    (folder / "raw.txt").unlink()


def cut_text(folder: Path) -> None:
    """A text is cut short."""
    path = folder / "raw.txt"
    os.truncate(path, path.stat().st_size - 1)


def longer_text(folder: Path) -> None:
    """A text has grown."""
    with (folder / "raw.txt").open("ab") as file:
        file.write(b"!")


def missing_record(folder: Path) -> None:
    """The commit record is gone."""
    (folder / RECORD).unlink()


def empty_record(folder: Path) -> None:
    """The commit record is empty, as after a power cut without fsync."""
    (folder / RECORD).write_bytes(b"")


def cut_record(folder: Path) -> None:
    """The commit record is cut in the middle."""
    os.truncate(folder / RECORD, (folder / RECORD).stat().st_size // 2)


def flipped_record(folder: Path) -> None:
    """One bit of the commit record is another."""
    data = bytearray((folder / RECORD).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / RECORD).write_bytes(data)


def deep_json(folder: Path) -> None:
    """A record nested so deep that a parser runs out of stack; its checksum holds."""
    _seal(folder, f'  "schema_version": {"[" * 100_000}{"]" * 100_000},\n')


def huge_number(folder: Path) -> None:
    """A number of five thousand digits; the checksum holds."""
    _seal(folder, f'  "schema_version": {"9" * 5_000},\n')


def too_large_for_a_column(folder: Path) -> None:
    """A count that no database column holds; the checksum holds."""
    forged(folder, lambda fields: fields.update(raw_chars=2**70))


def wrong_type(folder: Path) -> None:
    """A list where a text should be; the checksum holds."""
    forged(folder, lambda fields: fields.update(stage=["draft"]))


def another_documents_id(folder: Path) -> None:
    """A whole record of another document; the checksum holds."""
    forged(folder, lambda fields: fields.update(doc_id="0" * 16))


def another_stage(folder: Path) -> None:
    """A record that belongs into another folder; the checksum holds."""
    forged(folder, lambda fields: fields.update(stage="../../etc"))


def not_an_object(folder: Path) -> None:
    """JSON, but no object."""
    (folder / RECORD).write_text("[1, 2]")


DAMAGES: tuple[Callable[[Path], None], ...] = (
    missing_raw,
    cut_text,
    longer_text,
    missing_record,
    empty_record,
    cut_record,
    flipped_record,
    deep_json,
    huge_number,
    too_large_for_a_column,
    wrong_type,
    another_documents_id,
    another_stage,
    not_an_object,
)


def _seal(folder: Path, body: str) -> None:
    checksum = hashlib.sha256(body.encode()).hexdigest()
    (folder / RECORD).write_text(f'{{\n{body}  "checksum": "{checksum}"\n}}\n')
