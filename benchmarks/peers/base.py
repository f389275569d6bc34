"""What is asked of a peer. Its modules run in the peer's own interpreter and import nothing but this, the library and the standard library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class Peer(ABC):
    """A library that keeps texts, used as its documentation shows it.

    Args:
        root: An empty folder for everything it writes.
    """

    LACKS: str
    """What a reader must know beside the figure: what it does not do."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self, keys: list[str]) -> None:  # noqa: B027 - most have nothing to do
        """Build what a real program has at hand already and would not pay for in each call."""

    @abstractmethod
    def write(self, key: str, text: str) -> None:
        """Keep one more version of a key, with a status and token counts where the library has a place for them."""

    @abstractmethod
    def read(self, key: str) -> str:
        """The latest version's text."""

    def history(self, key: str) -> int:
        """How many versions of the key the library can name.

        Raises:
            NotImplementedError: It keeps one.
        """
        raise NotImplementedError

    def totals(self) -> int:
        """Completion tokens over all versions of all keys.

        Raises:
            NotImplementedError: It keeps no counts.
        """
        raise NotImplementedError
