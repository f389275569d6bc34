"""docs/dagster.md is a list of facts: every test that it names as proof is there."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "dagster.md"


def test_every_test_that_the_page_names_exists() -> None:
    """The middle column of a table names Dagster's own tests; those are not ours to find."""
    ours = set(re.findall(r"def (test_\w+)", "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))))
    named = set()
    for line in PAGE.read_text("utf-8").splitlines():
        cells = line.strip("|").split("|") if line.startswith("|") else [line]
        named.update(re.findall(r"`(test_\w+)`", cells[-1]))

    assert len(named) > 50
    assert sorted(named - ours) == []
