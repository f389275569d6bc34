"""What is tried with any bytes: each target takes some, and raises where doc_io does what it must not.

``python -m tests.hostile.fuzz decode`` lets atheris look for bytes that reach new code of a target, until one breaks it (``make fuzz`` gives each target
some time). The same targets are tried with Hypothesis on every run of the tests (``test_fuzz.py``).
"""

from __future__ import annotations

import re
import sys
import tempfile
import unicodedata
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from doc_io import reports

try:
    import atheris
except ImportError:  # the targets need none
    atheris = None

# Coverage is counted in modules that are imported here.
with atheris.instrument_imports(include=["doc_io"]) if atheris and __name__ == "__main__" else nullcontext():
    from doc_io import DocIOError, DocumentStore, compute_logical_key_id
    from doc_io.commit_record import CommitRecordError, decode, encode
    from doc_io.document import DocumentRow
    from doc_io.escaping import fenced, printable
    from doc_io.ids import file_stem, path_segment
    from doc_io.legacy.versioned_files import versions_of
    from doc_io.maintenance import removal
    from doc_io.storage.protocols import protocol_of

from tests.hostile.records import signed

PLAIN = re.compile(r"(?!\.)[A-Za-z0-9_.%~-]{1,200}(?<!\.)", re.ASCII)

ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of characters that act, or draw nothing."""


def text_of(data: bytes) -> str:
    """Any string there is: what is no UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def two(data: bytes) -> tuple[str, str]:
    """Two strings, parted by the first 0xff, which no UTF-8 has."""
    one, _, other = data.partition(b"\xff")
    return text_of(one), text_of(other)


def record(data: bytes) -> None:
    """A commit record of any bytes is refused with a reason; one that is believed says the same when it is written again."""
    for each in (data, signed(data.decode("latin-1"))):
        try:
            found = decode(each)
        except CommitRecordError:
            continue
        assert decode(encode(found)) == found


def segment(data: bytes) -> None:
    """A name is one plain segment of a path, and of another name it is another."""
    one, other = two(data)
    assert PLAIN.fullmatch(path_segment(one))
    assert (path_segment(one) == path_segment(other)) == (one == other)
    keys = [compute_logical_key_id("s", {"source": name}) for name in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def stem(data: bytes) -> None:
    """A name of the legacy layout is a plain file, of another name another one, and is found again among any others."""
    one, other = two(data)
    name = file_stem(one)
    assert "/" not in name
    assert "\0" not in name
    assert name not in ("", ".", "..")
    assert len(name.encode()) <= 200
    assert (name == file_stem(other)) == (one == other)
    assert (7, f"{name}_v7.txt") in versions_of(one, [f"{name}_v7.txt", other, f"{other}.txt", f"{other}_v7.txt"])


def shown(data: bytes) -> None:
    """A text that is shown holds nothing that acts, and cannot end the block that it stands in."""
    text = text_of(data)
    assert not {unicodedata.category(character) for character in printable(text)} & ACTING
    fence, *inside, end = fenced(text).split("\n")
    assert fence == f"{end}text"
    assert not any(line.strip().startswith(end) for line in inside)


@cache
def _store() -> DocumentStore:
    folder = tempfile.mkdtemp(prefix="doc_io-fuzz-")
    store = DocumentStore(Path(folder) / "docs")
    store.save("some words in a text", stage="essay", task_id="a/b")
    return store


def searched(data: bytes) -> None:
    """Any words are looked for as words: no query language, no error of the database."""
    for found in reports.search(_store(), text_of(data)):
        assert isinstance(found.row, DocumentRow)


def found(data: bytes) -> None:
    """Any name of a document is found or not."""
    try:
        row = _store().find(text_of(data))
    except DocIOError:
        return
    assert row.task_id == "a/b"


def tombstone(data: bytes) -> None:
    """Any bytes in a removal's place name a document of three segments, or nothing."""
    _store().storage.put(".doc_io/removals/fuzz", data)
    for doc_id, doc_dir in removal.read_tombstone(_store().storage, ".doc_io/removals/fuzz"):
        assert doc_dir.split("/")[2:] == [doc_id]
        _store().storage.folder(doc_dir)


def root(data: bytes) -> None:
    """Any docs root with a password in it is refused without a word of it."""
    user, rest = two(data)
    if "/" in user:  # what follows is a path then, and no password
        return
    try:
        protocol_of(f"s3://{user}:pass-word@{rest}")
    except DocIOError as error:
        said = f"{error} {error!r}"
    else:
        said = "pass-word was taken"
    assert "pass-word" not in said


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (record, segment, stem, shown, searched, found, tombstone, root)
}


def main(name: str, *options: str) -> None:
    """Look for bytes that break a target; libFuzzer's options follow (``-max_total_time=60``)."""
    target: Any = TARGETS[name]
    atheris.Setup([name, *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
