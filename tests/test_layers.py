"""The layers hold: each module imports only from layers above its own, and heavy packages stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "doc_io"

LAYERS: list[tuple[set[str], ...]] = [
    (
        {"batches", "escaping", "nearest", "progress", "clock"},
        {"errors"},
        {"document_fields"},
        {"ids", "provider_responses"},
        {"document"},
        {"document_checks", "commit_record"},
    ),  # plain values, no I/O
    ({"parsers", "prices"},),  # what is known about a text before it is a document
    ({"file_lock", "durable_folders"},),  # what storage and index both need of the operating system
    ({"storage", "index"},),
    ({"renames", "task_table"}, {"integrity"}, {"store_identity"}),
    ({"writing"},),
    ({"reading", "branch", "naming"}, {"store"}),
    ({"maintenance", "reports", "legacy"},),
    ({"web"}, {"dagster"}, {"cli"}),  # `doc-io serve` starts the pages, `recover` tells Dagster
    ({"testing"},),
]
ONLY_IN = {
    "dagster": {"dagster"},
    "sqlite3": {"index"},
    "psycopg": {"index"},
    "psycopg_pool": {"index"},
    "fsspec": {"storage"},
    "obstore": {"storage"},
    "upath": {"storage", "dagster"},  # and, for type checkers alone, whatever hands a path on
    "click": {"cli"},
    "starlette": {"web"},
    "jinja2": {"web"},
    "markdown_it": {"web"},
    "uvicorn": {"cli"},
    "rich": {"cli"},
}


FILES: dict[str, Path] = {
    "doc_io." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")
}
"""Every module by its name; a package has the name of its ``__init__``."""


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """Every module: its name, the part of the house it belongs to, its tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        part = relative.parts[0].removesuffix(".py")
        if part != "__init__":
            yield str(relative), part, ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    """What a module imports, wherever in it, type-only imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in FILES else node.module


def imports_at_run_time(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it runs: not what only a type checker reads."""
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) not in typed and isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports(ast.Module([node], []))


def layer_of(part: str) -> int:
    """The layer a part of the house stands in."""
    rows = [parts for layer in LAYERS for parts in layer]
    return next(number for number, parts in enumerate(rows) if part in parts)


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
    for imported in imports_at_run_time(tree):
        allowed = ONLY_IN.get(imported.split(".")[0])
        assert allowed is None or part in allowed, f"{name} imports {imported}"


def test_no_files_import_each_other_in_a_circle() -> None:
    """Type-only and local imports count; an ``__init__`` that only lists names does not."""
    graph = {
        name: {each for each in imports(ast.parse(path.read_text())) if each in FILES}
        for name, path in FILES.items()
        if path.name != "__init__.py"
    }
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("one", ["storage", "index"])
def test_storage_and_index_do_not_know_each_other(one: str) -> None:
    """How bytes become durable and what the table holds are two questions."""
    other = "index" if one == "storage" else "storage"
    for name, part, tree in modules():
        if part == one:
            assert not [each for each in imports(tree) if each.startswith(f"doc_io.{other}")], name
