"""Random kills: writers, readers, a spool and every upkeep on one root, struck at random moments, for as long as one likes.

``python -m tests.faults.soak --kills 10000`` (``make soak``). Prints the seed first and ends with 1 where a promise was broken. A writer that was
killed is followed by one that first sends its last attempt again, as a retry would.

What strikes: SIGKILL; SIGTERM or SIGINT, often twice, after which a process must end by itself; SIGSTOP for up to three
seconds, with whatever it holds; a docs root that is unmounted or read-only for a moment, when errors are right and losses are
not. The clocks of a third of the processes jump.

Essays are pruned all the time, so that the store stays small however long it runs; what is made of an essay (a note) and what came over the spool
(a letter) is never pruned. ``tests.faults.soak_judge`` knows what may be gone at the end.
"""

from __future__ import annotations

import argparse
import faulthandler
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
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from doc_io import DocIOError, Document, DocumentRow, DocumentStore, clock, maintenance
from doc_io.errors import MaintenanceBusyError
from doc_io.maintenance.prune import Policy
from doc_io.writing.draft import Origin, make_drafts
from doc_io.writing.spool import spool as keep
from tests.faults import mutants
from tests.faults.roots import TroubledRoot
from tests.faults.soak_judge import GRACE, Said, judge
from tests.faults.writers import docs, open_store, spool_folder

TASKS = 12
STATUSES = ("ok", "ok", "ok", "gen_error", "truncated")
POLICY = Policy(stage="essay", grace=timedelta(seconds=GRACE))
END = " ."
TAIL = 4096  # bytes; a line of a diary has some 200
TO_END = 20.0  # seconds a process may take after SIGTERM or SIGINT
ENDING = (signal.SIGTERM, signal.SIGINT)
_utc_now = clock.utc_now


def document_of(attempt: str) -> Document:
    """The document of an attempt: any process that is told the name makes the same."""
    chance = random.Random(attempt)  # noqa: S311 - a seed that can be repeated is the point
    return Document(f"{attempt}\n" * chance.randrange(1, 900), status=chance.choice(STATUSES), extras={"a": attempt})


class Diary:
    """What a process says, a line each, in a file that outlives it.

    Args:
        path: The file.
        troubles: A file that grows by a byte when trouble with the docs root begins, and when it ends.
    """

    def __init__(self, path: Path, troubles: Path) -> None:
        self._troubles, self._known = troubles, troubles.stat().st_size
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(self._descriptor, b"\n")  # a kill may have come in the middle of a line, at the border of two pages

    def say(self, *words: str) -> None:
        """Write one line, and say that this is all of it."""
        os.write(self._descriptor, f"{' '.join(words)}{END}\n".encode())

    def acknowledged(self, row: DocumentRow, began: float = 0.0) -> None:
        """Say that a document is safe now.

        Args:
            row: The document.
            began: When its first write began, by the clock of the machine. Default: not known.
        """
        facts = row.stage, row.task_id, row.status.value, row.created_at, repr(began)
        self.say("acknowledged", row.doc_id, str(row.content_hash), *facts)

    def broken(self, what: str) -> bool:
        """Say that a promise was broken; or that something failed as it should, where the docs root was in trouble."""
        size = self._troubles.stat().st_size
        excused = size != self._known or size % 2 == 1
        self._known = size - size % 2  # the next failure needs an excuse of its own
        self.say(*(("did", "fail in trouble") if excused else ("broken", what)))
        return excused


def write(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Save attempt after attempt, the one of unknown outcome first; now and then what is made of the latest one."""
    names = (f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}" for _ in itertools.count())
    with open_store(root) as store:
        for name in itertools.chain([unfinished] if unfinished else [], names):
            diary.say("begins", name)
            document = document_of(name)
            began = time.time()
            row = store.save(document, stage="essay", task_id=name.split("/")[0], run_id="soak", attempt=name)
            assert row.content_hash == hashlib.sha256((document.raw or "").encode()).hexdigest()
            diary.acknowledged(row, 0.0 if name == unfinished else began)
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
                    diary.broken(f"promise 5 or 9: the latest of task {task} went back in time")
                newest[task] = latest.created_at
            if number % 50 == 0:
                diary.say("did", "read")


def read_one(store: DocumentStore, diary: Diary, row: DocumentRow) -> None:
    """A document whose row is there is whole; one that was pruned since its row was read has no row any more."""
    try:
        raw = store.read(row, "raw").encode()
    except DocIOError as error:
        if store.get(row.doc_id) is not None:
            diary.broken(f"promise 2: {row.doc_id} has a row and no text: {error}")
        return
    if hashlib.sha256(raw).hexdigest() != row.content_hash:
        diary.broken(f"promise 3: {row.doc_id} was read in part")


def open_and_close(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Open the store, write once, close it: a last connection that closes takes SQLite's log away."""
    names = (f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}" for _ in itertools.count())
    for name in itertools.chain([unfinished] if unfinished else [], names):
        diary.say("begins", name)
        began = time.time()
        with open_store(root) as store:
            row = store.save(
                document_of(name), stage="essay", task_id=name.split("/", maxsplit=1)[0], run_id="soak", attempt=name
            )
        diary.acknowledged(row, 0.0 if name == unfinished else began)


def upkeep(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Make the index anew, or prune, again and again, while the others use both."""
    with open_store(root) as store:
        for number in itertools.count(chance.randrange(4)):  # a process may not live for four of them
            with suppress(MaintenanceBusyError):  # another one is at it, or was killed and is still dying
                if number % 4:
                    pruned = maintenance.prune(store, POLICY, dry_run=False)
                    diary.say("did", "prune", str(len(pruned.documents)))
                    if pruned.finished:
                        diary.say("did", "end an interrupted prune", str(len(pruned.finished)))
                else:
                    if rejected := maintenance.reindex(store).rejected:
                        diary.broken(f"promise 6: {rejected[0]}")
                    diary.say("did", "reindex")
            time.sleep(chance.uniform(0, 0.1))


def spool(root: Path, diary: Diary, chance: random.Random, unfinished: str | None) -> None:
    """Keep letters in the spool, and file what is there."""
    with open_store(root) as store:
        for number in itertools.count():
            name = f"{chance.randrange(TASKS)}/{secrets.token_hex(6)}"
            origin = Origin(stage="letter", task_id=name.split("/", maxsplit=1)[0], run_id="soak", attempt=name)
            keep(spool_folder(root), make_drafts([(f"letter {name}\n" * 40, origin)]), owner=store.owner)
            diary.say("spooled", name)
            if number % 3 == 0:
                for filed in maintenance.recover(store, spool_folder(root)):
                    if filed.error is not None:
                        diary.broken(f"promise 5: {filed.doc_id} stays in the spool: {filed.error}")
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


ROUTINE = ("prune", "reindex", "read", "recover")
"""What must have been done in the meantime, beside writing; until then there are more kills than were asked for."""
MAX_MORE = 5  # times as many


STRIKES = {"SIGKILL": 60, "SIGTERM": 8, "SIGINT": 8, "SIGTERM twice": 4, "SIGINT twice": 4, "SIGSTOP": 10, "root": 6}
"""What strikes, and how often of a hundred."""


class Crew:
    """The processes, one for each role, begun anew after every kill."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder, self._chance = folder, chance
        self.root = folder / "root"
        self.docs_root = TroubledRoot(docs(self.root))
        self._troubles = folder / "troubles"
        self._troubles.touch()
        self._stopped: dict[int, float] = {}  # process to when it goes on
        self.strikes: Counter[str] = Counter()
        self.problems: list[str] = []
        with open_store(self.root) as store:  # an unmounted root can be told from a new one when there is a document
            store.save("the first", stage="first", task_id="first")
        self._running = [self._begin(number) for number in range(len(ROLES))]

    def strike(self) -> None:
        """Do something to one of them, or to the docs root."""
        [what] = self._chance.choices(list(STRIKES), list(STRIKES.values()))
        [number] = self._chance.choices(range(len(ROLES)), [OFTEN[role] for role in ROLES])
        self.strikes[what] += 1
        self._go_on()
        if what == "root":
            self._trouble()
        elif what == "SIGSTOP":
            os.kill(self._running[number], signal.SIGSTOP)
            self._stopped.setdefault(self._running[number], time.monotonic() + self._chance.uniform(0, GRACE / 3))
        else:
            self._end(number, what)
            self._running[number] = self._begin(number)

    def _end(self, number: int, what: str) -> None:
        process, (name, *twice) = self._running[number], what.split()
        os.kill(process, signal.Signals[name])
        if twice:
            time.sleep(self._chance.uniform(0, 0.02))
            os.kill(process, signal.Signals[name])
        if self._stopped.pop(process, None):
            os.kill(process, signal.SIGCONT)
        deadline = time.monotonic() + TO_END
        while os.waitpid(process, os.WNOHANG) == (0, 0):
            self._go_on()
            if time.monotonic() > deadline:
                os.kill(process, signal.SIGUSR1)
                time.sleep(0.5)
                trace = self._trace(number).read_text()
                self.problems.append(
                    f"promise 11: {ROLES[number].__name__} did not end within {TO_END:g} s of {what}: {trace!r}"
                )
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                break
            time.sleep(0.001)

    def _go_on(self) -> None:
        """Let those go on that were stopped for long enough."""
        for process, until in list(self._stopped.items()):
            if until < time.monotonic():
                os.kill(process, signal.SIGCONT)
                del self._stopped[process]

    def _trouble(self) -> None:
        """Take the docs root away, or make it read-only; not while it is walked, as a walk does not see that it was away."""
        keepers = [number for number, role in enumerate(ROLES) if role is upkeep]
        for number in keepers:
            self._end(number, "SIGKILL")
        self._append_to_troubles()
        with self._chance.choice([self.docs_root.away, self.docs_root.read_only])():
            time.sleep(self._chance.uniform(0, 0.3))
        self._append_to_troubles()
        for number in keepers:
            self._running[number] = self._begin(number)

    def _append_to_troubles(self) -> None:
        with self._troubles.open("ab") as file:
            file.write(b".")

    def stop(self) -> None:
        """Kill them all."""
        for child in self._running:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def settle(self) -> None:
        """Send the attempts again whose outcome nobody knows: a retry converges."""
        with open_store(self.root) as store:
            for name in filter(None, map(self._unfinished, range(len(ROLES)))):
                task = name.split("/", maxsplit=1)[0]
                store.save(document_of(name), stage="essay", task_id=task, run_id="soak", attempt=name)

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
        seed = self._chance.randrange(2**32)
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until the child can tell them
        child = os.fork()
        if child:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            return child
        try:
            chance = random.Random(seed)  # noqa: S311 - see above
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # as Dagster's processes do
            signal.signal(signal.SIGINT, signal.default_int_handler)
            faulthandler.register(signal.SIGUSR1, self._trace(number).open("w"))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            if chance.randrange(3) == 0:
                jump(chance, forward=3600 if ROLES[number] is upkeep else 2)
            self._live(number, chance)
        finally:  # whatever happens: a fork must never run on into the parent's code
            os._exit(1)

    def _live(self, number: int, chance: random.Random) -> None:
        diary = Diary(self._diary(number), self._troubles)
        try:
            while True:
                try:
                    ROLES[number](self.root, diary, chance, self._unfinished(number))
                except DocIOError as error:
                    if not diary.broken(f"{ROLES[number].__name__} ended: {error}"):
                        return
                    time.sleep(0.02)
        except (SystemExit, KeyboardInterrupt):
            diary.say("did", "end by itself")
        except BaseException:  # noqa: BLE001 - whatever it is, it is to be seen
            diary.broken(f"{ROLES[number].__name__} crashed: {traceback.format_exc()!r}")

    def _unfinished(self, number: int) -> str | None:
        """The attempt that was begun last, which may be sent again."""
        begun = (line.split()[1] for line in reversed(self._last_lines(number)) if line.startswith("begins "))
        return next(begun, None)

    def _diary(self, number: int) -> Path:
        return self._folder / f"diary-{number}"

    def _trace(self, number: int) -> Path:
        return self._folder / f"trace-{number}"

    def _last_lines(self, number: int) -> list[str]:
        """The end of a diary: it grows, and a kill must not take longer for that."""
        path = self._diary(number)
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().decode().splitlines()[1:] if file.tell() > TAIL else path.read_text().splitlines()
            return [line for line in lines if line.endswith(END)]


def jump(chance: random.Random, forward: float) -> None:
    """Let the clock of this process jump: an hour back, and so many seconds forward."""
    off = timedelta(0)

    def jumping() -> datetime:
        nonlocal off
        if chance.randrange(20) == 0:
            off = timedelta(seconds=chance.choice([0, -3600, -5, forward]))
        return _utc_now() + off

    clock.utc_now = jumping


def soak(folder: Path, kills: int, seed: int) -> tuple[Said, list[str]]:
    """Strike that often, and until all of `ROUTINE` was done; then look at everything.

    Returns:
        What was said, and what is broken.
    """
    chance = random.Random(seed)  # noqa: S311 - see above
    crew = Crew(folder, chance)
    try:
        for number in range(1, kills * MAX_MORE + 1):
            time.sleep(chance.uniform(0, 0.03))
            crew.strike()
            if number % 1000 == 0:
                print(f"{number} kills", flush=True)
            since = number - kills
            if since >= 0 and since % 20 == 0 and all(Said(crew.said(), time.time()).did[what] for what in ROUTINE):
                break
    finally:
        crew.stop()
    print(", ".join(f"{count} × {what}" for what, count in sorted(crew.strikes.items())), flush=True)
    said = Said(crew.said(), time.time())
    crew.settle()
    try:
        return said, crew.problems + said.broken + judge(crew.root, said, POLICY)
    finally:
        crew.docs_root.close()


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
