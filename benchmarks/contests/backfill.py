"""Bringing old files in, against a bare durable copy of the same files into the same folders."""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.floors import TEXT, TWO_FILES, fsync_folder
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from doc_io import DocumentStore, legacy

COPY = "by hand: a durable copy, 64 documents at a time"
_AT_ONCE = 64
_VERSIONS = 4
_BEYOND = 1 / 2000  # seconds a file: what doc_io may take beside the copy and its fsyncs


def contests(setting: Setting) -> Iterator[Contest]:
    """One file: a raw text and a commit record, in a folder of their own; and a run that finds all of it there."""
    folder = setting.folder / "backfill"
    files = 64 if setting.short else 1024
    data = folder / "data"
    _legacy_tree(data, files)
    filed: list[float] = []
    copied: list[float] = []
    yield Contest(
        f"backfill {files} files of 8 KB, each",
        [
            Lane(COPY, _copy(folder, data, files, copied)),
            Lane("doc_io backfill", _backfill(folder, data, files, filed), COPY),
            Lane("doc_io backfill again, nothing new", _again(folder, data, files), COPY, goal_seconds=_BEYOND),
        ],
        setting.rounds,
        facts=lambda: _beyond(filed, copied),
    )


def _beyond(filed: list[float], copied: list[float]) -> dict[str, str | float]:
    beyond = statistics.median(one - other for one, other in zip(filed, copied, strict=True))
    told = f"{1 / beyond:,.0f}" if beyond > 0 else "no time beyond the copy was measured"
    return {"files a second beyond the copy (median of the rounds; the goal is 2,000)": told}


def _legacy_tree(data: Path, files: int) -> None:
    raw = data / "3_generation" / "draft_responses_raw"
    raw.mkdir(parents=True)
    for number in range(files):
        (raw / f"task {number // _VERSIONS}_v{number % _VERSIONS + 1}.txt").write_text(f"{number} {TEXT}")


def _copy(folder: Path, data: Path, files: int, took: list[float]) -> Timed:
    """Every file into a new folder in the folder of its task, with a record beside it; all of a batch, then its fsyncs."""
    rounds = itertools.count()
    record = TWO_FILES["metadata.json"]

    def run() -> float:
        root = folder / f"copy-{next(rounds)}" / "draft"
        root.mkdir(parents=True)
        sources = sorted((data / "3_generation" / "draft_responses_raw").iterdir())
        with timed(files) as watch:
            for first in range(0, files, _AT_ONCE):
                _copy_batch(root, sources[first : first + _AT_ONCE], record)
        took.append(watch.per_operation)
        return watch.per_operation

    return run


def _copy_batch(root: Path, sources: list[Path], record: bytes) -> None:
    written: list[int] = []
    folders: dict[Path, None] = {}
    for source in sources:
        final = root / source.name.rpartition("_v")[0] / source.stem
        final.parent.mkdir(exist_ok=True)
        temporary = final.with_name(f".tmp-{final.name}")
        temporary.mkdir()
        for name, content in (("raw.txt", source.read_bytes()), ("metadata.json", record)):
            descriptor = os.open(temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(descriptor, content)
            written.append(descriptor)
        temporary.rename(final)
        folders |= dict.fromkeys((final, final.parent, root))
    for descriptor in written:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # starts the write-back, as doc_io does
    for descriptor in written:
        os.fsync(descriptor)
        os.close(descriptor)
    for each in folders:
        fsync_folder(each)


def _backfill(folder: Path, data: Path, files: int, took: list[float]) -> Timed:
    rounds = itertools.count()

    def run() -> float:
        number = next(rounds)
        with DocumentStore(folder / f"docs-{number}", folder / f"docs-{number}.sqlite") as store:
            store.history("draft", "none")  # makes the schema
            with timed(files) as watch:
                legacy.backfill(store, data)
        took.append(watch.per_operation)
        return watch.per_operation

    return run


def _again(folder: Path, data: Path, files: int) -> Timed:
    def run() -> float:
        with DocumentStore(folder / "docs-again", folder / "docs-again.sqlite") as store:
            legacy.backfill(store, data)
            with timed(files) as watch:
                legacy.backfill(store, data)
        return watch.per_operation

    return run
