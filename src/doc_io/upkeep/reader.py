"""A second process that reads documents while the first one lists folders and writes rows: Python uses one core alone.

It is a program of its own that is told folders and answers verdicts, a line of JSON each. (A fork would copy the locks of
a host's threads, and a spawned pool would run a user's script again that has no ``__main__`` guard.)
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import IO, Any, NamedTuple, cast

from doc_io.document import Parent
from doc_io.errors import StorageError
from doc_io.storage.base import Folder, Storage
from doc_io.storage.local import LocalStorage
from doc_io.upkeep.whole import judge

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from doc_io.upkeep.reader import main; main()"


class Verdict(NamedTuple):
    """What a rebuild needs to know of a folder.

    Attributes:
        path: Where it is.
        row: The columns of its record where the document is whole; else ``None``.
        parents: What it was made from.
        reasons: Why it is not whole.
    """

    path: str
    row: Mapping[str, Any] | None
    parents: tuple[Parent, ...]
    reasons: tuple[str, ...]


def verdicts(storage: Storage, folders: Iterable[Folder], *, full: bool) -> Iterator[Verdict]:
    """Judge folders in this process; arguments as for `doc_io.upkeep.whole.judge`."""
    for folder, record, reasons, _ in judge(storage, folders, full=full):
        yield Verdict(
            folder.path, None if record is None else record.row, () if record is None else record.parents, reasons
        )


def verdicts_aside(storage: LocalStorage, folders: Iterable[Folder], *, full: bool) -> Iterator[Verdict]:
    """Judge folders of a local disk in another process.

    Raises:
        StorageError: The process ended before it had answered.
    """
    command = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), storage.root, json.dumps(full)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as reader:  # noqa: S603 - our own
        told = _Telling(cast("IO[bytes]", reader.stdin), folders)
        told.start()
        answered = 0
        try:
            for line in cast("IO[bytes]", reader.stdout):
                path, row, parents, reasons = json.loads(line)
                answered += 1
                yield Verdict(path, row, tuple(Parent(*each) for each in parents), tuple(reasons))
        finally:
            reader.kill()  # it has ended, or nobody wants the rest of its answers
            told.join()
        if told.error is not None:
            raise told.error
        if answered != told.count:
            raise StorageError(docs_root=storage.root, action="read", path="it", reason="the reading process ended")


class _Telling(threading.Thread):
    """Lists folders and tells them to the reader; a thread, so that neither waits for the other's full pipe."""

    def __init__(self, pipe: IO[bytes], folders: Iterable[Folder]) -> None:
        super().__init__(name="doc_io folders", daemon=True)
        self.count = 0
        self.error: Exception | None = None
        self._pipe = pipe
        self._folders = folders

    def run(self) -> None:
        """Tell all of them, or as many as the reader wants to hear."""
        try:
            with self._pipe:
                for folder in self._folders:
                    self._pipe.write(json.dumps([folder.path, folder.files, folder.modified]).encode("ascii") + b"\n")
                    self.count += 1
        except BrokenPipeError:
            pass
        except Exception as error:  # noqa: BLE001 - raised again by the one who reads the answers
            self.error = error


def main() -> None:
    """The reader: root and ``full`` as arguments, folders on standard input, verdicts on standard output."""
    storage, full = LocalStorage(sys.argv[2]), bool(json.loads(sys.argv[3]))
    told = (Folder(*json.loads(line)) for line in sys.stdin.buffer)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        for verdict in verdicts(storage, told, full=full):
            sys.stdout.write(json.dumps(verdict) + "\n")
