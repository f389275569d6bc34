"""Crash states: what a power cut could have left, built from the log of the calls that a writer made.

The model is the strictest that POSIX allows. Data is durable once its file was synced, a name once its folder was synced; of everything else any
part may be missing. The tree is kept as inodes, so that a file written before its folder was renamed is followed to its new name.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEAD = struct.Struct("<cqqIII")
Tree = dict[str, bytes | None]  # path below the root → contents, None for a folder


@dataclass(frozen=True)
class Call:
    """One call that was carried out, or a note (``op`` is ``N``) that the writer made in between."""

    op: str
    number: int
    path: str
    to: str
    data: bytes


@dataclass(eq=False)
class File:
    """Contents as the running system sees them, as they are on the disk, and the writes in between."""

    data: bytes = b""
    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data) or (new size, None)

    def change(self, at: int, data: bytes | None) -> None:
        """Write, or with no data cut or extend to a size."""
        self.pending.append((at, data))
        self.data = changed(self.data, at, data)

    def sync(self) -> None:
        """Make it durable."""
        self.durable = self.data
        self.pending.clear()


@dataclass(eq=False)
class Folder:
    """Names as the running system sees them, every step since they were last durable, oldest first."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    history: list[dict[str, File | Folder]] = field(default_factory=lambda: [{}])

    def keep(self) -> None:
        """Remember that the names changed."""
        self.history.append(dict(self.names))

    def sync(self) -> None:
        """Make them durable."""
        self.history = [dict(self.names)]


def changed(data: bytes, at: int, new: bytes | None) -> bytes:
    """Data after one write, or one change of size."""
    if new is None:
        return data[:at].ljust(at, b"\0")
    return data[:at].ljust(at, b"\0") + new + data[at + len(new) :]


def read_log(path: Path) -> list[Call]:
    """The calls and notes, in the order in which they happened."""
    raw, at, calls = path.read_bytes(), 0, []
    while at < len(raw):
        op, number, _, *lengths = HEAD.unpack_from(raw, at)
        at += HEAD.size
        parts = []
        for length in lengths:
            parts.append(raw[at : at + length])
            at += length
        calls.append(Call(op.decode(), number, parts[0].decode(), parts[1].decode(), parts[2]))
    return calls


def notes(calls: list[Call]) -> list[dict[str, Any]]:
    """What the writer said, in order."""
    return [json.loads(call.data) for call in calls if call.op == "N"]


class Disk:
    """A file system that remembers what was made durable; starts with a tree that was there, durably, before the first call."""

    def __init__(self, root: Path, tree: Tree | None = None) -> None:
        self.prefix = str(root)
        self.top = Folder()
        for path, data in sorted((tree or {}).items()):
            self._put(path, Folder() if data is None else File(data, data))
        for item in self._all(self.top):
            item.sync()

    def apply(self, call: Call) -> None:
        """Carry out one call; a note changes nothing."""
        path, to = (name[len(self.prefix) + 1 :] for name in (call.path, call.to))
        if call.op in "CD":
            self._put(path, Folder() if call.op == "D" else File())
        elif call.op == "U":
            self._take(path)
        elif call.op == "R":
            self._put(to, self._take(path))
        elif call.op == "L":
            self._put(to, self._find(path))
        elif call.op == "A":
            for item in self._all(self.top):
                item.sync()
        elif call.op in "WTS" and not path.endswith(" (deleted)"):
            item = self._find(path)
            if call.op == "S":
                item.sync()
            elif isinstance(item, File):
                item.change(call.number, None if call.op == "T" else call.data)

    def tree(self, names: Callable[[Folder], dict[str, File | Folder]], data: Callable[[File], bytes]) -> Tree:
        """What is found after the cut, where ``names`` and ``data`` say what of each folder and file was kept."""
        found: Tree = {}

        def walk(folder: Folder, prefix: str) -> None:
            for name, item in names(folder).items():
                found[prefix + name] = data(item) if isinstance(item, File) else None
                if isinstance(item, Folder):
                    walk(item, prefix + name + "/")

        walk(self.top, "")
        return found

    def now(self) -> Tree:
        """What the running system sees: the state that a kill leaves."""
        return self.tree(lambda folder: folder.names, kept)

    def crash_states(self, chance: random.Random) -> Iterator[tuple[str, Tree]]:
        """The states a cut at this moment could leave: each way to lose things alone, the worst of all, and two mixtures by chance."""
        yield "nothing lost", self.now()
        for lost, data in (("dropped", dropped), ("zeroed", zeroed), ("torn", torn)):
            yield f"data {lost}", self.tree(lambda folder: folder.names, data)
            # What is last in the order of writing may be first on the disk: the record, before what it vouches for.
            yield f"data {lost}, but the record", self._but_the_record(self.tree(lambda folder: folder.names, data))
        yield from self.worst_states()
        for _ in range(2):
            yield (
                "mixed",
                self.tree(
                    lambda folder: chance.choice(folder.history),
                    lambda file: chance.choice((dropped, zeroed, torn, kept))(file),  # noqa: PLW0108 - each file by its own chance
                ),
            )

    def worst_states(self) -> Iterator[tuple[str, Tree]]:
        """The states a cut at this moment could leave that lose every name it can."""
        yield "names dropped", self.tree(lambda folder: folder.history[0], kept)
        yield "names and data dropped", self.tree(lambda folder: folder.history[0], dropped)

    def _but_the_record(self, tree: Tree) -> Tree:
        return tree | {path: data for path, data in self.now().items() if path.endswith("/metadata.json")}

    def _find(self, path: str) -> Any:
        item: Any = self.top
        for name in path.split("/") if path else ():
            item = item.names[name]
        return item

    def _put(self, path: str, item: Any) -> None:
        above, _, name = path.rpartition("/")
        folder = self._find(above)
        folder.names[name] = item
        folder.keep()

    def _take(self, path: str) -> Any:
        above, _, name = path.rpartition("/")
        folder = self._find(above)
        item = folder.names.pop(name)
        folder.keep()
        return item

    def _all(self, folder: Folder) -> Iterator[File | Folder]:
        yield folder
        for item in folder.names.values():
            if isinstance(item, Folder):
                yield from self._all(item)
            else:
                yield item


def kept(file: File) -> bytes:
    """All of it."""
    return file.data


def dropped(file: File) -> bytes:
    """Only what was synced."""
    return file.durable


def zeroed(file: File) -> bytes:
    """The new size with the old bytes: where nothing had been written yet, zeros."""
    return file.durable[: len(file.data)].ljust(len(file.data), b"\0")


def torn(file: File) -> bytes:
    """The first half of the writes, the last of these by half."""
    data, kept = file.durable, file.pending[: (len(file.pending) + 1) // 2]
    for number, (at, new) in enumerate(kept, 1):
        data = changed(data, at, new[: len(new) // 2] if new is not None and number == len(kept) else new)
    return data


def read_tree(root: Path) -> Tree:
    """A real folder, in the same form."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))
    }


def write_tree(root: Path, tree: Tree) -> None:
    """Build a state on a real disk."""
    for path, data in sorted(tree.items()):
        target = root / path
        if data is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
