"""One store for each location in a process: Dagster makes a new IO manager for every load, and connections must not add up."""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from doc_io.store import DocumentStore
from doc_io.store_identity import StoreIdentity

_lock = threading.Lock()
_stores: weakref.WeakValueDictionary[str, DocumentStore] = weakref.WeakValueDictionary()
_holders: Counter[int] = Counter()
"""How many IO managers and resources of a run use a store, by its id."""


def shared_store(*, parent: Mapping[str, Any] | None = None, **settings: Any) -> DocumentStore:
    """The store of a location: the same object for as long as it is referenced.

    Args:
        parent: Settings of the store that it reads through to. Default: none.
        **settings: As for `doc_io.DocumentStore`.

    Raises:
        ConfigurationError: The root or the URL cannot be used.
    """
    # Relative paths count from the working directory. What is empty is not given, as Dagster has None or {} for it. The
    # key is never shown: it may hold credentials.
    given, parents = ({name: each[name] for name in sorted(each) if each[name]} for each in (settings, parent or {}))
    key = repr((os.getcwd(), os.getpid(), given, parents))  # noqa: PTH109
    with _lock:
        store = _stores.get(key)
        if store is None:
            above = None if parent is None else DocumentStore(**parent)
            store = DocumentStore(**settings, parent=above)
            _stores[key] = store
            weakref.finalize(store, _close, [each.unchecked for each in (store, above) if each], id(store))
        return store


def hold(store: DocumentStore) -> None:
    """Note that a run uses a store."""
    with _lock:
        _holders[id(store)] += 1


def release(store: DocumentStore) -> None:
    """Note that a run has ended; the last one to use a store closes its connections."""
    with _lock:
        _holders[id(store)] -= 1
        last = _holders[id(store)] <= 0
        if last:
            del _holders[id(store)]
            # The next run compares docs root and index anew: either may have been lost in between.
            for key in [key for key, each in _stores.items() if each is store]:
                del _stores[key]
    if last:
        store.close()


def _close(opened: Iterable[StoreIdentity], holder: int) -> None:
    """Close a store that was garbage-collected: a pool's threads would keep its connections open."""
    _holders.pop(holder, None)
    for each in opened:
        each.index.close()
        each.storage.close()
