"""Random kills: writers, readers, a spool and every upkeep on one root, SIGKILL at random moments, for as long as one likes.

``python -m tests.faults.soak --kills 10000`` (``make soak``). Prints the seed first and ends with 1 where a promise was broken. A writer that was
killed is followed by one that first sends its last attempt again, as a retry would.

Essays are pruned all the time, so that the store stays small however long it runs; what is made of an essay (a note) and what came over the spool
(a letter) is never pruned. ``tests.faults.soak_judge`` knows what may be gone at the end.
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
from datetime import timedelta
from pathlib import Path

from doc_io import DocIOError, Document, DocumentRow, DocumentStore, maintenance
from doc_io.errors import MaintenanceBusyError
from doc_io.maintenance.prune import Policy
from doc_io.writing.draft import Origin, make_drafts
from doc_io.writing.spool import spool as keep
from tests.faults import mutants
from tests.faults.soak_judge import GRACE, Said, judge
from tests.faults.writers import open_store, spool_folder

TASKS = 12
STATUSES = ("ok", "ok", "ok", "gen_error", "truncated")
POLICY = Policy(stage="essay", grace=timedelta(seconds=GRACE))
END = " ."
TAIL = 4096  # bytes; a line of a diary has some 200


def document_of(attempt: str) -> Document:
    """The document of an attempt: any process that is told the name makes the same."""
    chance = random.Random(attempt)  # noqa: S311 - a seed that can be repeated is the point
    return Document(f"{attempt}\n" * chance.randrange(1, 900), status=chance.choice(STATUSES), extras={"a": attempt})


class Diary:
    """What a process says, a line each, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(self._descriptor, b"\n")  # a kill may have come in the middle of a line, at the border of two pages

    def say(self, *words: str) -> None:
        """Write one line, and say that this is all of it."""
        os.write(self._descriptor, f"{' '.join(words)}{END}\n".encode())

    def acknowledged(self, row: DocumentRow) -> None:
        """Say that a document is safe now."""
        self.say(
            "acknowledged", row.doc_id, str(row.content_hash), row.stage, row.task_id, row.status.value, row.created_at
        )


def write(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Save attempt after attempt, the one of unknown outcome first; now and then what is made of the latest one."""
    names = (f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}" for _ in itertools.count())
    with open_store(root) as store:
        for name in itertools.chain([unfinished] if unfinished else [], names):
            diary.say("begins", name)
            document = document_of(name)
            row = store.save(document, stage="essay", task_id=name.split("/")[0], run_id="soak", attempt=name)
            assert row.content_hash == hashlib.sha256((document.raw or "").encode()).hexdigest()
            diary.acknowledged(row)
            time.sleep(chance.uniform(0, 0.01))  # a pruning must keep up, or the store grows and each kill takes longer
            if chance.randrange(200) == 0:  # a note stays for good, and its essay with it: few, or the store grows
                write_note(store, diary, name)


def write_note(store: DocumentStore, diary: Diary, name: str) -> None:
    """Save what is made of an essay, which then may never go: within the grace period it was the latest when it was read."""
    task, began = name.split("/", maxsplit=1)[0], time.monotonic()
    parent = store.latest("essay", task)
    if parent is None:
        return
    note = store.save(f"of {name}", stage="note", task_id=task, run_id="soak", attempt=name, parents=[parent.doc_id])
    diary.acknowledged(note)
    if time.monotonic() - began < GRACE / 2:  # on a machine that stood still meanwhile the essay may have gone first
        diary.say("bound", note.doc_id, parent.doc_id)


def read(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Read the latest of a task and its history again and again: each is whole, and time never runs backwards."""
    newest: dict[str, str] = {}
    with open_store(root) as store:
        for number in itertools.count():
            task = str(chance.randrange(TASKS))
            latest = store.latest("essay", task)
            rows = store.history("essay", task)[:3] + store.history("essay", task)[-2:] + ([latest] if latest else [])
            for row in rows:
                read_one(store, diary, row)
            if latest:
                if latest.created_at < newest.get(task, ""):
                    diary.say("broken", f"promise 5 or 9: the latest of task {task} went back in time")
                newest[task] = latest.created_at
            if number % 50 == 0:
                diary.say("did", "read")


def read_one(store: DocumentStore, diary: Diary, row: DocumentRow) -> None:
    """A document whose row is there is whole; one that was pruned since its row was read has no row any more."""
    try:
        raw = store.read(row, "raw").encode()
    except DocIOError as error:
        if store.get(row.doc_id) is not None:
            diary.say("broken", f"promise 2: {row.doc_id} has a row and no text: {error}")
        return
    if hashlib.sha256(raw).hexdigest() != row.content_hash:
        diary.say("broken", f"promise 3: {row.doc_id} was read in part")


def open_and_close(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Open the store, write once, close it: a last connection that closes takes SQLite's log away."""
    while True:
        name = f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}"
        with open_store(root) as store:
            row = store.save(
                document_of(name), stage="essay", task_id=name.split("/", maxsplit=1)[0], run_id="soak", attempt=name
            )
        diary.acknowledged(row)


def upkeep(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Make the index anew, or prune, again and again, while the others use both."""
    with open_store(root) as store:
        while True:
            with suppress(MaintenanceBusyError):  # another one is at it, or was killed and is still dying
                if chance.randrange(4):
                    pruned = maintenance.prune(store, POLICY, dry_run=False)
                    diary.say("did", "prune", str(len(pruned.documents)))
                    if pruned.finished:
                        diary.say("did", "end an interrupted prune", str(len(pruned.finished)))
                else:
                    assert not maintenance.reindex(store).rejected
                    diary.say("did", "reindex")
            time.sleep(chance.uniform(0, 0.1))


def spool(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Keep letters in the spool, and file what is there."""
    with open_store(root) as store:
        while True:
            name = f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}"
            origin = Origin(stage="letter", task_id=name.split("/", maxsplit=1)[0], run_id="soak", attempt=name)
            keep(spool_folder(root), make_drafts([(f"letter {name}\n" * 40, origin)]), owner=store.owner)
            diary.say("spooled", name)
            if chance.randrange(3) == 0:
                for filed in maintenance.recover(store, spool_folder(root)):
                    if filed.error is not None:
                        diary.say("broken", f"promise 5: {filed.doc_id} stays in the spool: {filed.error}")
                    elif filed.row is not None:
                        diary.acknowledged(filed.row)
                        diary.say("did", "recover")
            time.sleep(chance.uniform(0, 0.2))


Role = Callable[[Path, Diary, random.Random, "str | None"], None]

ROLES: tuple[Role, ...] = (
    write,
    write,
    write,
    read,
    read,
    open_and_close,
    upkeep,
    upkeep,
    spool,
)

OFTEN: dict[Role, int] = {write: 4, read: 4, open_and_close: 4, spool: 4, upkeep: 1}
"""How often each is killed: a pruning or a rebuild takes longer than a write, and some must come to an end."""


class Crew:
    """The processes, one for each role, begun anew after every kill."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder, self._chance = folder, chance
        self.root = folder / "root"
        self.root.mkdir()
        self._running = [self._begin(number) for number in range(len(ROLES))]

    def kill_one(self) -> None:
        """Kill one of them and begin it anew."""
        (number,) = self._chance.choices(range(len(ROLES)), [OFTEN[role] for role in ROLES])
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
        return [
            line.removesuffix(END).split()
            for number in range(len(ROLES))
            if self._diary(number).exists()
            for line in self._diary(number).read_text().splitlines()
            if line.endswith(END)
        ]

    def _begin(self, number: int) -> int:
        unfinished = next(
            (
                line.split()[1]
                for line in reversed(self._last_lines(number))
                if line.startswith("begins ") and line.endswith(END)
            ),
            None,
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

    def _last_lines(self, number: int) -> list[str]:
        """The end of a diary: it grows, and a kill must not take longer for that."""
        path = self._diary(number)
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            return file.read().decode().splitlines()[1:] if file.tell() > TAIL else path.read_text().splitlines()


def soak(folder: Path, kills: int, seed: int) -> tuple[Said, list[str]]:
    """Kill that often, then look at everything.

    Returns:
        What was said, and what is broken.
    """
    chance = random.Random(seed)  # noqa: S311 - see above
    crew = Crew(folder, chance)
    try:
        for number in range(1, kills + 1):
            time.sleep(chance.uniform(0, 0.03))
            crew.kill_one()
            if number % 1000 == 0:
                print(f"{number} kills", flush=True)
    finally:
        crew.stop()
    said = Said(crew.said(), time.time())
    return said, said.broken + judge(crew.root, said, POLICY)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how often to kill (default: 1000)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**32), help="of the kills' times (default: a new one)"
    )
    parser.add_argument("--mutant", default="", help="a store that is wrong on purpose (default: none)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    if options.mutant:
        getattr(mutants, options.mutant)()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doc_io-soak-") as folder:
        said, broken = soak(Path(folder), options.kills, options.seed)
    did = ", ".join(f"{what} {count}" for what, count in sorted(said.did.items()))
    print(
        f"{options.kills} kills, {len(said.acknowledged)} documents acknowledged, {len(said.spooled)} spooled,"
        f" {len(broken)} promises broken, {time.monotonic() - began:.0f} s; {did}"
    )
    print("\n".join(broken[:50]))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
