"""The public names: there, documented, and cheap to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import doc_io

PACKAGE = Path(doc_io.__file__).parent


@pytest.mark.parametrize("name", doc_io.__all__)
def test_a_public_name_is_there_and_has_a_docstring(name: str) -> None:
    """What it is for stands with it."""
    assert inspect.getdoc(getattr(doc_io, name))


def test_the_names_at_run_time_are_those_of_the_stub() -> None:
    """They stand in one place; what a type checker reads is what can be imported."""
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    typed = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]

    assert sorted(typed) == sorted(doc_io.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = getattr(doc_io, "nothing_of_ours")  # noqa: B009 - a type checker knows that it is not there


def loaded_by(statement: str) -> set[str]:
    """The top-level packages that a statement brings into a fresh interpreter."""
    code = f"{statement}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_doc_io_imports_nothing_heavy() -> None:
    """A notebook or a command line must not wait for Dagster."""
    assert not loaded_by("import doc_io") & {"dagster", "fsspec", "upath", "psycopg", "pydantic", "sqlite3", "click"}


def test_the_store_does_not_import_dagster() -> None:
    """It can be used without."""
    assert "dagster" not in loaded_by("import doc_io; doc_io.DocumentStore")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_and_public_name_says_what_it_promises(path: Path) -> None:
    """A method that a base class documents needs no second text; everything else has one."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name}"
