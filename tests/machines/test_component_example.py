"""The component of docs/reference.md, against a real server."""

import pytest

from doc_io import DocDirIOManager
from tests import pages
from tests.dagster.test_component import TWO_ASSETS, Project, project, resource  # noqa: F401 - project is a fixture
from tests.servers.postgres import Postgres


def test_the_example_of_the_reference_is_launched(
    project: Project,  # noqa: F811 - the fixture
    postgres_server: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """docs/reference.md shows every kind of attribute; its reports may be written though `stages` does not name them."""
    [example] = pages.blocks(pages.page("docs/reference.md"), "yaml")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DOCUMENTS_DB_URL", postgres_server.new_database())
    (project.defs / "assets.py").write_text(TWO_ASSETS)
    defs = project.load(example.partition("attributes:\n")[2])

    result = defs.resolve_implicit_global_asset_job_def().execute_in_process()

    made = {
        event.materialization.asset_key.to_user_string() for event in result.all_events if event.is_step_materialization
    }
    manager = resource(defs, "io_manager")
    assert made == {"draft", "essay", "documents_latest_report", "documents_consistency_report"}
    assert {check.asset_key.to_user_string() for check in result.get_asset_check_evaluations() if check.passed} == {
        "draft",
        "essay",
    }
    assert isinstance(manager, DocDirIOManager)
    assert (manager.preview_chars, manager.stages) == (200, ["draft", "essay"])
