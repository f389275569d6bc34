"""The pages hold together: their links lead somewhere, their tables are tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests import pages

PAGES = sorted(
    str(path.relative_to(pages.ROOT))
    for path in (*pages.ROOT.glob("*.md"), *pages.ROOT.glob("docs/*.md"), *pages.ROOT.glob("examples/*.md"))
)


def anchors(text: str) -> set[str]:
    """What GitHub makes of a page's headings (its lower-case letters, digits, hyphens and underscores)."""
    headings = re.findall(r"^#+ (.+)$", pages.prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name: str) -> None:
    """Those into the web are left to a browser."""
    for target in re.findall(r"\]\(([^)\s]+)\)", pages.prose(pages.page(name))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (pages.ROOT / name).parent / path if path else pages.ROOT / name

        assert there.exists(), f"{name} leads to {target}"
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), f"{name} leads to {target}"


@pytest.mark.parametrize("name", PAGES)
def test_every_line_of_a_table_has_the_cells_of_its_head(name: str) -> None:
    """A cell too many is not shown at all."""
    for table in re.findall(r"(?:^\|.*\n)+", pages.prose(pages.page(name)), re.MULTILINE):
        lines = table.splitlines()

        assert {re.sub(r"\\\|", "", line).count("|") for line in lines} == {lines[0].count("|")}, lines[0]


def test_the_example_of_the_page_makes_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/page.md, for whoever runs a server of their own; it answers."""
    monkeypatch.chdir(tmp_path)
    names = pages.run(pages.blocks(pages.page("docs/page.md"), "python"))

    assert TestClient(names["pages"], base_url="http://localhost").get("/").status_code == 200
