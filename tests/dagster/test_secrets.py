"""No configurable class shows a value that may be secret: found by walking all of them, so that a new one is covered."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, get_origin

import pytest
from pydantic import BaseModel

import doc_io.dagster
from doc_io import DocumentStoreComponent
from tests.canaries import canary

SECRET = canary("fields")
SECRET_FIELDS = ("storage_options", "db_url", "db_read_url")


def configurable() -> Iterator[type[BaseModel]]:
    """Every pydantic class that doc_io defines."""
    found: dict[str, type[BaseModel]] = {}
    for module in pkgutil.walk_packages(doc_io.dagster.__path__, "doc_io.dagster."):
        for value in vars(importlib.import_module(module.name)).values():
            is_class = isinstance(value, type) and get_origin(value) is None  # Python 3.10 takes tuple[str] for one
            if is_class and issubclass(value, BaseModel) and value.__module__.startswith("doc_io."):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    yield from found.values()


FIELDS = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}")
    for kind in configurable()
    for name in SECRET_FIELDS
    if name in kind.model_fields
]


def given(kind: type[BaseModel], name: str, value: Any) -> dict[str, Any]:
    """Arguments for a class with this one, and what it requires."""
    return {"docs_root": "data/docs", name: value} if "docs_root" in kind.model_fields else {name: value}


def test_there_are_classes_to_look_at() -> None:
    """The IO managers, the resource, the parent store and the component."""
    assert {kind.__name__ for kind in configurable()} >= {
        "DocDirIOManager",
        "VersionedTextIOManager",
        "DocumentsIndex",
        "ParentStore",
        "DocumentStoreComponent",
    }


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_no_repr_shows_it(kind: type[BaseModel], name: str) -> None:
    """Neither ``repr`` nor ``str``."""
    value = {"secret": SECRET} if name == "storage_options" else f"postgresql://u:{SECRET}@h/d"
    made = kind(**given(kind, name, value))

    assert SECRET not in repr(made)
    assert SECRET not in str(made)


@pytest.mark.parametrize(("kind", "name"), FIELDS)
@pytest.mark.parametrize("wrong", [["LIST"], 7.5, {"a": {"b": "DICT"}}, "TEXT"], ids=["list", "number", "dict", "text"])
def test_no_error_of_a_wrong_type_shows_it(kind: type[BaseModel], name: str, wrong: object) -> None:
    """Pydantic's own error would quote the value."""
    value = [SECRET] if isinstance(wrong, list) else {"a": {SECRET: SECRET}} if isinstance(wrong, dict) else SECRET
    said = ""
    try:
        kind(**given(kind, name, value))
    except Exception as error:  # noqa: BLE001 - of whichever class
        said = f"{error} {error!r}"
    assert SECRET not in said


PLACES = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}")
    for kind in configurable()
    for name in ("docs_root", "db_path", "spool", "base_path")
    if name in kind.model_fields
]


@pytest.mark.parametrize(("kind", "name"), PLACES)
@pytest.mark.parametrize(
    "url",
    ["sftp://u:{}@h/docs", "s3://{}:x@b/docs", "postgresql://u:a/{}@h/d", "https://h/docs?token={}"],
)
def test_no_repr_shows_the_credentials_of_a_url(kind: type[BaseModel], name: str, url: str) -> None:
    """They are refused when the store is opened, and until then everybody may see what was configured."""
    made = kind(**given(kind, name, url.format(SECRET)))

    assert SECRET not in f"{made!r} {made}"
    assert url.partition("://")[0] in repr(made)


def test_no_repr_shows_what_a_component_hands_on() -> None:
    """Fields of the IO manager may hold another store with its credentials."""
    made = DocumentStoreComponent(io_manager={"parent": {"docs_root": "x", "db_url": SECRET}})

    assert SECRET not in f"{made!r} {made}"
