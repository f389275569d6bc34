"""The name that was probably meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like another one; ``None`` where none is like it.

    Args:
        name: The name that is not known.
        known: The names of settings, commands, variables.
        cutoff: How like it must be, from 0 to 1, as `difflib.SequenceMatcher.ratio` counts. Default: 0.6.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)
