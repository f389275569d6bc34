"""The same pipeline under the real executors: one process, and one process a step."""

from pathlib import Path

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentStore

ROOT = "DOC_IO_TEST_ROOT"


@dg.asset
def draft() -> str:
    """A text."""
    return "d"


@dg.asset
def essay(draft: str) -> str:
    """A text from another."""
    return f"from {draft}"


def pipeline() -> dg.JobDefinition:
    """The job, made anew in each process, with its root from the environment."""
    root = dg.EnvVar(ROOT).get_value()
    manager = DocDirIOManager(docs_root=dg.EnvVar(ROOT), db_path=f"{root}/documents.sqlite")
    defs = dg.Definitions(assets=[draft, essay], resources={"io_manager": manager}, jobs=[dg.define_asset_job("write")])
    return defs.resolve_job_def("write")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the job writes."""
    monkeypatch.setenv(ROOT, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_parents_are_recorded_under_every_executor(root: Path, executor: str) -> None:
    """What a step loaded is known where its output is written."""
    with dg.instance_for_test() as instance:
        run = dg.execute_job(
            dg.reconstructable(pipeline),
            instance=instance,
            run_config={"execution": {"config": {executor: {}}}},
        )
        assert run.success
    with DocumentStore(root, root / "documents.sqlite") as store:
        parent, row = (store.latest(name, name) for name in ("draft", "essay"))
        assert parent is not None
        assert row is not None
        assert (row.parent_doc_id, store.read(row)) == (parent.doc_id, "from d")
        assert store.parents(row.doc_id) == [(parent.doc_id, "draft")]
