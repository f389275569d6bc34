"""Canaries: every secret of the tests is a word that is searched for in all that the suite makes, and may be nowhere in it.

``tests.canary_search`` is what searches.
"""

from __future__ import annotations

SECRETS: dict[str, str] = {}
"""Each secret, and whose it is."""


def canary(name: str) -> str:
    """A secret of the tests, which is searched for from now on.

    Args:
        name: Whose secret it is; a leak is told by it.
    """
    return watched(f"canary-{name}-7f3a9c", name)


def watched(secret: str, name: str) -> str:
    """The same for a secret that somebody else made up."""
    SECRETS[secret] = name
    return secret
