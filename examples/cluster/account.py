"""Where every answer is that was paid for: in the store, in the spool of a host, or nowhere."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from doc_io import DocumentRow, DocumentStore, Status
from examples.cluster.model import Paid, numbers_in, parents_in, read_ledger
from examples.cluster.servers import Cluster

SPOOL = "data/spool"
_COMMAND = re.compile(r"(?<=: )doc-io .*? recover [^\s,]*[^\s,.]")


@dataclass(frozen=True)
class Account:
    """What was found.

    Attributes:
        paid: Every answer, by its number.
        rows: Every document.
        texts: The text of each, by doc_id; those without one are left out.
        parents: What each was made from, by doc_id.
        spooled: By host, the numbers of the answers in its spool.
    """

    paid: Mapping[str, Paid]
    rows: list[DocumentRow]
    texts: Mapping[str, str]
    parents: Mapping[str, list[str]]
    spooled: Mapping[str, list[str]]

    @property
    def stored(self) -> Counter[str]:
        """In how many ok documents each answer is; 0 for one that is only in a failed one."""
        found: Counter[str] = Counter()
        for row in self.rows:
            for number in numbers_in(self.texts.get(row.doc_id, "")):
                found[number] += row.status == Status.OK
        return found

    @property
    def nowhere(self) -> list[Paid]:
        """Answers that are neither in the store nor in a spool."""
        kept = {*self.stored, *(number for numbers in self.spooled.values() for number in numbers)}
        return [paid for number, paid in self.paid.items() if number not in kept]

    @property
    def twice(self) -> list[str]:
        """Answers that are in two ok documents."""
        return [number for number, count in self.stored.items() if count > 1]

    @property
    def paid_again(self) -> Counter[str]:
        """By stage, how many answers were paid for beyond the first one of each topic."""
        of_stage = Counter((paid.stage, paid.topic) for paid in self.paid.values())
        return Counter({stage: 0 for stage, _ in of_stage}) + Counter(
            stage for (stage, _), count in of_stage.items() for _ in range(count - 1)
        )

    @property
    def wrong_parents(self) -> list[str]:
        """Documents whose recorded parents are not the answers that their text was made from."""
        return [
            row.doc_id
            for row in self.rows
            if (text := self.texts.get(row.doc_id)) and numbers_in(text)
            if {*parents_in(text)} != {n for parent in self.parents[row.doc_id] for n in numbers_in(self.texts[parent])}
        ]

    def of(self, stage: str) -> list[DocumentRow]:
        """The ok documents of a stage."""
        return [row for row in self.rows if row.stage == stage and row.status == Status.OK]

    @property
    def fan_in(self) -> int:
        """How many parents the newest scoreboard has."""
        boards = sorted(self.of("scoreboard"), key=lambda row: row.created_at)
        return len(self.parents[boards[-1].doc_id]) if boards else 0


def account(cluster: Cluster) -> Account:
    """Look through the ledger, the store and the disks of all hosts."""
    spooled = {host.name: list(spooled_on(host.disk)) for host in cluster.workers}
    with cluster.hosts["visitor"].network(), cluster.store() as store:
        rows = list(store.index.scan())
        texts = store.read_many([row for row in rows if row.raw_chars], "raw")
        parents = {row.doc_id: parents_of(store, row) for row in rows}
    paid = {each.number: each for each in read_ledger(cluster.ledger)}
    return Account(paid, rows, texts, parents, spooled)


def parents_of(store: DocumentStore, row: DocumentRow) -> list[str]:
    """The ids of what a document was made from."""
    return [parent.doc_id for parent in store.parents(row.doc_id)]


def spooled_on(disk: Path) -> Iterable[str]:
    """The numbers of the answers in the spool of a host."""
    for text in (disk / SPOOL).rglob("raw.txt"):
        yield from numbers_in(text.read_text(encoding="utf-8"))


def files_left(disk: Path) -> int:
    """How many files of documents are on a host."""
    return sum(path.is_file() for path in (disk / "data").rglob("*") if ".doc_io" not in path.parts)


def recovery_commands(errors: Iterable[str]) -> set[str]:
    """The commands that failed steps print, to file what is in a spool."""
    return {found[0] for error in errors if (found := _COMMAND.search(error.replace("\n", " ")))}


def recover(cluster: Cluster, command: str) -> list[str]:
    """Run a printed command on every host that has a spool; what each said."""
    return [host.run(*shlex.split(command), env=cluster.env) for host in cluster.workers if any(spooled_on(host.disk))]
