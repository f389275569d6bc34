"""The component of docs/reference.md, against a real server."""

import os
import subprocess
import sys

import pytest

from doc_io import DocumentStore
from tests import pages
from tests.dagster.test_component import FINDS_THE_PROJECT, TWO_ASSETS, Project, project  # noqa: F401 - project is a fixture
from tests.launching import launch
from tests.servers.postgres import Postgres

DEFINITIONS = """
from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    return load_from_defs_folder({where}=Path(__file__).parent{above})
"""


@pytest.fixture
def example(project: Project, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811 - the fixture
    """The project that docs/reference.md describes, with two assets; the URL of its index."""
    [yaml] = pages.blocks(pages.page("docs/reference.md"), "yaml")
    url = postgres_server.new_database()
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DOCUMENTS_DB_URL", url)
    where = (
        {"where": "path_within_project", "above": ""}
        if FINDS_THE_PROJECT
        else {"where": "project_root", "above": ".parent"}
    )
    (project.defs / "assets.py").write_text(TWO_ASSETS)
    (project.defs / "documents" / "defs.yaml").write_text(yaml)
    (project.defs.parent / "definitions.py").write_text(DEFINITIONS.format(**where))
    return url


def stages(project: Project, url: str) -> set[str]:  # noqa: F811 - the fixture's class
    """The stages of the documents that were made."""
    with DocumentStore(project.root / "data" / "docs", db_url=url) as store:
        return {row.stage for row in store.index.scan()}


def test_the_example_of_the_reference_is_launched(project: Project, example: str) -> None:  # noqa: F811 - the fixture
    """It shows every kind of attribute; its reports may be written though `stages` does not name them."""
    launch(f"{project.defs.parent.name}.definitions")

    assert stages(project, example) == {"draft", "essay", "documents_latest_report", "documents_consistency_report"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_process_for_each_step_launches_the_example_too(project: Project, example: str) -> None:  # noqa: F811 - the fixture
    """As ``dg launch --assets '*'`` does: ``dagster asset materialize`` on the module that dg.toml names."""
    (project.root / "home").mkdir()

    launched = subprocess.run(
        [
            sys.executable,
            *["-m", "dagster", "asset", "materialize", "--select", "*", "-m"],
            f"{project.defs.parent.name}.definitions",
        ],
        cwd=project.root,
        env={
            **os.environ,
            "DAGSTER_HOME": str(project.root / "home"),
            "PYTHONPATH": os.pathsep.join([str(project.root), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert launched.returncode == 0, launched.stderr
    assert stages(project, example) == {"draft", "essay", "documents_latest_report", "documents_consistency_report"}
