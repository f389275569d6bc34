"""ARCHITECTURE.md names what is there: a newcomer who follows it opens the right file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests import pages

SOURCE = pages.ROOT / "src" / "doc_io"
PAGE = pages.page("ARCHITECTURE.md")
HOPS = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", PAGE)))
PATHS = sorted(each for each in pages.code(PAGE) if re.fullmatch(r"[\w/]+(\.py|/)", each))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def definitions(tree: ast.AST, prefix: str = "") -> set[str]:
    """The classes and functions of a module, methods as ``Class.method``."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found |= {prefix + node.name, *definitions(node, f"{prefix}{node.name}.")}
    return found


def test_the_page_follows_a_text_through_the_code() -> None:
    """Both paths are named hop by hop."""
    assert len(HOPS) > 20


@pytest.mark.parametrize(("path", "name"), HOPS)
def test_a_hop_of_the_page_is_in_the_code(path: str, name: str) -> None:
    """A function that is renamed or moved is renamed on the page too."""
    assert name in definitions(ast.parse((SOURCE / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", PATHS)
def test_a_file_or_folder_of_the_page_exists(path: str) -> None:
    """Those of the package, or of the repository."""
    assert (SOURCE / path).exists() or (pages.ROOT / path).exists()


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file over 400 lines or a function over 60 holds two things."""
    text = path.read_text(encoding="utf-8")
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]

    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert not long
