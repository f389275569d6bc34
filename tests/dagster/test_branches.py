"""Branch deployments: a branch reads production's documents until it has made its own, and never writes there."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.branching.branching_io_manager import BranchingIOManager

from doc_io import DocDirIOManager, DocumentStore, ParentStore, StoredDocument, build_document_checks
from doc_io.document import OK
from doc_io.testing import TemporaryDocuments, temporary_documents

TOPICS = dg.StaticPartitionsDefinition(["cats", "dogs"])


@dg.asset(partitions_def=TOPICS)
def draft(context: dg.AssetExecutionContext) -> str:
    return f"branch notes on {context.partition_key}"


@dg.asset(partitions_def=TOPICS)
def essay(draft: str) -> str:
    return f"an essay from {draft}"


@dg.asset
def summary(draft: dict[str, str]) -> str:
    return " | ".join(draft.values())


@pytest.fixture
def production() -> Iterator[TemporaryDocuments]:
    with temporary_documents() as made:
        made.write(draft, {topic: f"notes on {topic}" for topic in TOPICS.get_partition_keys()})
        yield made


@pytest.fixture
def branch(production: TemporaryDocuments) -> Iterator[TemporaryDocuments]:
    parent = ParentStore(docs_root=production.io_manager.docs_root, db_path=production.io_manager.db_path)
    with temporary_documents(parent=parent) as made:
        yield made


def files(documents: TemporaryDocuments) -> set[Path]:
    return set(Path(documents.io_manager.docs_root).rglob("*"))


def test_a_branch_reads_what_it_has_not_made_from_its_parent(branch: TemporaryDocuments) -> None:
    dg.materialize([draft, essay], selection=[essay], partition_key="cats", resources=branch.resources)

    assert branch.read(essay, "cats") == "an essay from notes on cats"


def test_a_branch_reads_its_own_once_it_has_made_it(branch: TemporaryDocuments) -> None:
    dg.materialize([draft, essay], partition_key="cats", resources=branch.resources)

    assert branch.read(essay, "cats") == "an essay from branch notes on cats"


def test_the_choice_is_made_for_each_partition(branch: TemporaryDocuments) -> None:
    """Dagster's BranchingIOManager takes all of them from one place."""
    branch.write(draft, {"dogs": "branch notes on dogs"})

    dg.materialize([draft, summary], selection=[summary], resources=branch.resources)

    assert branch.read(summary) == "notes on cats | branch notes on dogs"


def test_nothing_is_written_to_the_parent(production: TemporaryDocuments, branch: TemporaryDocuments) -> None:
    before = files(production)

    dg.materialize([draft, essay], partition_key="cats", resources=branch.resources)

    assert files(production) == before
    assert production.store.latest("essay", "cats") is None


def test_a_document_of_a_branch_knows_its_parent_in_production(
    production: TemporaryDocuments, branch: TemporaryDocuments
) -> None:
    """The doc_id is recorded, and the checks find it."""
    checks = build_document_checks(assets=[essay], per_partition=False)

    result = dg.materialize(
        [draft, essay, *checks],
        selection=dg.AssetSelection.assets(essay),
        partition_key="cats",
        resources=branch.resources,
    )

    notes = production.row(draft, "cats")
    made = branch.io_manager.store.latest("essay", "cats")
    assert made is not None
    assert notes is not None
    assert made.parent_doc_id == notes.doc_id
    assert [each.check_name for each in result.get_asset_check_evaluations() if not each.passed] == []


def test_a_document_of_the_parent_opens_from_the_branch(branch: TemporaryDocuments) -> None:
    """Its texts, its folder and its record lie with the parent."""

    @dg.asset(partitions_def=TOPICS)
    def reader(draft: StoredDocument) -> str:
        return f"{draft.text} / {draft.raw} / {(draft.doc_dir / 'raw.txt').read_text()} / {draft.metadata}"

    dg.materialize([draft, reader], selection=[reader], partition_key="cats", resources=branch.resources)

    assert branch.read(reader, "cats") == "notes on cats / notes on cats / notes on cats / {}"


def test_a_store_without_dagster_reads_through_too(tmp_path: Path) -> None:
    parent = DocumentStore(tmp_path / "main/docs")
    with DocumentStore(tmp_path / "branch/docs", parent=parent) as own:
        older = parent.save("parent's", stage="draft", task_id="t")
        assert own.read(own.history("draft", "t")[0]) == "parent's"

        newer = own.save("own", stage="draft", task_id="t")

        assert own.history("draft", "t") == [newer, older]
        assert own.index.get_many([older.doc_id, newer.doc_id]) == [older, newer]
        assert own.read_many([older, newer]) == {older.doc_id: "parent's", newer.doc_id: "own"}
        assert own.index.latest_by_logical(older.logical_key_id, OK) == newer


@pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run:DeprecationWarning")  # Dagster's nested resources
def test_dagsters_own_branching_io_manager_works_on_two_of_ours(production: TemporaryDocuments, tmp_path: Path) -> None:
    """It asks Dagster's instance, not the index, who made what; the metadata of both are on the materialization."""
    branching = BranchingIOManager(
        parent_io_manager=production.io_manager,
        branch_io_manager=DocDirIOManager(docs_root=str(tmp_path / "docs"), db_path=str(tmp_path / "db.sqlite")),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [draft, essay],
            selection=[essay],
            partition_key="cats",
            resources={"io_manager": branching},
            instance=instance,
        )

    [materialization] = result.asset_materializations_for_node("essay")
    assert materialization.metadata["io_manager_branch"].value == "dev"
    assert materialization.metadata["status"].value == "ok"
    assert (tmp_path / "docs" / "essay").is_dir()
    assert result.output_for_node("essay") == "an essay from notes on cats"
