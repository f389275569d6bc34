"""The public names: said three times for three readers, and always the same."""

import ast
from pathlib import Path

import pytest

import doc_io

IMPORTED_FOR_TYPE_CHECKERS = {
    (node.module, alias.name)
    for node in ast.walk(ast.parse(Path(str(doc_io.__file__)).read_text(encoding="utf-8")))
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("doc_io.")
    for alias in node.names
}


def test_a_type_checker_sees_the_names_that_are_exported() -> None:
    """A name in ``__all__`` alone would be Any to a user's mypy, one imported alone would be refused."""
    assert sorted(name for _, name in IMPORTED_FOR_TYPE_CHECKERS) == sorted(doc_io.__all__)


@pytest.mark.parametrize(("module", "name"), sorted(IMPORTED_FOR_TYPE_CHECKERS))
def test_what_is_imported_when_asked_for_is_what_type_checkers_see(module: str, name: str) -> None:
    """The name leads to the same object either way."""
    assert getattr(doc_io, name) is getattr(__import__(module, fromlist=[name]), name)
