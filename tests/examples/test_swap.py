"""The swap: two files, one binding apart."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from doc_io import DocumentStore
from examples.swap import after, before

SWAP = Path(before.__file__).parent


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that forgets, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_the_two_differ_in_one_binding_and_its_import() -> None:
    """The README's promise, held to the letter."""
    old, new = ((SWAP / name).read_text(encoding="utf-8").splitlines() for name in ("before.py", "after.py"))
    diff = [line for line in difflib.ndiff(old, new) if line[0] in "+-" and line[2:].strip()]

    assert diff == [
        "+ from doc_io import DocDirIOManager",
        '-         "io_manager": dg.FilesystemIOManager(base_dir="data/storage"),',
        '+         "io_manager": DocDirIOManager(docs_root="data/docs", db_path="data/db/documents.sqlite"),',
    ]


def test_before_keeps_pickles(instance: dg.DagsterInstance) -> None:
    """What there is without doc_io: one file an asset, which nobody can read and the next run replaces."""
    assert before.defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success

    assert sorted(path.name for path in Path("data/storage").iterdir()) == ["draft", "essay"]


def test_after_keeps_documents(instance: dg.DagsterInstance) -> None:
    """The same assets, and the essay knows the draft it was made from."""
    assert after.defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success

    with DocumentStore("data/docs", "data/db/documents.sqlite") as store:
        draft = store.latest("draft", "draft")
        essay = store.latest("essay", "essay")
        assert draft is not None
        assert essay is not None
        assert essay.parent_doc_id == draft.doc_id
        assert store.read(essay) == "Assets return text. The IO manager keeps it."
        assert (Path("data/docs") / essay.doc_dir / "raw.txt").read_text() == store.read(essay)
