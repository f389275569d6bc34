"""Which of Dagster's tests may differ with `DocDirIOManager`, and why.

A key is a test of ``dagster_tests``: with its parameters for one case, without them for all. A test of `DIFFERENCES`
that passes is an error, and so is a key that names no test.
"""

from __future__ import annotations

DIFFERENCES: dict[str, str] = {}
"""Test to the reason why it fails."""

LEFT_OUT: dict[str, str] = {}
"""Test to the reason why it cannot run here."""
