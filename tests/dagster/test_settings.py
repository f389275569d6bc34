"""What the IO manager and the resource are configured with: secrets come from the environment and show nowhere."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentsIndex
from doc_io.errors import ConfigurationError
from tests.canaries import canary

SECRET = canary("settings")


@pytest.mark.parametrize("kind", [DocDirIOManager, DocumentsIndex])
def test_secrets_are_in_no_repr(kind: type[DocDirIOManager | DocumentsIndex]) -> None:
    """Neither options nor the database's URL are shown."""
    made = kind(
        docs_root="memory://somewhere/docs",
        db_url=f"postgresql://user:{SECRET}@host/db",
        storage_options={"secret": SECRET, "client_kwargs": {"token": SECRET}},
    )

    assert SECRET not in f"{made!r} {made}"
    assert "memory://somewhere/docs" in repr(made)


def test_environment_variables_are_looked_up_inside_of_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any depth, when the store is opened and not before; in a run and outside of one."""
    monkeypatch.setenv("TEST_SECRET", SECRET)
    monkeypatch.setenv("TEST_ROOT", "memory://settings/docs")
    manager = DocDirIOManager(
        docs_root=dg.EnvVar("TEST_ROOT"),
        db_path=str(tmp_path / "db.sqlite"),
        storage_options={"a": dg.EnvVar("TEST_SECRET"), "b": {"c": [dg.EnvVar("TEST_SECRET")]}},
    )

    @dg.asset(io_manager_key="documents")
    def note() -> str:
        return "text"

    assert dg.materialize([note], resources={"documents": manager}).success
    assert manager.store.latest("note", "note") is not None
    assert vars(manager.store.storage)["_options"] == {"a": SECRET, "b": {"c": [SECRET]}}


def test_a_missing_environment_variable_is_named() -> None:
    """Before anything is opened."""
    manager = DocDirIOManager(docs_root="memory://x", storage_options={"key": dg.EnvVar("NO_SUCH_VARIABLE")})

    with pytest.raises(ConfigurationError, match="NO_SUCH_VARIABLE"):
        manager.store  # noqa: B018 - it is opened here
