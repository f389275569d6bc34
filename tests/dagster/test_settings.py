"""What the IO manager and the resource are configured with: secrets come from the environment and show nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentsIndex, ParentStore, RolloutIOManager, VersionedTextIOManager
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


@pytest.mark.parametrize(
    ("kind", "setting", "meant"),
    [
        (DocDirIOManager, "doc_root", "docs_root"),
        (DocumentsIndex, "db_pth", "db_path"),
        (ParentStore, "docroot", "docs_root"),
        (VersionedTextIOManager, "base_pth", "base_path"),
        (RolloutIOManager, "fase", "phase"),
    ],
)
def test_a_setting_that_there_is_not_is_answered_with_the_one_that_was_meant(
    kind: Any, setting: str, meant: str
) -> None:
    """It would be dropped in silence, and the documents go somewhere else; what it was set to is not repeated."""
    with pytest.raises(ConfigurationError, match=f"Did you mean {meant}") as refused:
        kind(**{setting: SECRET})

    assert SECRET not in str(refused.value)


def test_a_setting_of_the_wrong_type_does_not_show_the_others() -> None:
    """Pydantic repeats what it was given."""
    with pytest.raises(ValueError, match="preview_chars") as refused:
        DocDirIOManager(db_url=f"postgresql://user:{SECRET}@host/db", preview_chars=-1)

    assert SECRET not in str(refused.value)


def test_a_misspelt_field_of_a_task_table_is_refused_before_a_body_runs() -> None:
    """As one of the manager's own."""
    with pytest.raises(ValueError, match="Did you mean template_id"):
        DocDirIOManager(task_tables={"essay": {"path": "essays.csv", "template": "t"}})
