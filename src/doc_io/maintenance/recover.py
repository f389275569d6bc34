"""Recovery: saves spooled texts to their store, each once."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from doc_io.commit_record import CommitRecordError
from doc_io.document import DocumentRow
from doc_io.errors import ConfigurationError, DocIOError
from doc_io.storage.local import LocalStorage
from doc_io.store import DocumentStore
from doc_io.store_identity import IDENTITY_NAME
from doc_io.writing.spool import is_owned_by, owner_of, refuse_docs_root, spool_path, spooled_draft, spooled_folders


class Recovered(NamedTuple):
    """The result for one spooled document.

    Attributes:
        doc_id: Which one; the name of its folder where its record cannot be read.
        row: Its row in the index, where it was filed.
        error: Why it is still in the spool: it could not be filed, or only not be taken out.
    """

    doc_id: str
    row: DocumentRow | None
    error: str | None


def recover(store: DocumentStore, folder: str | os.PathLike[str]) -> Iterator[Recovered]:
    """Save spooled documents, and remove each from the spool once the store has acknowledged it.

    A document that was filed before is not made anew: it has the same doc_id. One that cannot be filed stays, and does
    not stop the rest.

    Args:
        store: Where they go.
        folder: The spool.

    Yields:
        What became of each, as it happens.

    Raises:
        ConfigurationError: There is no such spool on this host, it is a docs root, or its documents are meant for another
            store.
        StoreMismatchError: The store's docs root and index do not belong together.
    """
    waiting = LocalStorage(spool_path(folder))
    if not Path(waiting.root).is_dir():
        raise ConfigurationError(
            setting=f"The spool {waiting.root}",
            reason=f"there is no such folder on the host {socket.gethostname()}",
            hint="Run this on the host that the failed step names, with the folder that it names.",
        )
    refuse_docs_root(waiting.root, store.docs_root)
    store.check()
    owner = owner_of(waiting)
    if not is_owned_by(waiting, store.owner):
        raise ConfigurationError(
            setting=f"The spool {waiting.root}",
            reason=f"its documents are meant for another store: {owner} (a path counts from the spool)",
            hint=f"Name that one; or, if it is the same under another name, remove {IDENTITY_NAME} in the spool.",
        )
    if owner is not None and owner.store_id is not None and store.index.store_id() != owner.store_id:
        raise ConfigurationError(
            setting=f"The index {store.index.name}",
            reason="it is not the one of the store that the spool's documents are meant for",
            hint="Name that one with --db, as the failed step does.",
        )
    for document in spooled_folders(folder):
        row = None
        try:
            [row] = store.commit([spooled_draft(document)])
            waiting.remove(document.relative_to(waiting.root).as_posix())  # at one instant: no half of it is left
        except (DocIOError, CommitRecordError, OSError) as error:
            if document.exists():  # else another recovery filed it meanwhile
                yield Recovered(document.name, row, str(error))
        else:
            yield Recovered(document.name, row, None)
