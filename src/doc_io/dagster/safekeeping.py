"""The texts of a write on this machine, for as long as the store has not acknowledged them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from doc_io.errors import DocIOError, SpooledError, TextLostError
from doc_io.storage.open import OPTIONS_VARIABLE
from doc_io.writing.spool import spool, unspool

if TYPE_CHECKING:
    from doc_io.store import DocumentStore
    from doc_io.writing.draft import Draft


class SpoolCopy:
    """A copy of documents in the spool: made before a write that may wait long, or when a write ends without them.

    Args:
        folder: The spool; ``None`` where the user wants none.
        store: The store that the documents are meant for.
        drafts: Makes the documents, as far as they are known without the store.
    """

    def __init__(self, folder: str | None, store: DocumentStore, drafts: Callable[[], Sequence[Draft]]) -> None:
        self._folder = folder
        self._store = store
        self._drafts = drafts
        self._kept: Sequence[Draft] = ()
        self.where: str | None = None
        """The spool that holds the copy; ``None`` where there is none."""

    def keep(self, reason: BaseException | None = None) -> None:
        """Make the copy, where there is none yet and the user has a spool.

        Args:
            reason: Why the documents are not in the store. Default: they are on their way there.

        Raises:
            TextLostError: The write has failed, and this disk cannot hold them either.
        """
        if self._folder is None or self.where is not None:
            return
        folder = str(Path(self._folder).expanduser().absolute())  # the message may be read in another working directory
        self._kept = self._drafts()
        try:
            self.where = spool(folder, self._kept, owner=self._store.owner)
        except DocIOError as trouble:
            if reason is not None:
                raise TextLostError(count=len(self._kept), spool=folder, reason=reason, trouble=trouble) from reason

    def release(self) -> None:
        """Take the copy out of the spool: the documents are in the store."""
        if self.where is not None:
            unspool(self.where, self._kept)
            self.where = None

    def error(self, reason: BaseException) -> SpooledError:
        """What a step ends with whose documents are in the spool and not in the store.

        Args:
            reason: Why they are not.
        """
        where, opened = str(self.where), self._store.unchecked
        names = f"--docs-root {quote(self._store.docs_root)} --db {quote(opened.index.address)}"
        # Not part of the command: passwords and keys. They are named as the environment that it needs.
        needed = list(opened.index.environment)
        if opened.storage.option_names:
            needed.append(f"{OPTIONS_VARIABLE} (JSON with {', '.join(opened.storage.option_names)})")
        joined = " and ".join(needed)
        command = f"doc-io {names} recover {quote(where)}{f', with {joined} set' if needed else ''}"
        return SpooledError(
            count=len(self._kept), host=socket.gethostname(), spool=where, reason=reason, command=command
        )
