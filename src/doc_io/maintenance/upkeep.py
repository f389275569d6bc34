"""Maintenance in parts, for several machines: `reindex`, `verify` and `prune` over shards, and how their results add up.

What a part has come to lies in the store's own folder until all have ended: every machine can reach that, and a part that
is run again is not done again.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple

from doc_io.errors import ConfigurationError
from doc_io.storage.base import STORE_FOLDER, Storage
from doc_io.store import DocumentStore

FOLDER = f"{STORE_FOLDER}/upkeep"
"""Where the parts leave their results."""

MAX_LISTED = 100
"""Findings that the result of a part lists; it counts all."""

Listed = tuple[str, str, str]
"""What, where, details."""


class Outcome(NamedTuple):
    """What a part, or all of them, have come to.

    Attributes:
        documents: How many were read, added or removed.
        counts: How many things of each kind were found.
        listed: The first of them.
    """

    documents: int
    counts: Mapping[str, int]
    listed: Sequence[Listed]


def added_up(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of several parts."""
    documents, counts, listed = 0, Counter[str](), list[Listed]()
    for each in outcomes:
        documents += each.documents
        counts.update(each.counts)
        listed += [(what, where, details) for what, where, details in each.listed[: MAX_LISTED - len(listed)]]
    return Outcome(documents, dict(counts), listed)


class Workspace:
    """The files of one upkeep.

    Args:
        storage: The docs root.
        name: Of the upkeep: those with another name are others.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._folder = f"{FOLDER}/{name}"

    def write(self, name: str, value: object) -> None:
        """Keep a value that JSON can hold."""
        self._storage.put(f"{self._folder}/{name}", json.dumps(value).encode("ascii"))

    def read(self, name: str) -> Any:
        """A value that was written; ``None`` where there is none."""
        with suppress(FileNotFoundError):
            return json.loads(self._storage.read(f"{self._folder}/{name}"))
        return None

    def plan(self) -> Any:
        """What `begin` has written.

        Raises:
            ConfigurationError: It is not there.
        """
        root_id = self._storage.root_id()  # asked first: an unmount in between must not go unseen
        plan = self.read("plan")
        if plan is None:
            raise _removed("its plan is not there")
        self._storage.expected_root = root_id  # it holds the plan, so it is the right one
        return plan

    def names(self) -> list[str]:
        """What was written."""
        return self._storage.names(self._folder)

    def remove(self) -> None:
        """Remove all of it."""
        self._storage.remove(self._folder)


def remove_workspaces(storage: Storage, is_over: Callable[[str], bool]) -> None:
    """Remove what earlier upkeeps left.

    Args:
        storage: The docs root.
        is_over: Whether the upkeep with a name is.
    """
    for name in sorted({path.partition("/")[0] for path in storage.folder(FOLDER).files}):
        if is_over(name):
            storage.remove(f"{FOLDER}/{name}")


class Verb(ABC):
    """One thing to do in parts, on any number of machines."""

    name: ClassVar[str]
    """Of the verb."""

    @abstractmethod
    def parts(self, store: DocumentStore, files: Workspace) -> list[Any]:
        """What there is to do, as parts that JSON can hold."""

    @abstractmethod
    def do(self, store: DocumentStore, files: Workspace, number: int, part: Any) -> Outcome:
        """Do one part; doing it again does no harm."""

    @abstractmethod
    def end(self, store: DocumentStore, files: Workspace, parts: Sequence[Any]) -> Outcome:
        """Do what comes after all parts."""


def begin(verb: Verb, store: DocumentStore, files: Workspace, steps: int) -> int:
    """Decide what there is to do.

    Args:
        verb: What to do.
        store: Which store.
        files: Of this upkeep.
        steps: In how many steps at most.

    Returns:
        How many steps there are: each does its share of the parts.
    """
    files.remove()  # what was done by an older plan does not count
    parts = verb.parts(store, files)
    steps = max(1, min(steps, len(parts)))
    files.write("plan", {"steps": steps, "parts": parts})
    return steps


def share_of(files: Workspace, step: int) -> Iterator[tuple[int, Any]]:
    """The parts of a step that are not done yet, with their numbers."""
    plan = files.plan()
    done = set(files.names())
    for number in range(step, len(plan["parts"]), plan["steps"]):
        if f"outcome-{number:06}" not in done:
            yield number, plan["parts"][number]


def do(verb: Verb, store: DocumentStore, files: Workspace, number: int, part: Any) -> Iterator[Outcome]:
    """Do one part and keep its outcome, which this yields."""
    outcome = verb.do(store, files, number, part)
    files.write(f"outcome-{number:06}", outcome)
    yield outcome


def end(verb: Verb, store: DocumentStore, files: Workspace) -> Outcome:
    """Add up all outcomes, end the work, and remove what the parts left.

    Raises:
        ConfigurationError: A part has left no outcome.
    """
    plan = files.plan()
    outcomes = [files.read(f"outcome-{number:06}") for number in range(len(plan["parts"]))]
    if None in outcomes:
        raise _removed(f"the outcome of {outcomes.count(None)} parts is not there")
    total = added_up([*(Outcome(*each) for each in outcomes), verb.end(store, files, plan["parts"])])
    files.remove()
    return total


def _removed(reason: str) -> ConfigurationError:
    return ConfigurationError(
        setting="This upkeep",
        reason=f"{reason}: it has ended, or another one was started since",
        hint="Start the job anew instead of re-executing this run.",
    )
