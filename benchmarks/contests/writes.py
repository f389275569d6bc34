"""Writing one durable document, and a hundred at once."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.floors import FOUR_FILES, PROMPT, TEXT, TWO_FILES, RawIndex, fsync_folder, row, textbook_write
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from benchmarks.seeded import seeded_store
from doc_io import Document, DocumentStore, Origin

FLOOR = "by hand: 4 files, textbook"
MANY = 100


def contests(setting: Setting) -> Iterator[Contest]:
    """One write against its floors, and against the size of the index."""
    folder = setting.folder / "writes"
    folder.mkdir()
    index = RawIndex(folder / "raw.sqlite")
    fast = RawIndex(folder / "fast.sqlite", synchronous="OFF")
    floor = Lane(FLOOR, _by_hand(folder / "four", index, setting.batch, FOUR_FILES, textbook_write))
    with DocumentStore(folder / "docs", folder / "docs.sqlite") as store:
        yield Contest(
            "write one document",
            [
                floor,
                Lane(
                    "by hand: 2 files, textbook",
                    _by_hand(folder / "two", index, setting.batch, TWO_FILES, textbook_write),
                    FLOOR,
                ),
                Lane(
                    "by hand: 4 files, no fsync",
                    _by_hand(folder / "lost", fast, setting.batch, FOUR_FILES, _not_durable),
                    FLOOR,
                    note="gone on power loss",
                ),
                Lane(
                    "by hand: 4 files, doc_io's recipe",
                    _by_hand(folder / "recipe", index, setting.batch, FOUR_FILES, _recipe),
                    FLOOR,
                ),
                Lane("doc_io save", _save(store, setting.batch), FLOOR, goal=0.80),
                Lane(f"doc_io save_many of {MANY}, each", _save_many(store), FLOOR, goal=0.40),
            ],
            setting.rounds,
        )
    yield from _growth(setting, folder, floor)
    index.close()
    fast.close()


def _growth(setting: Setting, folder: Path, floor: Lane) -> Iterator[Contest]:
    """The same write with ever more rows in the index."""
    stores = [(size, seeded_store(folder, size)[0]) for size in setting.sizes]
    lanes = [
        Lane(f"doc_io save at {size:,} rows", _save(store, setting.batch), FLOOR, goal=0.80, size=size)
        for size, store in stores
    ]
    yield Contest("write against size", [floor, *lanes], setting.rounds)
    for _, store in stores:
        store.close()


def _by_hand(
    folder: Path,
    index: RawIndex,
    batch: int,
    files: Mapping[str, bytes],
    write: Callable[[Path, Mapping[str, bytes]], None],
) -> Timed:
    """A lane that makes the key's folder, the document's folder with the files, and the row."""
    folder.mkdir()
    number = itertools.count()
    name = folder.name

    def run() -> float:
        with timed(batch) as watch:
            for _ in range(batch):
                doc_id = f"{name}{next(number):08d}"
                key = folder / f"key-{doc_id}"
                key.mkdir()
                write(key / doc_id, files)
                if write is not _not_durable:
                    fsync_folder(folder)  # the key's folder is new, as in the first save of a task
                index.insert(row(doc_id, doc_id))
        return watch.per_operation

    return run


def _not_durable(folder: Path, files: Mapping[str, bytes]) -> None:
    textbook_write(folder, files, durable=False)


def _recipe(folder: Path, files: Mapping[str, bytes]) -> None:
    """The recipe of doc_io's local storage without doc_io: what is left between this lane and ``save`` is Python."""
    temporary = folder.with_name(f".tmp-{folder.name}")
    temporary.mkdir()
    descriptors = []
    for name, content in files.items():
        descriptor = os.open(temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        os.write(descriptor, content)
        descriptors.append(descriptor)
    temporary.rename(folder)
    for descriptor in descriptors:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    for descriptor in descriptors:
        os.fsync(descriptor)
        os.close(descriptor)
    fsync_folder(folder)
    fsync_folder(folder.parent)


def _document() -> Document:
    return Document(
        TEXT, parsed=TEXT.strip(), prompt=PROMPT, template_id="template-1", model_id="model-1", finish_reason="stop"
    )


def _save(store: DocumentStore, batch: int) -> Timed:
    number = itertools.count()
    document = _document()

    def run() -> float:
        with timed(batch) as watch:
            for _ in range(batch):
                store.save(document, stage="essay", task_id=f"task-{next(number)}", run_id="run-1")
        return watch.per_operation

    return run


def _save_many(store: DocumentStore) -> Timed:
    number = itertools.count()
    document = _document()

    def run() -> float:
        documents = [
            (document, Origin(stage="essay", task_id=f"many-{next(number)}", run_id="run-1")) for _ in range(MANY)
        ]
        with timed(MANY) as watch:
            store.save_many(documents)
        return watch.per_operation

    return run
