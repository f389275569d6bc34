"""What must hold on every root, whatever happened to it: the promises of the design that can be read off a disk."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from doc_io import DocIOError, DocumentRow, DocumentStore, maintenance
from doc_io.renames import RENAMES_NAME
from tests.faults.writers import database, docs, spool_folder

CLOSED = "promise 7: the store cannot be opened"
"""How the one problem begins that says nothing of a document; a control must not be content with it."""


def broken_promises(root: Path, acknowledged: Mapping[str, str]) -> list[str]:
    """Open a root as a new process would, and look at every promise.

    Args:
        root: What a writer, and perhaps a cut, left.
        acknowledged: Doc id to the SHA-256 of its text, of every document that the writer was told is safe.

    Returns:
        What is broken, a sentence each; nothing where all holds.
    """
    broken = []
    try:
        with DocumentStore(docs(root), database(root)) as store:
            store.check()
            store.index.stage_counts()
    except DocIOError as error:  # no document is lost yet: what the message advises may bring all of them back
        broken.append(f"{CLOSED}: {error}")
        try:
            with DocumentStore(docs(root), database(root)) as store:
                try:
                    maintenance.reindex(store)
                except DocIOError:  # there is no document at all
                    maintenance.reindex(store, empty=True)
        except DocIOError as worse:  # a disk on which files were not synced may fail as a whole
            return [*broken, f"promise 7: it cannot be rebuilt: {worse}"]
    try:
        with DocumentStore(docs(root), database(root)) as store:
            if spool_folder(root).is_dir():
                for _ in maintenance.recover(store, spool_folder(root)):  # a text that waits there is not lost
                    pass
            if (docs(root) / RENAMES_NAME).exists():  # what interrupts a rename is told, and a reindex ends it
                told = any(each.where == RENAMES_NAME for each in maintenance.verify(store))
                broken += (
                    [] if told or not _unlike_rebuilt(root, _rows(store)) else ["an interrupted rename is not told"]
                )
                maintenance.reindex(store)
            rows = _rows(store)
            broken += [f"promise 1: acknowledged {doc_id} has no row" for doc_id in acknowledged.keys() - rows.keys()]
            broken += [problem for row in rows.values() for problem in _unreadable(store, row, acknowledged)]
            broken += _unlike_rebuilt(root, rows)
    except DocIOError as error:
        broken.append(f"{CLOSED}: {error}")
    return broken


def _rows(store: DocumentStore) -> dict[str, DocumentRow]:
    return {row.doc_id: row for row in store.index.scan()}


def _unreadable(store: DocumentStore, row: DocumentRow, acknowledged: Mapping[str, str]) -> list[str]:
    """Promises 2 to 4: a row's document is there, wholly, and is the one that was acknowledged."""
    try:
        raw = store.read(row, "raw").encode("utf-8", "surrogatepass") if row.content_hash else None
        if row.parsed_chars is not None:
            store.read(row, "parsed")
        if row.prompt_path is not None:
            store.read(row, "prompt")
    except (DocIOError, OSError) as error:
        return [f"promise 2: the row of {row.doc_id} has no whole document: {error}"]
    found = hashlib.sha256(raw).hexdigest() if raw is not None else None
    if found != row.content_hash:
        return [f"promise 2: the text of {row.doc_id} is not the one of its row"]
    if found != acknowledged.get(row.doc_id, found):
        return [f"promise 1: the text of {row.doc_id} is not the one that was acknowledged"]
    return []


def _unlike_rebuilt(root: Path, rows: Mapping[str, DocumentRow]) -> list[str]:
    """Promise 6: an index made from the files alone has every row, and no row without its document."""
    with DocumentStore(docs(root), database(root)) as store:  # before the rebuild, which may give the root its id
        known = store.index.parents_of(list(rows))
    with (
        tempfile.TemporaryDirectory(dir=root.parent) as folder,
        DocumentStore(docs(root), Path(folder) / "rebuilt.sqlite") as rebuilt,
    ):
        maintenance.reindex(rebuilt)
        again = _rows(rebuilt)
        parents = rebuilt.index.parents_of(list(again))
        broken = [problem for row in again.values() for problem in _unreadable(rebuilt, row, {})]
    broken += [f"promise 6: {doc_id} is not in the rebuilt index" for doc_id in rows.keys() - again.keys()]
    for doc_id in rows.keys() & again.keys():
        if (_facts(rows[doc_id]), known.get(doc_id)) != (_facts(again[doc_id]), parents.get(doc_id)):
            broken.append(f"promise 6: the rebuilt row of {doc_id} differs")
    return broken


def _facts(row: DocumentRow) -> dict[str, object]:
    return {name: value for name, value in row.as_dict().items() if name != "seq"}
