"""The identity of a store: one id in ``.doc_io/store.json`` at its docs root, in its index and in its spools.

It tells a lost index, the index of another store, and a docs root that is not mounted, before anything is written or
looked up. A store from before there were ids gets one at its first write; until then its newest documents tell.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from doc_io.commit_record import RECORD_NAME
from doc_io.document import DocumentRow
from doc_io.errors import IndexAccessError, IndexFormatError, IndexVersionError, StorageError, StoreMismatchError
from doc_io.ids import is_id, new_doc_id
from doc_io.index.sql_index import Index
from doc_io.integrity import is_document_folder
from doc_io.storage.base import STORE_FOLDER, DocumentExistsError, Storage

IDENTITY_NAME = f"{STORE_FOLDER}/store.json"
"""The file at a docs root or a spool that holds the id of its store."""

_SCHEMA = 1  # of that file
_SAMPLE = 20  # documents and folders that are compared where there is no id


class Compared(NamedTuple):
    """The ids of a store.

    Attributes:
        at_root: That of the docs root; ``None`` where it has none yet.
        in_index: That in the index; likewise.
    """

    at_root: str | None
    in_index: str | None

    @property
    def are_of_two_stores(self) -> bool:
        """Whether both are known, and differ."""
        return None not in self and self.at_root != self.in_index


@dataclass
class StoreIdentity:
    """The id of the store of a docs root and an index; see the module.

    Args:
        storage: The docs root.
        index: The index.

    Attributes:
        store_id: The id; ``None`` while it is not known.
    """

    storage: Storage
    index: Index
    store_id: str | None = field(default=None, init=False)
    _is_compared: bool = field(default=False, init=False)
    _is_claimed: bool = field(default=False, init=False)

    def check_once(self) -> None:
        """Compare both places at the first call; where one cannot be reached this is silent, as its user will say so.

        Raises:
            StoreMismatchError: As for `check`.
        """
        if self._is_compared:
            return
        try:
            ids = self._check_root()
            self.store_id = ids.at_root or ids.in_index
            self._is_claimed = ids.at_root is not None and ids.in_index is not None
        except StoreMismatchError:
            raise
        except (StorageError, IndexAccessError):
            pass
        self._is_compared = True

    def compare_again(self) -> None:
        """Have the next use compare both places again."""
        self._is_compared = self._is_claimed = False

    def check(self) -> Compared:
        """Compare both places, and change neither.

        Raises:
            StoreMismatchError: They do not belong together, or one has lost what the other knows.
            StorageError: The docs root cannot be read.
        """
        ids = self._ids()
        try:
            self._compare(ids)
        except StoreMismatchError:
            if self._ids() != ids:  # another process gave the new store its id meanwhile, and wrote into it
                return self.check()
            raise
        return ids

    def _check_root(self) -> Compared:
        """As `check`; from now on the docs root is to be the one that was compared."""
        root_id = self.storage.root_id()  # asked first: an unmount in between must not go unseen
        ids = self.check()
        self.storage.expected_root = root_id
        return ids

    def claim(self) -> None:
        """Compare both places as `check` does, and give the store its id where either lacks it.

        At the first call, and again where the docs root is not the folder that it was: its file system may be unmounted.

        Raises:
            StoreMismatchError: As for `check`.
            StorageError: The docs root cannot be written.
        """
        if self._is_claimed and self.storage.is_same_root():
            return
        ids = self._check_root()
        store_id = ids.in_index or self.index.set_store_id(ids.at_root or new_store_id())
        # The index decides between concurrent callers; not every storage can.
        at_root = ids.at_root or write_store_id(self.storage, store_id)
        if at_root != store_id:
            raise self._mismatch("the index is that of another store", _NAME_ANOTHER)
        if self.storage.expected_root is None:  # there was none before the id
            self.storage.expected_root = self.storage.root_id()
        self.store_id = store_id
        self._is_compared = self._is_claimed = True

    def check_mounted(self) -> None:
        """Refuse what looks like a docs root that is not mounted, before an index is rebuilt from it.

        From now on the docs root is to be the one that was looked at.

        Raises:
            StoreMismatchError: The index has rows, and the docs root neither an id nor a document.
        """
        root_id = self.storage.root_id()
        if read_store_id(self.storage) is None:
            self._check_not_above()
            if not self.has_documents():
                with suppress(IndexFormatError, IndexVersionError):  # a rebuild replaces it
                    if self.index.select(limit=1):
                        raise self._mismatch("the index has documents, and the docs root has none", _MOUNT)
        self.storage.expected_root = root_id

    def is_index_of_another(self) -> bool:
        """Whether the index says that it is another store's; False where it, or the docs root, says nothing."""
        with suppress(StorageError, IndexAccessError):
            return self._ids().are_of_two_stores
        return False

    def adopt(self) -> None:
        """Make the index that of the docs root, whichever it was of; after a rebuild."""
        if not self.storage.is_same_root():
            raise self._mismatch("the docs root was unmounted meanwhile", _MOUNT)
        at_root = read_store_id(self.storage) or write_store_id(self.storage, new_store_id())
        self.index.replace_store_id(at_root)

    def _ids(self) -> Compared:
        return Compared(read_store_id(self.storage), self.index.store_id())

    def _compare(self, ids: Compared) -> None:
        if ids.at_root is not None and ids.at_root == ids.in_index:
            return
        if ids.are_of_two_stores:
            raise self._mismatch("the index is that of another store", _NAME_ANOTHER)
        newest = self.index.select(limit=_SAMPLE) if self.index.exists else []
        if newest:
            self._check_rows(newest)
        else:
            self._check_not_above()
            if self.has_documents():
                raise self._mismatch("the docs root has documents, and the index has none", _REBUILD)

    def _check_rows(self, newest: list[DocumentRow]) -> None:
        """Rows without an id on both sides: most of their documents must be in the docs root.

        A few say nothing: a writer that is killed just after an unmount leaves one on the disk below.
        """
        found = self.storage.read_many([f"{row.doc_dir}/{RECORD_NAME}" for row in newest])
        if 2 * sum(isinstance(data, bytes) for data in found) >= len(newest):
            return
        self._check_not_above()
        if self.has_documents():
            raise self._mismatch("of the newest documents in the index the docs root has none", _NAME_ANOTHER)
        raise self._mismatch("the index has documents, and the docs root has none", _MOUNT)

    def _check_not_above(self) -> None:
        """Refuse a docs root that is a folder above the real one."""
        folders = [folder.path for folder in islice(self.storage.folders(), _SAMPLE)]
        above = dict.fromkeys("/".join(path.split("/")[:depth]) for path in folders for depth in (1, 2))
        paths = [f"{folder}/{IDENTITY_NAME}" for folder in above if folder]
        for path, data in zip(paths, self.storage.read_many(paths), strict=True):
            if isinstance(data, bytes):
                inner = self.storage.shown(path.removesuffix(f"/{IDENTITY_NAME}"))
                raise self._mismatch(
                    "the docs root is a folder above that of a store", f"Name {inner} as the docs root."
                )

    def has_documents(self) -> bool:
        """Whether the docs root has any, as far as a look at its first folders tells."""
        return any(is_document_folder(folder) for folder in islice(self.storage.folders(), _SAMPLE))

    def _mismatch(self, reason: str, hint: str) -> StoreMismatchError:
        return StoreMismatchError(docs_root=self.storage.root, index=self.index.name, reason=reason, hint=hint)


def new_store_id() -> str:
    """An id that no other store has."""
    return new_doc_id("store", "", os.urandom(16).hex())


def read_store_id(storage: Storage) -> str | None:
    """The id at a docs root or a spool; ``None`` where there is none.

    Raises:
        StorageError: It cannot be read, or is no id.
    """
    try:
        data = storage.read(IDENTITY_NAME)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        store_id = json.loads(data)["store_id"]
        if isinstance(store_id, str) and is_id(store_id):
            return store_id
        reason = "it holds no id"
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"it is damaged: {error}"
    raise StorageError(docs_root=storage.root, action="read", path=IDENTITY_NAME, reason=reason)


def write_store_id(storage: Storage, store_id: str) -> str:
    """Give a docs root or a spool its id, durably, where it has none.

    Returns:
        The id that is there now: of concurrent callers the first one's.
    """
    content = json.dumps({"store_id": store_id, "schema": _SCHEMA}) + "\n"
    try:
        storage.add(IDENTITY_NAME, content.encode("ascii"))
    except DocumentExistsError:
        return read_store_id(storage) or store_id
    return store_id


_NAME_ANOTHER = (
    "Give the docs root and the index that belong together; or, if this index is to be that of this docs root, run"
    " `doc-io reindex`."
)
_MOUNT = (
    "Check that the docs root is mounted and is the right one; if it is meant to be a new store, run `doc-io reindex"
    " --empty`."
)
_REBUILD = (
    "Rebuild the index with `doc-io reindex`; if the documents are not to be found, run `doc-io reindex --empty`."
)
