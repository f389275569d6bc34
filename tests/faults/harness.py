"""Runs writers under the preloaded library, once for each call to break, and judges what is left.

A *writer* (``tests.faults.writers``) changes a root and says what was acknowledged; a *mutant* (``tests.faults.mutants``) is a way to write
that is wrong on purpose; ``tests.faults.promises`` says what must hold afterwards.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults import replay
from tests.faults.promises import broken_promises

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


@dataclass(frozen=True)
class Fault:
    """What happens to the ``at``-th call: an errno, or with none SIGKILL; ``lasting``: to all that follow as well."""

    at: int = 0
    error: int = 0
    lasting: bool = False


NO_FAULT = Fault()


@dataclass(frozen=True)
class Outcome:
    """What one run of a writer left."""

    root: Path
    log: Path

    @property
    def calls(self) -> list[replay.Call]:
        """What was done and said, in order."""
        return replay.read_log(self.log)

    @property
    def notes(self) -> list[dict[str, object]]:
        """What was said."""
        return replay.notes(self.calls)

    @property
    def acknowledged(self) -> dict[str, str]:
        """Doc id to the hash of the text, of what the writer was told is safe."""
        return acknowledged(self.calls)


def acknowledged(calls: Iterable[replay.Call]) -> dict[str, str]:
    """Doc id to the hash of the text, of what was acknowledged in a log."""
    return {note["acknowledged"]: note["sha256"] for note in replay.notes(list(calls)) if "acknowledged" in note}


def build_library(folder: Path) -> Path:
    """Compile ``calls.c`` with the system's compiler."""
    library = folder / "libcalls.so"
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        str(library),
        str(HERE / "calls.c"),
        "-lpthread",
    ]
    subprocess.run(command, check=True)
    return library


class Bench:
    """One writer (perhaps a mutant), ready to be run any number of times.

    Args:
        library: From `build_library`.
        folder: Scratch space of the test.
        writer: A module of ``tests.faults`` and a name in it, such as ``writers.save``.
        mutant: A name in ``tests.faults.mutants``. Default: the real thing.
        before: The tree that every run starts from, all of it durable. Default: nothing.
    """

    def __init__(self, library: Path, folder: Path, writer: str, mutant: str = "", before: Path | None = None) -> None:
        self._folder, self._before = folder, before
        self._errors = folder / "driver.txt"  # a step that fails prints a traceback, and hundreds will fail
        self._stderr = self._errors.open("wb")
        # sys.executable: a shim would be preloaded too.
        self._driver = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver", writer, mutant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            cwd=REPOSITORY,
            env={
                **os.environ,
                "LD_PRELOAD": str(library),
                "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}",
            },
        )
        self._count = 0

    def close(self) -> None:
        """Let the driver end."""
        self._driver.communicate(timeout=30)
        self._stderr.close()

    def run(
        self, fault: Fault = NO_FAULT, *, again: bool = False, on: Outcome | None = None, microseconds: int = 0
    ) -> Outcome:
        """Run the writer in a fork of its own.

        Args:
            fault: What to break.
            again: Whether the same process then writes the same once more, with nothing broken.
            on: The outcome of an earlier run whose root and log to go on with. Default: a new root.
            microseconds: How long each call takes at least. Default: what it takes.

        Returns:
            What was left.
        """
        self._count += 1
        root = on.root if on else self._folder / f"root-{self._count}"
        log = on.log if on else self._folder / f"log-{self._count}"
        if not on and self._before:
            shutil.copytree(self._before, root)
        root.mkdir(exist_ok=True)
        order = {
            "root": str(root), "log": str(log), "at": fault.at, "error": fault.error, "lasting": fault.lasting, "again": again,
            "microseconds": microseconds,
        }  # fmt: skip
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(json.dumps(order) + "\n")
        self._driver.stdin.flush()
        assert self._driver.stdout.readline(), self._errors.read_text()
        return Outcome(root, log)

    def count(self) -> int:
        """How many calls a run makes in which nothing is broken."""
        outcome = self.run()
        assert outcome.acknowledged, outcome.notes
        (calls,) = (note["calls"] for note in outcome.notes if "calls" in note)
        self.forget(outcome)
        assert isinstance(calls, int)
        return calls

    def forget(self, outcome: Outcome) -> None:
        """Make room."""
        shutil.rmtree(outcome.root)
        outcome.log.unlink()

    def judged(self, fault: Fault) -> list[str]:
        """What is broken after one run with a fault and a retry without, on the running system and after a power cut."""
        outcome = self.run(fault, again=bool(fault.error))
        if fault.at and not fault.error:
            outcome = self.run(on=outcome)
        broken = self._retried(outcome)
        self.forget(outcome)
        return broken

    def killed_at_every_call(self, step: int = 1) -> Iterator[tuple[str, list[str]]]:
        """Kill at every call, or every so many; then the same attempt again in a new process. Yields where, and what was broken."""
        for at in range(1, self.count() + 1, step):
            outcome = self.run(Fault(at))
            # On a copy: looking at a root changes it, and the retry goes on with what the kill left.
            yield f"kill at {at}", self.judge(replay.read_tree(outcome.root), outcome.acknowledged)
            outcome = self.run(on=outcome)
            yield f"kill at {at}, retried", self._retried(outcome)
            self.forget(outcome)

    def failed_at_every_call(self, error: int, *, lasting: bool, step: int = 1) -> Iterator[tuple[str, list[str]]]:
        """Fail every call, or every so many; then the same attempt again in the same process. Yields where, and what was broken."""
        for at in range(1, self.count() + 1, step):
            outcome = self.run(Fault(at, error, lasting), again=True)
            yield f"errno {error} at {at}, retried", self._retried(outcome)
            self.forget(outcome)

    def cut_everywhere(self, seed: int) -> Iterator[tuple[str, list[str]]]:
        """Cut the power after every call of a whole run. Yields the state, and what was broken in it."""
        outcome = self.run()
        yield from self._crash_states(outcome.calls, seed)
        self.forget(outcome)

    def _crash_states(self, calls: Sequence[replay.Call], seed: int) -> Iterator[tuple[str, list[str]]]:
        """Every state a cut could have left after each call; the same state is judged once."""
        disk = self.disk_before(calls)
        chance, seen = random.Random(seed), set()  # noqa: S311 - a seed that can be repeated is the point
        promised: dict[str, str] = {}
        for position, call in enumerate(calls):
            promised |= acknowledged([call])
            disk.apply(call)
            for name, tree in disk.crash_states(chance):
                state = hash((tuple(sorted(tree.items())), len(promised)))
                if state not in seen:
                    seen.add(state)
                    yield f"cut after call {position}: {name}", self.judge(tree, promised)

    def judge(self, tree: replay.Tree, promised: dict[str, str]) -> list[str]:
        """Build a state and say what is broken in it."""
        root = self._folder / "state"
        root.mkdir()
        replay.write_tree(root, tree)
        try:
            return broken_promises(root, promised)
        finally:
            shutil.rmtree(root)

    def _retried(self, outcome: Outcome) -> list[str]:
        """What is broken after a retry, on the running system and, were the power cut now, on the disk."""
        calls = outcome.calls
        broken = self.judge(replay.read_tree(outcome.root), outcome.acknowledged)
        broken += [f"an error that is not of doc_io: {note['crashed']}" for note in outcome.notes if "crashed" in note]
        if not any(note.get("finished") for note in outcome.notes):
            broken.append(f"the retry did not succeed: {outcome.notes}")
        disk = self.disk_before(calls)
        for call in calls:
            disk.apply(call)
        for name, tree in disk.worst_states():
            broken += [f"{name}: {problem}" for problem in self.judge(tree, outcome.acknowledged)]
        return broken

    def disk_before(self, calls: Sequence[replay.Call]) -> replay.Disk:
        """The disk as it was before these calls."""
        path = Path(next(call.path for call in calls if call.path))
        root = self._folder / path.relative_to(self._folder).parts[0]
        return replay.Disk(root, replay.read_tree(self._before) if self._before else None)


@contextmanager
def bench(library: Path, folder: Path, writer: str, mutant: str = "", before: Path | None = None) -> Iterator[Bench]:
    """A `Bench` that is closed at the end."""
    made = Bench(library, folder, writer, mutant, before)
    try:
        yield made
    finally:
        made.close()


def prepared(writer: str, scratch: Path) -> Path | None:
    """What a writer begins with, where it begins with anything."""
    module, _, name = writer.rpartition(".")
    prepare = importlib.import_module(f"tests.faults.{module}").BEFORE.get(name)
    if prepare is None:
        return None
    before = scratch / "before"
    before.mkdir()
    prepare(before)
    return before
