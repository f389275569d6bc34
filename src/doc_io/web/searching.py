"""Searches that may take long: the first one reads every text."""

from __future__ import annotations

import threading
from contextlib import nullcontext

from doc_io.errors import DocIOError
from doc_io.index.base import ALL, Filter
from doc_io.reports import search
from doc_io.reports.search import SearchHit
from doc_io.store import DocumentStore

_PATIENCE = 1.5  # seconds that a page waits before it says how far the search is
MAX_HITS = 200
"""Of a search: the newest."""


class Searching:
    """Runs searches in threads, so that a page can say how far the first one is.

    Args:
        store: Which store.
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._running: dict[tuple[str, Filter], _Search] = {}
        self._lock = threading.Lock()
        self._reading = _Reading()

    def find(self, words: str, wanted: Filter = ALL) -> tuple[list[SearchHit] | None, int]:
        """What was found, the newest first; ``None`` where texts are still being read; and how many were read.

        Args:
            words: Words in any order.
            wanted: Which documents. Default: all.

        Raises:
            DocIOError: The search failed.
        """
        if not self._store.index.exists:  # the terms of its texts would be made beside it
            return [], 0
        with self._lock:
            question = (words, wanted)
            running = self._running.get(question)
            if running is None:
                self._running = {asked: each for asked, each in self._running.items() if each.is_alive()}
                running = self._running[question] = _Search(self._store, words, wanted, self._reading)
                running.start()
        running.join(_PATIENCE)
        if running.is_alive():
            return None, self._reading.done
        with self._lock:
            self._running.pop(question, None)
        if running.error is not None:
            raise running.error
        return running.hits, self._reading.done


class _Reading:
    """The texts that are being read for the first time: by one search, while others wait for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = 0

    def progress(self, done: int, _: int | None) -> None:
        self.done = done


class _Search(threading.Thread):
    def __init__(self, store: DocumentStore, words: str, wanted: Filter, reading: _Reading) -> None:
        super().__init__(daemon=True)
        self._store = store
        self._words = words
        self._wanted = wanted
        self._reading = reading
        self.hits: list[SearchHit] = []
        self.error: DocIOError | None = None

    def run(self) -> None:
        try:
            first = not self._store.index.texts().is_up_to_date()
            with self._reading.lock if first else nullcontext():
                progress = self._reading.progress
                self.hits = search(self._store, self._words, self._wanted, limit=MAX_HITS, progress=progress)
        except DocIOError as error:
            self.error = error
