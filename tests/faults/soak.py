"""Random kills: writers, readers and upkeep on one root, SIGKILL at random moments, for as long as one likes.

``python -m tests.faults.soak --kills 10000`` (``make soak``). Prints the seed first and ends with 1 where a promise was broken. A writer that was
killed is followed by one that first sends its last attempt again, as a retry would.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import random
import secrets
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from doc_io import DocIOError, Document
from doc_io.errors import UpkeepBusyError
from tests.faults.promises import broken_promises
from tests.faults.writers import open_store

TASKS = 12
STATUSES = ("ok", "ok", "ok", "gen_error", "truncated")


def document_of(attempt: str) -> Document:
    """The document of an attempt: any process that is told the name makes the same."""
    chance = random.Random(attempt)  # noqa: S311 - a seed that can be repeated is the point
    return Document(f"{attempt}\n" * chance.randrange(1, 900), status=chance.choice(STATUSES), extras={"a": attempt})


class Diary:
    """What a process says, a line each, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, *words: str) -> None:
        """Write one line, wholly or not at all."""
        os.write(self._descriptor, (" ".join(words) + "\n").encode())


def write(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Save attempt after attempt, the one of unknown outcome first."""
    names = (f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}" for _ in itertools.count())
    with open_store(root) as store:
        for name in itertools.chain([unfinished] if unfinished else [], names):
            diary.say("begins", name)
            document = document_of(name)
            row = store.save(document, stage="essay", task_id=name.split("/")[0], run_id="soak", attempt=name)
            diary.say("acknowledged", row.doc_id, hashlib.sha256((document.raw or "").encode()).hexdigest())


def read(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Read the latest of a task and its history again and again: each is whole, and time never runs backwards."""
    newest: dict[str, str] = {}
    with open_store(root) as store:
        while True:
            task = str(chance.randrange(TASKS))
            latest = store.get_latest_by_task("essay", task)
            rows = store.history("essay", task)[:3] + ([latest] if latest else [])
            for row in rows:
                raw = store.read(row, "raw").encode()
                if hashlib.sha256(raw).hexdigest() != row.content_hash:
                    diary.say("broken", f"promise 3: {row.doc_id} was read in part")
            if latest:
                if latest.created_at < newest.get(task, ""):
                    diary.say("broken", f"promise 5: the latest of task {task} went back in time")
                newest[task] = latest.created_at


def open_and_close(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Open the store, write once, close it: a last connection that closes takes SQLite's log away."""
    while True:
        name = f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}"
        with open_store(root) as store:
            store.save(
                document_of(name), stage="essay", task_id=name.split("/", maxsplit=1)[0], run_id="soak", attempt=name
            )


def reindex(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Make the index anew again and again, while the others use it."""
    with open_store(root) as store:
        while True:
            with suppress(UpkeepBusyError):  # the one that was killed may still be dying
                store.reindex()
            time.sleep(chance.uniform(0, 0.3))


ROLES: tuple[Callable[[Path, Diary, random.Random, str | None], None], ...] = (
    write,
    write,
    write,
    read,
    open_and_close,
)


class Crew:
    """The processes, one for each role, begun anew after every kill."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder, self._chance = folder, chance
        self.root = folder / "root"
        self.root.mkdir()
        self._running = [self._begin(number) for number in range(len(ROLES))]

    def kill_one(self) -> None:
        """Kill one of them and begin it anew."""
        number = self._chance.randrange(len(ROLES))
        os.kill(self._running[number], signal.SIGKILL)
        os.waitpid(self._running[number], 0)
        self._running[number] = self._begin(number)

    def stop(self) -> None:
        """Kill them all."""
        for child in self._running:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def said(self) -> list[list[str]]:
        """Everything that was said, in words."""
        return [line.split(" ", 2) for number in range(len(ROLES)) for line in self._lines(number)]

    def _begin(self, number: int) -> int:
        unfinished = next(
            (line.split()[1] for line in reversed(self._lines(number)) if line.startswith("begins")), None
        )
        seed = self._chance.randrange(2**32)
        child = os.fork()
        if child:
            return child
        diary = Diary(self._diary(number))
        try:
            ROLES[number](self.root, diary, random.Random(seed), unfinished)  # noqa: S311 - see above
        except DocIOError as error:
            diary.say("broken", f"{ROLES[number].__name__} ended: {error}")
        except BaseException:  # noqa: BLE001 - a fork must never run on into the parent's code
            diary.say("broken", f"{ROLES[number].__name__} crashed: {traceback.format_exc()!r}")
        os._exit(1)

    def _diary(self, number: int) -> Path:
        return self._folder / f"diary-{number}"

    def _lines(self, number: int) -> list[str]:
        path = self._diary(number)
        return path.read_text().splitlines() if path.exists() else []


def soak(folder: Path, kills: int, seed: int) -> tuple[int, list[str]]:
    """Kill that often, then look at everything.

    Returns:
        How many documents were acknowledged, and what is broken.
    """
    chance = random.Random(seed)  # noqa: S311 - see above
    crew = Crew(folder, chance)
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0, 0.03))
            crew.kill_one()
    finally:
        crew.stop()
    said = crew.said()
    acknowledged = {words[1]: words[2] for words in said if words[0] == "acknowledged"}
    broken = [" ".join(words[1:]) for words in said if words[0] == "broken"]
    return len(acknowledged), broken + broken_promises(crew.root, acknowledged)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how often to kill (default: 1000)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**32), help="of the kills' times (default: a new one)"
    )
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doc_io-soak-") as folder:
        acknowledged, broken = soak(Path(folder), options.kills, options.seed)
    print(
        f"{options.kills} kills, {acknowledged} documents acknowledged, {len(broken)} promises broken, {time.monotonic() - began:.0f} s"
    )
    print("\n".join(broken[:50]))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
