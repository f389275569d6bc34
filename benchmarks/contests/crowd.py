"""Thirty-two processes writing into one docs root and one index at once."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.floors import FOUR_FILES, PROMPT, TEXT, RawIndex, fsync_folder, row, textbook_write
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed

FLOOR = "by hand: a raw writer loop in each process"


Writer = Callable[[Path, int], Callable[[int], None]]
"""Makes, in a process of its own with a number of its own, what writes the n-th document."""


@dataclass(frozen=True)
class Turn:
    """What one process saw: when it began and ended (monotonic), its longest single write, and what went wrong."""

    began: float
    ended: float
    longest: float
    errors: list[str]


def contests(setting: Setting) -> Iterator[Contest]:
    """Throughput against a loop by hand, the longest wait of any writer, and how many writes failed."""
    folder = setting.folder / "crowd"
    folder.mkdir()
    processes, writes = (4, 5) if setting.short else (32, 20)
    for place in ("hand", "docs"):
        (folder / place).mkdir()
    RawIndex(folder / "raw.sqlite").close()
    errors: list[str] = []
    waits: list[float] = []
    hand_waits: list[float] = []

    def crowd(writer: Writer, kept: list[float], seen: list[str]) -> Timed:
        numbers = iter(range(10_000))

        def run() -> float:
            turns = _together(folder, processes, writes, writer, next(numbers))
            kept.append(max(turn.longest for turn in turns))
            seen.extend(error for turn in turns for error in turn.errors)
            return (max(turn.ended for turn in turns) - min(turn.began for turn in turns)) / (processes * writes)

        return run

    hand_errors: list[str] = []
    rounds = 1 if setting.short else 3
    yield Contest(
        f"{processes} processes writing, per document",
        [
            Lane(FLOOR, crowd(hand_writer, hand_waits, hand_errors)),
            Lane(
                "doc_io save",
                crowd(store_writer, waits, errors),
                FLOOR,
                goal=1 / 0.9,
                note="1.11 is 0.9 of the floor's throughput",
            ),
        ],
        rounds,
        lambda: {
            "writes a round": processes * writes,
            "longest wait by hand, s": round(max(hand_waits), 3),
            "longest wait of doc_io, s (goal 0.5)": round(max(waits), 3),
            "errors by hand": len(hand_errors),
            "errors of doc_io (goal 0)": len(errors),
            **({"first error of doc_io": errors[0]} if errors else {}),
        },
    )


def _together(folder: Path, processes: int, writes: int, writer: Writer, round_: int) -> list[Turn]:
    """Start the processes, let all begin at one instant, and gather what they saw."""
    context = multiprocessing.get_context("spawn")  # as Dagster's multiprocess executor does
    barrier = context.Barrier(processes)
    told: Queue[Turn] = context.Queue()
    running = [
        context.Process(
            target=_write,
            args=(writer, (folder, round_ * processes + number), writes, barrier, told),
            daemon=True,
        )
        for number in range(processes)
    ]
    for process in running:
        process.start()
    turns = [told.get(timeout=300) for _ in running]
    for process in running:
        process.join()
    return turns


def _write(writer: Writer, who: tuple[Path, int], writes: int, barrier: Barrier, told: Queue[Turn]) -> None:
    write = writer(*who)
    longest, errors = 0.0, []
    barrier.wait(timeout=300)
    began = before = time.monotonic()
    for each in range(writes):
        try:
            write(each)
        except Exception as error:  # noqa: BLE001 - every failure counts, whatever it is
            errors.append(f"{type(error).__name__}: {error}")
        now = time.monotonic()
        longest, before = max(longest, now - before), now
    told.put(Turn(began, before, longest, errors))


def hand_writer(folder: Path, number: int) -> Callable[[int], None]:
    """What a process does by hand for one document; the connection is held."""
    index = RawIndex(folder / "raw.sqlite")
    stage = folder / "hand"

    def write(each: int) -> None:
        doc_id = f"{number:08d}{each:08d}"
        key = stage / f"key-{doc_id}"
        key.mkdir()
        textbook_write(key / doc_id, FOUR_FILES)
        fsync_folder(stage)
        index.insert(row(doc_id, doc_id))

    return write


def store_writer(folder: Path, number: int) -> Callable[[int], None]:
    """What a process does with doc_io."""
    from doc_io import Document, DocumentStore  # noqa: PLC0415 - the process by hand does not pay for it

    store = DocumentStore(folder / "docs", folder / "docs.sqlite")
    document = Document(TEXT, parsed=TEXT.strip(), prompt=PROMPT, template_id="template-1", model_id="model-1")

    def write(each: int) -> None:
        store.save(document, stage="essay", task_id=f"task-{number}-{each}", run_id="run-1")

    return write
