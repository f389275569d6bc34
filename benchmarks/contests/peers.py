"""The same four verbs asked of other libraries, side by side with doc_io and the floor, in one run."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.contests.queries import TOTALS
from benchmarks.contests.reads import LATEST
from benchmarks.floors import FOUR_FILES, TEXT, VERSIONS, RawIndex, fsync_folder, row, seed, textbook_write
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from doc_io import Document, DocumentStore, Origin, reports

MODULES = {
    "dagster": ("dagster_files", "Dagster FilesystemIOManager"),
    "kedro": ("kedro_text", "Kedro versioned text"),
    "mlflow": ("mlflow_runs", "MLflow"),
    "zenml": ("zenml_artifacts", "ZenML"),
    "dvc": ("dvc_files", "DVC"),
    "diskcache": ("diskcache_pointer", "diskcache with a latest pointer"),
}
"""What to import to see that a peer is there, its module here, and its name in the table."""

SIZES = (0, 10_000, 100_000)
FILL_SECONDS = 20.0
BATCH = 5
HERE = Path(__file__).parents[2]


class Contender:
    """A peer in a process of its own, with its own interpreter."""

    def __init__(self, python: str, module: str, name: str, root: Path) -> None:
        root.mkdir()
        self.name = name
        self.filled = 0
        self._numbers = itertools.count()
        self._errors = (root.parent / f"{root.name}.log").open("w")
        self._process = subprocess.Popen(  # noqa: S603 - an interpreter the person at the keyboard named
            [python, "-m", "benchmarks.peers.worker", module, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=HERE,
            text=True,
        )
        self.lacks = str(self._answer()["lacks"])

    def ask(self, verb: str, keys: list[str], **more: float) -> dict[str, float]:
        """One order and its answer."""
        if self._process.stdin is None:
            raise AssertionError(self.name)
        print(json.dumps({"verb": verb, "keys": keys, **more}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, float]:
        if self._process.stdout is None:
            raise AssertionError(self.name)
        line = self._process.stdout.readline()
        if not line:
            message = f"{self.name} ended; see {self._errors.name}"
            raise RuntimeError(message)
        answer: dict[str, float] = json.loads(line)
        return answer

    def lane(self, verb: str, keys: list[str], floor: str) -> Lane | None:
        """Its lane in the contest of a verb; ``None`` where it has no such thing."""
        asked = keys[:1] if verb in ("history", "totals") else keys
        if self.ask(verb, asked).get("cannot"):
            return None
        return Lane(
            self.name,
            lambda: self.ask(verb, asked)["seconds"],
            floor,
            note=f"holds {self.filled:,} versions",
        )

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait(timeout=60)
        self._errors.close()


def contests(setting: Setting) -> Iterator[Contest]:
    """Write, read the latest, history and totals; empty, and with many versions in each library."""
    for size in SIZES[:1] if setting.short else SIZES:
        folder = setting.folder / f"peers-{size}"
        folder.mkdir()
        peers = _installed(setting, folder)
        keys = [f"key-{number}" for number in range(max(BATCH, size // VERSIONS))]
        for peer in peers:
            peer.filled = int(
                peer.ask("fill", list(itertools.islice(itertools.cycle(keys), size)), seconds=FILL_SECONDS)["filled"]
            )
        index = RawIndex(folder / "raw.sqlite")
        index.connection.execute("CREATE INDEX history ON documents (stage, task_id, created_at)")
        seed(folder / "raw.sqlite", size)
        (folder / "hand").mkdir()
        batch = keys[:BATCH]
        with DocumentStore(folder / "docs", folder / "docs.sqlite") as store:
            for _ in range(size // len(keys)):
                store.save_many([(TEXT, Origin(stage="essay", task_id=key)) for key in keys])
            ours = {
                "write": (_write_by_hand(folder / "hand", index, batch), _write(store, batch)),
                "read": (_read_by_hand(folder / "hand", index, batch), _read(store, batch)),
                "history": (_history_by_hand(index), _history(store, batch)),
                "totals": (_totals_by_hand(index), _totals(store)),
            }
            yield from _verbs(setting.rounds, ours, peers, batch, size)
        index.close()
        for peer in peers:
            peer.close()


def _installed(setting: Setting, folder: Path) -> list[Contender]:
    """The peers that can be asked: those an interpreter was named for, and those installed beside doc_io."""
    found = []
    for name, (module, title) in MODULES.items():
        python = setting.peers.get(name) or (sys.executable if importlib.util.find_spec(name) else None)
        if python:
            found.append(Contender(python, module, title, folder / name))
    return found


def _verbs(
    rounds: int, ours: Mapping[str, tuple[Timed, Timed]], peers: list[Contender], keys: list[str], size: int
) -> Iterator[Contest]:
    floor = "by hand, durable"
    for verb, (by_hand, doc_io) in ours.items():
        lanes = [Lane(floor, by_hand), Lane("doc_io", doc_io, floor)]
        others = {peer.name: peer.lane(verb, keys, floor) for peer in peers}
        lanes += [lane for lane in others.values() if lane is not None]
        said = {name: "has no such thing" for name, lane in others.items() if lane is None}
        if verb == "write":
            said |= {peer.name: peer.lacks for peer in peers}
        yield Contest(f"peers: {verb} at {size:,} versions", lanes, rounds, said.copy)


def _write_by_hand(folder: Path, index: RawIndex, keys: list[str]) -> Timed:
    numbers = itertools.count()
    for key in keys:
        (folder / key).mkdir()
    fsync_folder(folder)

    def run() -> float:
        with timed(len(keys)) as watch:
            for key in keys:
                doc_id = f"hand{next(numbers):012d}"
                textbook_write(folder / key / doc_id, FOUR_FILES)
                index.insert(row(doc_id, key, number=10**8, stage=key))
        return watch.per_operation

    return run


def _read_by_hand(folder: Path, index: RawIndex, keys: list[str]) -> Timed:
    doc_id = LATEST.format("doc_id")

    def run() -> float:
        with timed(len(keys)) as watch:
            for key in keys:
                (name,) = index.connection.execute(doc_id, (key, key)).fetchone()
                with open(f"{folder}/{key}/{name}/raw.txt", "rb") as file:  # noqa: PTH123 - the call itself is the floor
                    file.read().decode()
        return watch.per_operation

    return run


def _history_by_hand(index: RawIndex) -> Timed:
    def run() -> float:
        with timed() as watch:
            index.connection.execute(
                "SELECT * FROM documents WHERE stage = 'essay' AND task_id = 'seeded-0'"
            ).fetchall()
        return watch.per_operation

    return run


def _totals_by_hand(index: RawIndex) -> Timed:
    def run() -> float:
        with timed() as watch:
            index.connection.execute(TOTALS).fetchall()
        return watch.per_operation

    return run


def _totals(store: DocumentStore) -> Timed:
    def run() -> float:
        with timed() as watch:
            reports.usage(store, "model_id")
        return watch.per_operation

    return run


def _write(store: DocumentStore, keys: list[str]) -> Timed:
    document = Document(
        TEXT, parsed=TEXT.strip(), prompt="Write two pages about the fox.", template_id="t", model_id="m"
    )

    def run() -> float:
        with timed(len(keys)) as watch:
            for key in keys:
                store.save(document, stage="essay", task_id=key)
        return watch.per_operation

    return run


def _read(store: DocumentStore, keys: list[str]) -> Timed:
    def run() -> float:
        with timed(len(keys)) as watch:
            for key in keys:
                found = store.latest("essay", key)
                if found is None or not store.read(found):
                    raise AssertionError(key)
        return watch.per_operation

    return run


def _history(store: DocumentStore, keys: list[str]) -> Timed:
    def run() -> float:
        with timed() as watch:
            store.history("essay", keys[0])
        return watch.per_operation

    return run
