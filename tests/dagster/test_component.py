"""`DocumentStoreComponent`: a project whose documents are set up in YAML."""

import importlib
import importlib.metadata
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import tomli
from dagster.components.core.package_entry import get_package_objects_in_module
from dagster_shared.libraries import DagsterLibraryRegistry

from doc_io import DocDirIOManager, DocumentsIndex, DocumentStoreComponent

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

FINDS_THE_PROJECT = "path_within_project" in inspect.signature(dg.load_from_defs_folder).parameters  # since 1.11.1

DEFINITIONS = """\
import dagster as dg


@dg.asset(metadata={"doc_io/stage": "notes"})
def draft() -> str:
    return "notes"
"""


TWO_ASSETS = """\
import dagster as dg


@dg.asset
def draft() -> str:
    return "notes"


@dg.asset
def essay(draft: str) -> str:
    return draft.upper()
"""


class Project:
    """A project as ``create-dagster`` lays it out, with one component."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.defs = root / name / "defs"
        (self.defs / "documents").mkdir(parents=True)
        (root / name / "__init__.py").touch()
        (self.defs / "__init__.py").touch()
        (self.defs / "assets.py").write_text(DEFINITIONS)
        (root / "dg.toml").write_text(f'directory_type = "project"\n[project]\nroot_module = "{name}"\n')

    def load(self, attributes: str) -> dg.Definitions:
        yaml = f"type: doc_io.DocumentStoreComponent\nattributes:\n{attributes}"
        (self.defs / "documents" / "defs.yaml").write_text(yaml)
        name = "path_within_project" if FINDS_THE_PROJECT else "project_root"
        return dg.load_from_defs_folder(**{name: self.root})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    name = f"project_{tmp_path.name}"
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Project(tmp_path, name)
    for module in [each for each in sys.modules if each.startswith(name)]:
        del sys.modules[module]


def store_in(root: Path) -> str:
    return f"  docs_root: {root}/docs\n  db_path: {root}/documents.sqlite\n"


def test_dg_finds_the_component_where_the_entry_point_leads() -> None:
    """``dg list components`` looks through the module that pyproject.toml names."""
    entry_points = tomli.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]
    module = importlib.import_module(entry_points["dagster_dg_cli.registry_modules"]["doc_io"])

    assert "DocumentStoreComponent" in {name for name, _ in get_package_objects_in_module(module)}


def test_the_library_is_registered_with_its_version() -> None:
    """The UI shows what a code location runs on; from a source tree there is no version to show."""
    try:
        expected = importlib.metadata.version("doc-io")
    except importlib.metadata.PackageNotFoundError:
        expected = None

    assert DagsterLibraryRegistry.get().get("doc-io") == expected


def test_a_project_writes_documents_with_nothing_but_yaml(project: Project) -> None:
    """The asset returns a str; the IO manager comes from the YAML."""
    defs = project.load(store_in(project.root))

    result = defs.resolve_implicit_global_asset_job_def().execute_in_process()

    [materialization] = result.asset_materializations_for_node("draft")
    folder = project.root / "docs" / str(materialization.metadata["doc_dir"].value)
    assert (folder / "raw.txt").read_text() == "notes"


def test_the_assets_listed_are_checked(project: Project) -> None:
    defs = project.load(store_in(project.root) + "  checks: [draft]\n")

    result = defs.resolve_implicit_global_asset_job_def().execute_in_process()

    assert {each.check_name: each.passed for each in result.get_asset_check_evaluations()} == dict.fromkeys(
        [
            "files_exist",
            "row_present",
            "status_valid",
            "parent_exists",
            "parent_is_latest",
            "content_hash_matches",
        ],
        True,
    )


def test_a_field_of_the_io_manager_may_be_given(project: Project) -> None:
    defs = project.load(store_in(project.root) + "  io_manager: {model_id: tiny, preview_chars: 0}\n")

    io_manager = resource(defs, "io_manager")

    assert isinstance(io_manager, DocDirIOManager)
    assert (io_manager.model_id, io_manager.preview_chars) == ("tiny", 0)


def test_the_reports_are_added_when_asked_for(project: Project) -> None:
    defs = project.load(store_in(project.root) + "  reports: true\n")

    result = defs.resolve_implicit_global_asset_job_def().execute_in_process()

    assert len(result.asset_materializations_for_node("documents_latest_report")) == 1


def test_a_value_from_the_environment_is_looked_up_when_a_run_needs_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then only its name is known, which is what the UI shows."""
    monkeypatch.setenv("DOCS_DATABASE", str(project.root / "elsewhere.sqlite"))
    defs = project.load(f"  docs_root: {project.root}/docs\n  db_path: {{env: DOCS_DATABASE}}\n")

    documents = resource(defs, "documents")
    assert isinstance(documents, DocumentsIndex)
    assert "elsewhere" not in repr(documents)

    defs.resolve_implicit_global_asset_job_def().execute_in_process()

    assert (project.root / "elsewhere.sqlite").exists()


def test_every_field_says_what_it_is_for() -> None:
    """The schema that ``dg`` and the editor show."""
    schema = DocumentStoreComponent.model().model_json_schema()

    assert [name for name, field in schema["properties"].items() if not field.get("description")] == []


def resource(defs: dg.Definitions, name: str) -> Any:
    return (defs.resources or {})[name]


def test_a_stage_that_is_not_named_is_refused_beside_the_reports(project: Project) -> None:
    """The list is still one."""
    defs = project.load(store_in(project.root) + "  io_manager: {stages: [essay]}\n  reports: true\n")

    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(raise_on_error=False)

    [failed] = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == "draft"


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("  doc_root: elsewhere\n", "doc_root"),
        ("  io_manager: {model: tiny}\n", "Did you mean model_id"),
        ("  io_manager: {docs_root: x}\n", "there is no such setting"),
    ],
)
def test_a_misspelt_attribute_is_refused(project: Project, yaml: str, says: str) -> None:
    """Else the documents go somewhere else, green."""
    with pytest.raises(
        Exception, match=r"documents|no such setting"
    ) as refused:  # by version, with or without its file
        project.load(store_in(project.root) + yaml)

    assert says in "".join(traceback.format_exception(refused.value))


def test_what_the_io_manager_and_the_resource_share_is_given_once(project: Project) -> None:
    """A spool or an experiment of `io_manager` holds for both."""
    defs = project.load(store_in(project.root) + "  io_manager: {spool: elsewhere, experiment: e1, model_id: m1}\n")

    documents = resource(defs, "documents")
    assert isinstance(documents, DocumentsIndex)
    assert (documents.spool, documents.experiment) == ("elsewhere", "e1")
