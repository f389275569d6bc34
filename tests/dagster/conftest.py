"""A real Dagster instance, the IO manager, and the store that both write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import tenacity

import tests.hypothesis_profile  # noqa: F401 - importing it loads the profile
from doc_io import DocDirIOManager, DocumentsIndex, DocumentStore


@dataclass
class House:
    """One store, one instance, and the resources that bind assets to them."""

    root: Path
    instance: dg.DagsterInstance
    store: DocumentStore

    @property
    def where(self) -> dict[str, Any]:
        """The settings that the manager and the resource share."""
        return {"docs_root": str(self.root / "docs"), "db_path": str(self.root / "documents.sqlite")}

    def run(self, assets: Sequence[Any], *, manager: dict[str, Any] | None = None, **options: Any) -> Any:
        """Materialize assets; what fails is in the result."""
        resources = {
            "io_manager": DocDirIOManager(**{**self.where, "spool": str(self.root / "spool"), **(manager or {})}),
            "documents": DocumentsIndex(**self.where, spool=str(self.root / "spool")),
        }
        return dg.materialize(assets, resources=resources, instance=self.instance, raise_on_error=False, **options)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again come at once: a store that a test took away does not come back by waiting."""
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty house."""
    with (
        dg.DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as instance,
        DocumentStore(tmp_path / "docs", tmp_path / "documents.sqlite") as store,
    ):
        yield House(tmp_path, instance, store)


def materializations(result: Any) -> dict[str, dict[str, Any]]:
    """The metadata of what a run materialized: by asset, or by asset and partition."""
    found = {}
    for event in result.all_events:
        if event.is_step_materialization:
            made = event.materialization
            name = made.asset_key.to_user_string() + (f"|{made.partition}" if made.partition else "")
            found[name] = {key: value.value for key, value in made.metadata.items()}
    return found


def failure(result: Any, step: str) -> Any:
    """The failure of a step."""
    [event] = [event for event in result.all_events if event.is_step_failure and event.step_key == step]
    return event.step_failure_data


def reason(result: Any, step: str) -> str:
    """What a failed step says, causes included."""
    return str(failure(result, step).error.to_string())


Run = Callable[..., Any]
