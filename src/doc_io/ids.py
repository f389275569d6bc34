"""Identity: keys, document ids, and the only place where a user's string becomes part of a path.

Keys are unambiguous: every part is hashed with its length, so no two different inputs meet by concatenation.
Path segments are injective (two strings never share one) and contained (none can leave its folder, on any storage).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from doc_io.errors import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ID_LENGTH = 16
"""Characters of a logical key id and of a doc id: 82 bits, so that a billion documents meet with odds under 1 in 10^7."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = [low + high for high in _BASE36 for low in _BASE36]  # two digits at a time: an id is made twice a save
_ID = re.compile(rf"[0-9a-z]{{{ID_LENGTH}}}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_UNSAFE = re.compile(rb"[^A-Za-z0-9_.-]")
_UNSAFE_STEM = re.compile(r'[/\\%~:*?"<>|#]')
_MAX_SEGMENT = 200  # bytes; a local name holds 255, and room is left for what a storage adds to a temporary name
_KEPT_OF_LONG = 160


def compute_logical_key_id(stage: str, identifiers: Mapping[str, str]) -> str:
    """The identity of a product, whatever the attempt; the second folder of its path.

    Args:
        stage: Kind of document, for example ``"essay"``.
        identifiers: What tells this product from others of its stage: ``source``, ``template_id``, ``model_id`` and
            any of the user's own. The order does not matter; an absent name and an empty value are different keys.

    Returns:
        16 base36 characters, the same for the same input on every machine.

    Raises:
        InvalidDocumentError: A name or a value is not a string.
    """
    parts = ["logical_key", stage]
    for name in sorted(identifiers):
        parts += [name, identifiers[name]]
    return _digest(parts)


def new_doc_id(logical_key_id: str, run_id: str, attempt_or_ts: str | float) -> str:
    """The id of one attempt; the third folder of its path.

    Args:
        logical_key_id: From `compute_logical_key_id`.
        run_id: The run that makes the attempt.
        attempt_or_ts: What tells this attempt from others of the run: a name, a number or a time.

    Returns:
        16 base36 characters; the same attempt sent twice gets the same id, any other gets another.

    Raises:
        InvalidDocumentError: An argument is not a string or a number.
    """
    if isinstance(attempt_or_ts, (int, float)):
        attempt_or_ts = repr(attempt_or_ts)
    return _digest(["document", logical_key_id, run_id, attempt_or_ts])


def parent_list_id(parents: Sequence[tuple[str, str]]) -> str:
    """The id of a list of parents, by which the documents that have it share it.

    Args:
        parents: Document and input name of each, in order.

    Returns:
        16 base36 characters; another order is another list.
    """
    return _base36(json.dumps(["parents", *parents]).encode("ascii"))


def stage_of_key(parts: Iterable[str]) -> str:
    """The stage of an asset's key: its parts, joined by dots.

    A dot inside of a part is escaped: ``["a.b"]`` and ``["a", "b"]`` are two assets, and must be two stages.
    """
    return ".".join(part.replace("%", "%25").replace(".", "%2E") for part in parts)


def is_id(text: str) -> bool:
    """Whether a text has the form of a doc id or a logical key id; says nothing about its being there."""
    return _ID.fullmatch(text) is not None


def unstorable(name: object) -> str | None:
    """Why a value cannot be a name in a database; ``None`` where it can.

    PostgreSQL refuses a NUL in a text, and neither it nor SQLite takes a lone surrogate.
    """
    if not isinstance(name, str):
        return f"it is {type(name).__name__}, not a string"
    if "\0" in name:
        return "it has a NUL character"
    if not name.isascii() and _SURROGATE.search(name):
        return "it has a lone surrogate and is not valid Unicode"
    return None


def are_storable(*names: object) -> bool:
    """Whether all names can be stored; a database raises on one that it cannot hold, where the answer is "none"."""
    return not any(map(unstorable, names))


def path_segment(name: str) -> str:
    """Turn any string into one name of a path.

    Letters, digits, ``_``, ``-`` and inner dots stay; every other byte of the UTF-8 text is percent-encoded, and so is
    a dot at either end (hidden files, ``.`` and ``..``; Windows drops a trailing one). A long name keeps its start and
    ends in ``~`` and a hash; ``~`` appears nowhere else.

    Args:
        name: Any string, empty, hostile, or not valid Unicode.

    Returns:
        1 to 200 ASCII characters without a separator.
    """
    if len(name) <= _MAX_SEGMENT and _PLAIN.fullmatch(name):
        return name
    data = name.encode("utf-8", "surrogatepass")
    if not data:
        return "~"
    encoded = _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], data).decode("ascii")
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    if encoded.endswith("."):
        encoded = encoded[:-1] + "%2E"
    if len(encoded) <= _MAX_SEGMENT:
        return encoded
    return f"{encoded[:_KEPT_OF_LONG]}~{hashlib.sha256(data).hexdigest()[:39]}"


def file_stem(name: str) -> str:
    """The start of a file name in the legacy layout: the name itself where every storage can hold it.

    People find their files by it, so spaces and letters of any script stay. What could leave the folder, hide, act on
    a terminal, or be taken for an encoded name becomes a `path_segment`; those hold a ``%`` or ``~``, these never.

    Args:
        name: Any string.

    Returns:
        1 to 200 bytes of UTF-8 without a separator; two strings never share one.
    """
    # A lone surrogate is not printable, so what is can be encoded.
    readable = name.isprintable() and name[:1] not in ("", ".") and not _UNSAFE_STEM.search(name)
    return name if readable and len(name.encode()) <= _MAX_SEGMENT else path_segment(name)


def doc_dir(stage: str, logical_key_id: str, doc_id: str) -> str:
    """The folder of a document, relative to the docs root, with ``/`` between its three segments."""
    return f"{path_segment(stage)}/{logical_key_id}/{doc_id}"


def _digest(parts: Iterable[object]) -> str:
    hashed = b""
    for part in parts:
        if not isinstance(part, str):
            raise InvalidDocumentError(
                what=f"An identity with {part!r}",
                reason=f"it is {type(part).__name__}, not a string",
                hint="Give strings.",
            )
        data = part.encode("utf-8", "surrogatepass")
        hashed += b"%d:%b" % (len(data), data)
    return _base36(hashed)


def _base36(hashed: bytes) -> str:
    number = int.from_bytes(hashlib.sha256(hashed).digest(), "big") % 36**ID_LENGTH
    pairs = []
    for _ in range(ID_LENGTH // 2):
        number, pair = divmod(number, 36**2)
        pairs.append(_PAIRS[pair])
    return "".join(pairs)
