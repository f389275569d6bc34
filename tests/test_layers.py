"""The layers hold: each module imports only from layers above its own, and heavy packages stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "doc_io"

LAYERS: list[set[str]] = [
    {"escaping", "responses"},
    {"errors"},
    {"ids", "document", "commit_record"},
    {"parsers", "task_table"},
    {"file_lock", "durable_folders"},
    {"storage", "index"},
    {"integrity"},
    {"reports"},
    {"writing"},
    {"maintenance", "legacy"},
    {"store", "reading", "branch"},
    {"cli", "dagster"},
    {"testing"},
]
ONLY_IN = {
    "dagster": {"dagster"},
    "sqlite3": {"index"},
    "psycopg": {"index"},
    "psycopg_pool": {"index"},
    "fsspec": {"storage"},
    "obstore": {"storage"},
    "upath": {"storage", "dagster"},
    "click": {"cli"},
    "rich": {"cli"},
}


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """Every module: its name, the part of the house it belongs to, its tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        part = relative.parts[0].removesuffix(".py")
        if part != "__init__":
            yield str(relative), part, ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    """What a module imports, wherever in it; not what only a type checker reads."""
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typed:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "doc_io":
                yield from (f"doc_io.{alias.name}" for alias in node.names)
            else:
                yield node.module


def layer_of(part: str) -> int:
    """The layer a part of the house stands in."""
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


@pytest.mark.parametrize(("name", "part", "tree"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_a_module_imports_only_from_layers_above_its_own(name: str, part: str, tree: ast.Module) -> None:
    """Data flows one way."""
    for imported in imports(tree):
        if not imported.startswith("doc_io."):
            continue
        other = imported.split(".")[1]
        if other != part:
            assert layer_of(other) < layer_of(part), f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "part", "tree"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_a_heavy_package_is_imported_only_where_it_belongs(name: str, part: str, tree: ast.Module) -> None:
    """The store does not know Dagster; only the index speaks SQL; only the storage opens files."""
    for imported in imports(tree):
        allowed = ONLY_IN.get(imported.split(".")[0])
        assert allowed is None or part in allowed, f"{name} imports {imported}"
