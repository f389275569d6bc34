"""docs/reference.md is complete and true: what it must list is taken from the code, and its examples are run."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import doc_io
from doc_io import (
    DocDirIOManager,
    Document,
    DocumentRow,
    DocumentsIndex,
    DocumentStore,
    DocumentStoreComponent,
    Filter,
    Origin,
    ParentStore,
    Policy,
    Status,
    StoredDocument,
    TaskTable,
    Usage,
    VersionedTextIOManager,
    errors,
    testing,
)
from tests import pages
from tests.launching import execute, launch

PAGE = pages.page("docs/reference.md")
SOURCES = [path.read_text(encoding="utf-8") for path in (pages.ROOT / "src").rglob("*.py")]

SHARED = pages.table(pages.section(PAGE, "Settings"), 0)
OF_THE_IO_MANAGER = pages.table(pages.section(PAGE, "Settings"), 1)
MADE_FROM_NAMES = {"doc_io/template_id", "doc_io/model_id", "doc_io/parser", "doc_io/parent_doc_id"}
"""Keys that the code puts together from the names of fields."""


def fields_of(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def public(kind: type) -> set[str]:
    """The names that a class of ours gives, without those of pydantic and Dagster."""
    ours = [each for each in kind.__mro__ if each.__module__.startswith("doc_io")]
    hooks = {"setup_for_execution", "teardown_after_execution"}
    return {
        name
        for each in ours
        for name, value in vars(each).items()
        if not name.startswith(("_", "model_")) and name not in hooks and (callable(value) or hasattr(value, "__get__"))
    }


def words(text: str) -> set[str]:
    """Every word that is set as code."""
    return {word for each in pages.code(text) for word in re.findall(r"\w+", each)}


def test_every_public_name_is_on_the_page() -> None:
    """Of doc_io and of doc_io.testing."""
    assert {*doc_io.__all__, *testing.__all__} - words(PAGE) == set()


@pytest.mark.parametrize(("kind", "heading"), [(Document, "Document"), (TaskTable, "Task tables")])
def test_every_field_is_in_its_table_and_no_other(kind: Any, heading: str) -> None:
    """In the order of the class."""
    assert pages.first_names(pages.table(pages.section(PAGE, heading))) == fields_of(kind)


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        (Usage, "Document"),
        (ParentStore, "Settings"),
        (VersionedTextIOManager, "Settings"),
        (DocumentRow, "Without Dagster"),
        (Filter, "Without Dagster"),
        (Origin, "Without Dagster"),
        (Policy, "Without Dagster"),
    ],
)
def test_every_field_of_a_value_is_in_its_section(kind: Any, heading: str) -> None:
    """A class that is made by hand."""
    fields = kind.model_fields if hasattr(kind, "model_fields") else fields_of(kind)

    assert set(fields) - words(pages.section(PAGE, heading)) == set()


def test_every_field_of_both_resources_is_in_a_table() -> None:
    """And no table has a field that is gone."""
    shared, own = set(pages.first_names(SHARED)), set(pages.first_names(OF_THE_IO_MANAGER))

    assert set(DocumentsIndex.model_fields) <= shared
    assert shared | own == set(DocDirIOManager.model_fields)
    assert not shared & own


@pytest.mark.parametrize("row", [*SHARED, *OF_THE_IO_MANAGER], ids=lambda row: str(row[0]))
def test_a_default_on_the_page_is_that_of_the_field(row: list[str]) -> None:
    """One that follows from another field is told in words."""
    [name], default = pages.code(row[0]), row[1]
    if default.startswith("`"):
        field = DocumentsIndex.model_fields.get(name) or DocDirIOManager.model_fields[name]
        assert default.strip("`") == str(field.default)
    else:
        assert name == "db_path"


def test_every_attribute_of_the_component_is_in_its_table() -> None:
    """With its default, and no other."""
    rows = pages.table(pages.section(PAGE, "The component"))

    assert {name: row[1].strip("`") for row in rows for name in pages.code(row[0])} == {
        name: str(field.default) for name, field in DocumentStoreComponent.model_fields.items()
    }


def test_every_key_and_tag_of_the_code_is_in_the_table_and_no_other() -> None:
    """A key that a user cannot look up is one that nobody uses."""
    listed = set(pages.first_names(pages.table(pages.section(PAGE, "Metadata keys and run tags"))))
    known = {key for source in SOURCES for key in re.findall(r"(?<![\w/])doc_io/\w+(?![\w/.*])", source)}

    assert listed - {"allow_missing_partitions"} == known | MADE_FROM_NAMES


def test_every_status_is_in_the_table() -> None:
    """In the order of the class."""
    assert pages.first_names(pages.table(pages.section(PAGE, "Status"))) == [str(status) for status in Status]


def test_the_finish_reasons_of_the_page_mean_truncated() -> None:
    """And those that it says do not, do not."""
    [truncated] = [row for row in pages.table(pages.section(PAGE, "Status")) if row[0] == "`truncated`"]
    reasons = pages.code(truncated[1]) - {"finish_reason"}
    [failed] = [row for row in pages.table(pages.section(PAGE, "Status")) if row[0] == "`gen_error`"]

    assert len(reasons) == 6
    assert {Document("x", finish_reason=reason).outcome for reason in reasons} == {Status.TRUNCATED}
    for reason in ("content_filter", "refusal", "SAFETY", "failed", "cancelled"):
        assert f"`{reason}`" in failed[1]
        assert Document("x", finish_reason=reason).outcome is Status.GEN_ERROR


def test_every_error_is_in_the_table_with_its_exit_code_and_what_it_is() -> None:
    """And no other."""
    listed = {row[0].strip("`"): (int(row[1]), row[2].strip("`")) for row in pages.table(pages.section(PAGE, "Errors"))}
    kinds = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, errors.DocIOError)]

    def is_also(kind: type) -> str:
        return next(
            (each.__name__ for each in reversed(kind.__bases__) if each not in (errors.DocIOError, Exception)), ""
        )

    assert listed == {kind.__name__: (kind.exit_code, is_also(kind)) for kind in kinds}


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        (DocumentsIndex, "DocumentsIndex"),
        (DocumentStore, "Without Dagster"),
        (StoredDocument, "Without Dagster"),
        (testing.TemporaryDocuments, "Testing"),
    ],
)
def test_every_method_is_in_its_section(kind: type, heading: str) -> None:
    """With what it is for."""
    assert public(kind) - words(pages.section(PAGE, heading)) == set()


def test_every_environment_variable_is_in_the_table() -> None:
    """And no other; clients of storages and databases read their own."""
    listed = pages.first_names(pages.table(pages.section(PAGE, "Environment variables")))
    ours = re.compile(r"\b(?:DD_DOCS|DOC_IO)_[A-Z_]+\b|\bNO_COLOR\b")

    assert {name for source in SOURCES for name in ours.findall(source)} == set(listed)


def test_the_examples_are_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the definitions of one file, with the assets that the page shows beside its definitions, and the jobs."""
    monkeypatch.chdir(tmp_path)
    rest = "defs = dg.Definitions.merge(defs, dg.Definitions(assets=[headline, unescaped, note]))\n"
    file = tmp_path / "definitions.py"
    file.write_text("\n".join([*pages.blocks(PAGE, "python"), rest]), encoding="utf-8")
    launch(file, "draft,essay,headline,unescaped,documents_latest_report,documents_consistency_report")
    launch(file, "note", "--partition-range", "whales...dolphins")
    for job in ("document_checks", "documents_upkeep"):
        execute(file, job)

    with DocumentStore("data/docs") as store:
        assert {(row.stage, row.task_id) for row in store.index.scan() if not row.stage.startswith("documents_")} == {
            *((stage, stage) for stage in ("draft", "essay", "headline", "unescaped")),
            ("note", "whales"),
            ("note", "dolphins"),
        }


def test_the_examples_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the definitions that they end with write documents."""
    monkeypatch.chdir(tmp_path)
    names = pages.run(pages.blocks(PAGE, "python"))
    with dg.DagsterInstance.ephemeral() as instance:
        job = names["defs"].resolve_implicit_global_asset_job_def()
        runs = [job.execute_in_process(instance=instance) for _ in range(2)]
    parsed = dg.materialize([names["headline"], names["unescaped"]], resources={"io_manager": DocDirIOManager()})

    assert all(each.success for each in runs)
    drafts = [each.asset_materializations_for_node("draft")[0].metadata for each in runs]
    told = pages.code(pages.section(PAGE, "Metadata keys and run tags"))
    assert set().union(*drafts) <= told
    assert "reused" in drafts[1]
    with DocumentStore("data/docs") as store:
        texts = {row.stage: store.read(row) for row in store.select()}
        assert len(store.history("draft", "draft")) == 1  # the second run reused it
    assert parsed.success
    assert texts["essay"] == "WHALES SING."
    assert (texts["headline"], texts["unescaped"]) == ("Whales sing", "Q & A")
    assert names["table"].as_config() in names["manager"].task_tables.values()
