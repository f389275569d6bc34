"""What the tests of our own pages share: their sections, tables and examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

_CODE = re.compile(r"`([^`]+)`")


def page(path: str) -> str:
    """A page of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without its examples."""
    return re.sub(r"^```.*?^```\n", "", text, flags=re.MULTILINE | re.DOTALL)


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", prose(text), re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {heading!r}"
    return found[1]


def table(text: str, number: int = 0) -> list[list[str]]:
    """The cells of a table, line by line, without its head."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    lines = tables[number].splitlines()[2:]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def code(text: str) -> set[str]:
    """Everything that is set as code within a sentence or a table."""
    return set(_CODE.findall(prose(text)))


def first_names(rows: list[list[str]]) -> list[str]:
    """What the first cells of a table name, in order; a call counts as its name."""
    return [name.partition("(")[0] for row in rows for name in _CODE.findall(row[0])]


def blocks(text: str, language: str) -> list[str]:
    """The examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(examples: list[str]) -> dict[str, Any]:
    """Run examples one after the other; what they named."""
    names: dict[str, Any] = {}
    for example in examples:
        # Not inherited: this module's annotations are text, and Dagster reads those of an asset.
        exec(compile(example, "example", "exec", dont_inherit=True), names)  # noqa: S102 - our own page
    return names
