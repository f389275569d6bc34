"""What Dagster's default IO manager keeps, as documents: the texts among its pickles, each at the time of its file.

A pickle can name any function and have it called, and what is nested deep enough ends the process that loads it. So none is
loaded: its opcodes are listed (docs.python.org/3/library/pickletools.html), and one that is nothing but a text has it there.
"""

from __future__ import annotations

import hashlib
import os
import pickletools
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from doc_io.batches import batches
from doc_io.commit_record import encode_text
from doc_io.errors import ConfigurationError
from doc_io.ids import stage_of_key, unstorable
from doc_io.legacy.backfill_result import BackfillReport, BadFile, StageReport, write_bad_files
from doc_io.legacy.backfill_writer import Filing
from doc_io.legacy.reading import Old, OldFile, modified_time
from doc_io.legacy.versioned_files import UNVERSIONED
from doc_io.progress import Progress

if TYPE_CHECKING:
    from doc_io.store import DocumentStore

_BATCH_SIZE = 64
_HINT = "Name $DAGSTER_HOME/storage, or the base_dir of your IO manager, as --data-root."
_RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The folder of a run: outputs of ops, and logs."""


_OF_A_TEXT = frozenset(
    {"PROTO", "FRAME", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STOP"}
    | {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
)
"""The opcodes of a pickled ``str``, in any protocol."""

_KINDS = {
    "EMPTY_DICT": "dict",
    "EMPTY_LIST": "list",
    "EMPTY_SET": "set",
    "NONE": "NoneType",
    "NEWTRUE": "bool",
    "NEWFALSE": "bool",
    "SHORT_BINBYTES": "bytes",
    "BINBYTES": "bytes",
    "BININT": "int",
    "BININT1": "int",
    "BININT2": "int",
    "BINFLOAT": "float",
}
"""Opcodes that such a value begins with."""


@dataclass(frozen=True)
class PickledAsset:
    """An asset whose pickles are brought in.

    Attributes:
        key: Its key, in its parts.
        stage: The stage of its documents.
    """

    key: tuple[str, ...]
    stage: str

    @classmethod
    def named(cls, name: str) -> PickledAsset:
        """From ``a/b``, or ``a/b=stage`` where the asset has a ``doc_io/stage``."""
        key, _, stage = name.partition("=")
        parts = tuple(key.split("/"))
        if any(part in ("", ".", "..") for part in parts):
            raise ConfigurationError(
                setting=f"The asset {name!r}", reason="that is no asset's key", hint="Give it as in blog/draft."
            )
        return cls(parts, stage or stage_of_key(parts))


def backfill_pickles(
    store: DocumentStore,
    storage: str | os.PathLike[str],
    *,
    assets: Sequence[str] = (),
    run_id: str | None = None,
    dry_run: bool = False,
    bad_files: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> BackfillReport:
    """File the texts that Dagster's default IO manager has pickled, each as a document as old as its file.

    Args:
        store: Where to.
        storage: The folder where they lie: ``$DAGSTER_HOME/storage``, or the ``base_dir`` of the IO manager.
        assets: Keys as in ``blog/draft``, or ``blog/draft=STAGE``. The file of that name is the asset without partitions, a
            file in the folder of that name is a partition, one in folders below it is one of several dimensions. Default:
            everything directly in the folder is an asset; where keys have prefixes, name them.
        run_id: The run that the documents belong to. Default: ``backfill-YYYYMMDD``.
        dry_run: Whether to look and count only.
        bad_files: Where the CSV of what was not taken in goes. Default: ``bad_files.csv`` in the folder.
        progress: Progress callback, called with `(done, total)` files. Default: none.

    Returns:
        The counts, and what was not taken in.

    Raises:
        ConfigurationError: There is no such folder or asset, or no file in it; nothing was written.
        StorageError: The docs root failed. What was filed stays; run it again.
        IndexAccessError: The index failed. Likewise.
    """
    root = Path(storage)
    report = BackfillReport(run_id or f"backfill-{datetime.now(timezone.utc):%Y%m%d}", dry_run)
    scans = []
    for asset in _selected(root, assets):
        files = list(_files(root, asset))
        counts = StageReport(asset.stage, table=False, files=len(files))
        report.stages.append(counts)
        scans.append((asset, files, counts))
    total = sum(counts.files for counts in report.stages)
    if not total:
        raise _unusable(root, f"no file was found in {'the assets that were named' if assets else 'it'}")
    filing = Filing(store, report, link=False)
    for asset, files, counts in scans:
        for batch in batches(files, _BATCH_SIZE):
            olds = []
            for path, task_id in batch:
                old = _read(root, asset, path, task_id)
                if isinstance(old, Old):
                    olds.append(old)
                else:
                    counts.bad += 1
                    report.bad_files.append(BadFile(asset.stage, task_id, path, filed=False, reason=old))
            filing.file(olds, None, counts)
            if progress is not None:
                progress(sum(each.done for each in report.stages), total)
    if not dry_run:
        report.bad_files_path = Path(bad_files or root / "bad_files.csv")
        write_bad_files(report.bad_files_path, report.bad_files)
    return report


def _selected(root: Path, assets: Collection[str]) -> list[PickledAsset]:
    if not root.is_dir():
        raise _unusable(root, "there is no such folder")
    named = [PickledAsset.named(each) for each in assets]
    known = bool(named) and all(os.path.lexists(root.joinpath(*asset.key)) for asset in named)
    if not known and _is_dagster_home(root):
        meant = shlex.quote(str(root / "storage"))
        raise _unusable(root, "it is a Dagster home, which keeps them in storage", f"Did you mean --data-root {meant}?")
    for asset in named:
        if not os.path.lexists(root.joinpath(*asset.key)):
            raise ConfigurationError(
                setting=f"The asset {'/'.join(asset.key)}",
                reason=f"{root} has no file or folder of that name",
                hint="Give its whole key, as in blog/draft.",
            )
    return named or [
        PickledAsset((name,), stage_of_key((name,)))
        for name in sorted(each.name for each in root.iterdir())
        if not _RUN.fullmatch(name) and name != "bad_files.csv" and not name.startswith(".")
    ]


def _unusable(root: Path, reason: str, hint: str = _HINT) -> ConfigurationError:
    return ConfigurationError(setting=f"The folder of pickles {root}", reason=reason, hint=hint)


def _is_dagster_home(root: Path) -> bool:
    beside = ("history", "schedules", "logs", ".logs_queue", ".telemetry")
    return (root / "dagster.yaml").is_file() or (
        (root / "storage").is_dir() and any((root / each).is_dir() for each in beside)
    )


def _files(root: Path, asset: PickledAsset) -> Iterator[tuple[str, str]]:
    """Path below the root and task of each file of an asset; a link is followed nowhere."""
    top = root.joinpath(*asset.key)
    if not top.is_dir() or top.is_symlink():
        yield "/".join(asset.key), "/".join(asset.key)
        return
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            # Dagster lays the dimensions of a partition in folders, in the order of their names, as in its key.
            yield path.relative_to(root).as_posix(), "|".join(path.relative_to(top).parts)


def _read(root: Path, asset: PickledAsset, path: str, task_id: str) -> Old | str:
    """The text of a pickle as an old document, or why it is none."""
    reason = unstorable(path)
    if reason is not None:
        return f"the name cannot be stored: {reason}"
    try:
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            modified = modified_time(os.fstat(descriptor).st_mtime_ns)
            data = file.read()
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    text = _text(data)
    if isinstance(text, _Refused):
        return text.reason
    content = encode_text(text)
    old = OldFile(path, UNVERSIONED, content, text, hashlib.sha256(content).hexdigest(), modified)
    return Old(asset.stage, task_id, old, None, asset_key="/".join(asset.key))


@dataclass(frozen=True)
class _Refused:
    """Why a pickle is not taken in."""

    reason: str


def _text(data: bytes) -> str | _Refused:
    try:
        value = _only_text(data)
    except Exception as error:  # noqa: BLE001 - a torn pickle raises anything
        return _Refused(f"it is no pickle of a text: {str(error) or type(error).__name__}")
    if isinstance(value, _Refused):
        return value
    return value or _Refused("it is empty")


def _only_text(data: bytes) -> str | _Refused:
    """The text of a pickle that holds nothing else, from its opcodes."""
    first, texts = "", ["", ""]
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("GLOBAL", "INST", "STACK_GLOBAL"):
            named = ".".join(texts[-2:]) if argument is None else str(argument).replace(" ", ".")
            return _Refused(f"it holds {named}, and only texts are read")
        if opcode.name not in _OF_A_TEXT:
            first = first or opcode.name
        elif isinstance(argument, str):
            texts.append(argument)
    if not first and len(texts) == 3:  # noqa: PLR2004 - one more than it began with
        return texts[-1]
    kind = _KINDS.get(first)
    return _Refused("it is no pickle of a text alone" if kind is None else f"it is a pickle of a {kind}, not of a text")
