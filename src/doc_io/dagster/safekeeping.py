"""The texts of a write on this machine, for as long as the store has not acknowledged them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from doc_io.errors import DocIOError, SpooledError, TextLostError
from doc_io.escaping import counted, shell_words
from doc_io.maintenance.answer_copies import AnswerCopy, copy_answer
from doc_io.storage.open import OPTIONS_VARIABLE
from doc_io.writing.spool import spool, spool_path

if TYPE_CHECKING:
    from doc_io.store import DocumentStore
    from doc_io.writing.draft import Draft


class SpoolCopy:
    """A copy of documents in the spool: made before a write that may wait long, or when a write ends without them.

    While the write is under way it belongs to the process, so that the next one on this machine files it should this one be
    killed; after that it waits for `doc-io recover`.

    Args:
        folder: The spool; ``None`` where the user wants none.
        store: The store that the documents are meant for.
        drafts: Makes the documents, as far as they are known without the store.
    """

    def __init__(self, folder: str | None, store: DocumentStore, drafts: Callable[[], Sequence[Draft]]) -> None:
        # The message may be read in another working directory.
        self._folder = None if folder is None else str(spool_path(folder))
        self._store = store
        self._drafts = drafts
        self._kept: Sequence[Draft] = ()
        self._under_way: AnswerCopy | None = None
        self.where: str | None = None
        """The spool that holds the copy after the write; ``None`` where there is none."""

    @property
    def is_durable(self) -> bool:
        """Whether there is a copy on this machine."""
        return self._under_way is not None or self.where is not None

    def keep_meanwhile(self) -> None:
        """Make a copy for as long as the write is under way, where the user has a spool and this disk can hold it."""
        if self._folder is not None:
            with suppress(DocIOError, OSError):
                self._under_way = copy_answer(self._folder, self._store, self._drafts())

    def keep(self, reason: BaseException) -> None:
        """Keep the documents until they are recovered, where the user has a spool.

        Args:
            reason: Why they are not in the store.

        Raises:
            TextLostError: This disk cannot hold them either.
        """
        if self._folder is None:
            return
        self._kept = self._drafts()
        try:
            self.where = spool(self._folder, self._kept, owner=self._store.owner)
        except DocIOError as trouble:
            if self._under_way is None:
                raise TextLostError(
                    documents=counted(len(self._kept), "document"), spool=self._folder, reason=reason, trouble=trouble
                ) from reason
            self.where = self._under_way.where  # a spool as well
        else:
            self.release()

    def release(self) -> None:
        """Remove the copy that was made meanwhile: the documents are in the store, or wait to be recovered."""
        if self._under_way is not None:
            self._under_way.release()
            self._under_way = None

    def error(self, reason: BaseException) -> SpooledError:
        """What a step ends with whose documents are in the spool and not in the store.

        Args:
            reason: Why they are not.
        """
        where = str(self.where)
        command = recovery_command(self._store, where)
        return SpooledError(
            documents=counted(len(self._kept), "document"),
            host=socket.gethostname(),
            spool=where,
            reason=reason,
            command=command,
        )


def recovery_command(store: DocumentStore, where: str) -> str:
    """The command that files what is in a spool.

    Args:
        store: The store that the documents are meant for.
        where: The spool.
    """
    opened = store.unchecked
    words = ("doc-io", "--docs-root", store.docs_root, "--db", opened.index.address, "recover", str(spool_path(where)))
    # Not part of the command: passwords and keys. They are named as the environment that it needs.
    needed = list(opened.index.environment)
    if opened.storage.option_names:
        needed.append(f"{OPTIONS_VARIABLE} (JSON with {', '.join(opened.storage.option_names)})")
    joined = " and ".join(needed)
    return f"{shell_words(words)}{f', with {joined} set' if needed else ''}"
