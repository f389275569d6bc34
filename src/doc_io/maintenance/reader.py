"""Processes that list and read documents while the first one writes rows: Python uses one core alone, and waits for a disk.

Each is a program of its own that is given the folders of logical keys and answers verdicts, a line of JSON each. (A fork
would copy the locks of a host's threads, and a spawned pool would run a user's script again that has no ``__main__``
guard.)
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from itertools import cycle, islice
from typing import IO, Any, NamedTuple, cast

from doc_io.commit_record import RECORD_COLUMNS
from doc_io.document import Parent
from doc_io.errors import StorageError
from doc_io.integrity import is_document_or_error, judge
from doc_io.storage.base import Folder, Storage
from doc_io.storage.local import LocalStorage

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from doc_io.maintenance.reader import main; main()"

_READERS = 2  # the disk is busy while one of them computes; more would only wait for the one that writes rows
_KEYS_BATCH_SIZE = 64
_CHUNK = 2**16  # bytes


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
    """Judge folders in this process; arguments as for `doc_io.integrity.judge`."""
    for folder, record, reasons, _ in judge(storage, folders, full=full):
        yield Verdict(
            folder.path, None if record is None else record.row, () if record is None else record.parents, reasons
        )


def documents_of(storage: LocalStorage, keys: Iterable[str]) -> Iterator[Folder]:
    """The folders of documents in the folders of logical keys."""
    return (folder for key in keys for folder in storage.folders_of(key) if is_document_or_error(folder))


def verdicts_aside(storage: LocalStorage, keys: Iterable[str], *, full: bool) -> Iterator[Verdict]:
    """Judge the documents of a local disk in other processes.

    Args:
        storage: Where the folders are.
        keys: The folders of their logical keys, as `LocalStorage.logical_keys` gives them.
        full: As for `doc_io.integrity.judge`.

    Returns:
        Verdicts as they come: those of one key together and in order, but keys in any.

    Raises:
        StorageError: A folder cannot be listed, or a process ended before it had answered.
    """
    command = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), storage.root, json.dumps(full)]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        readers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors)  # noqa: S603 - our own
            )
            for _ in range(_READERS)
        ]
        feeder = _KeyFeeder([cast("IO[bytes]", reader.stdin) for reader in readers], keys)
        feeder.start()
        ended = 0
        try:
            for line in _lines([cast("IO[bytes]", reader.stdout) for reader in readers]):
                answer = json.loads(line)
                if answer is None:
                    ended += 1
                elif isinstance(answer, dict):
                    raise StorageError(**answer)
                else:
                    path, values, parents, reasons = answer
                    row = None if values is None else dict(zip(RECORD_COLUMNS, values, strict=True))
                    yield Verdict(path, row, tuple(Parent(*each) for each in parents), tuple(reasons))
        finally:
            for reader in readers:
                reader.kill()  # it has ended, or the rest of its answers is not needed
            feeder.join()
        errors.seek(0)
        said = errors.read()[-_CHUNK:].decode("utf-8", "replace").strip().rpartition("\n")[2]
    if feeder.error is not None:
        raise feeder.error
    if ended != len(readers):
        raise StorageError(
            docs_root=storage.root, action="read", path="it", reason=f"a reading process ended {said}".strip()
        )


def _lines(pipes: list[IO[bytes]]) -> Iterator[bytes]:
    """Whole lines, from whichever pipe has some."""
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe.fileno(), selectors.EVENT_READ)
        begun = {pipe.fileno(): b"" for pipe in pipes}
        while begun:
            for key, _ in selector.select():
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fd)
                    del begun[key.fd]
                    continue
                *lines, begun[key.fd] = (begun[key.fd] + data).split(b"\n")
                yield from lines


class _KeyFeeder(threading.Thread):
    """Lists keys and deals them out to the readers; a thread, so that neither waits for the other's full pipe."""

    def __init__(self, pipes: list[IO[bytes]], keys: Iterable[str]) -> None:
        super().__init__(name="doc_io keys", daemon=True)
        self.error: Exception | None = None
        self._pipes = pipes
        self._keys = iter(keys)

    def run(self) -> None:
        """Hand out all of them, or as many as the readers take."""
        try:
            for pipe in cycle(self._pipes):
                share = list(islice(self._keys, _KEYS_BATCH_SIZE))
                if not share:
                    break
                pipe.write("".join(f"{json.dumps(key)}\n" for key in share).encode("ascii"))
        except BrokenPipeError:
            pass
        except Exception as error:  # noqa: BLE001 - raised again by the one who reads the answers
            self.error = error
        finally:
            for pipe in self._pipes:
                with suppress(BrokenPipeError):
                    pipe.close()


def main() -> None:
    """The reader: root and ``full`` as arguments, keys on standard input, verdicts and then ``null`` on standard output."""
    storage, full = LocalStorage(sys.argv[2]), bool(json.loads(sys.argv[3]))
    documents = documents_of(storage, map(json.loads, sys.stdin.buffer))
    write, encode = sys.stdout.write, json.JSONEncoder().encode
    with suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            for path, row, parents, reasons in verdicts(storage, documents, full=full):
                write(encode((path, None if row is None else list(row.values()), parents, reasons)) + "\n")
            write("null\n")
        except StorageError as error:
            write(encode({name: str(fact) for name, fact in error.facts.items()}) + "\n")
