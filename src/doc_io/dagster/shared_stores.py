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

IDLE_SECONDS = 10.0
"""How long connections stay open after the last run in this process has used them: a worker's next step needs them again."""

_idle: dict[int, tuple[DocumentStore, threading.Timer]] = {}
"""Stores that no run uses, by their ids, and what will close them."""


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
        _, timer = _idle.pop(id(store), (store, None))
    if timer is not None:
        timer.cancel()
        timer.join()


def release(store: DocumentStore) -> None:
    """Note that a run has ended; where no other one uses the store, its connections are closed after a while."""
    with _lock:
        _holders[id(store)] -= 1
        if _holders[id(store)] > 0:
            return
        del _holders[id(store)]
        store.unchecked.compare_again()  # either may be lost before the next run
        timer = threading.Timer(IDLE_SECONDS, _close_idle, [store])
        timer.daemon = True
        _idle[id(store)] = store, timer
        timer.start()


def _close_idle(store: DocumentStore) -> None:
    with _lock:
        if _idle.pop(id(store), None) is None:
            return  # a run uses it again
        for key in [key for key, each in _stores.items() if each is store]:
            del _stores[key]
    store.close()


def _forget_inherited() -> None:
    """In a forked child: the timers did not come with it, and its parent's lock may be held for ever."""
    global _lock  # noqa: PLW0603 - there is one in each process
    _lock = threading.Lock()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_inherited)


def _close(opened: Iterable[StoreIdentity], holder: int) -> None:
    """Close a store that was garbage-collected: a pool's threads would keep its connections open."""
    _holders.pop(holder, None)
    for each in opened:
        each.index.close()
        each.storage.close()
