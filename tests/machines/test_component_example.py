"""The component of docs/reference.md, against a real server."""

import os
import subprocess
import sys

import pytest

from doc_io import DocDirIOManager, DocumentStore
from tests import pages
from tests.dagster.test_component import FINDS_THE_PROJECT, TWO_ASSETS, Project, project, resource  # noqa: F401 - project is a fixture
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


DEFINITIONS = """
from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    return load_from_defs_folder({where}=Path(__file__).parent{above})
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_process_of_its_own_launches_the_example_as_dg_launch_does(
    project: Project,  # noqa: F811 - the fixture
    postgres_server: Postgres,
) -> None:
    """``dg launch --assets '*'`` is ``dagster asset materialize`` on the module that dg.toml names; a process for each step."""
    [example] = pages.blocks(pages.page("docs/reference.md"), "yaml")
    url = postgres_server.new_database()
    where = (
        {"where": "path_within_project", "above": ""}
        if FINDS_THE_PROJECT
        else {"where": "project_root", "above": ".parent"}
    )
    (project.defs / "assets.py").write_text(TWO_ASSETS)
    (project.defs / "documents" / "defs.yaml").write_text(example)
    (project.defs.parent / "definitions.py").write_text(DEFINITIONS.format(**where))
    (project.root / "home").mkdir()

    launched = subprocess.run(
        [
            sys.executable,
            "-m",
            "dagster",
            "asset",
            "materialize",
            "--select",
            "*",
            "-m",
            f"{project.defs.parent.name}.definitions",
        ],
        cwd=project.root,
        env={
            **os.environ,
            "DOCUMENTS_DB_URL": url,
            "DAGSTER_HOME": str(project.root / "home"),
            "PYTHONPATH": os.pathsep.join([str(project.root), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert launched.returncode == 0, launched.stderr
    with DocumentStore(project.root / "data" / "docs", db_url=url) as store:
        made = {row.stage for row in store.index.scan()}
    assert made == {"draft", "essay", "documents_latest_report", "documents_consistency_report"}
