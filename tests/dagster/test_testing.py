"""What `doc_io.testing` gives to the tests of a pipeline."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from doc_io import ConfigurationError, Document, DocumentsByPartition
from doc_io.testing import TemporaryDocuments, input_context, output_context, temporary_documents

TOPICS = dg.StaticPartitionsDefinition(["cats", "dogs"])


@dg.asset(partitions_def=TOPICS, metadata={"doc_io/stage": "notes"})
def draft(context: dg.AssetExecutionContext) -> str:
    return f"notes on {context.partition_key}"


@dg.asset(partitions_def=TOPICS)
def essay(draft: str) -> str:
    return f"an essay from {draft}"


@dg.asset
def summary(essay: dict[str, str]) -> str:
    return " ".join(essay.values())


@pytest.fixture
def documents() -> Iterator[TemporaryDocuments]:
    with temporary_documents() as made:
        yield made


def test_an_asset_is_tested_alone_on_documents_written_by_hand(documents: TemporaryDocuments) -> None:
    """The asset upstream does not run."""
    documents.write(draft, {"cats": "whiskers"})

    dg.materialize([draft, essay], selection=[essay], partition_key="cats", resources=documents.resources)

    assert documents.read(essay, "cats") == "an essay from whiskers"


def test_a_document_written_by_hand_is_found_under_the_identity_of_its_asset(documents: TemporaryDocuments) -> None:
    [row] = documents.write(summary, Document("all of it", model_id="m"))

    assert (row.stage, row.task_id, row.asset_key, row.model_id) == ("summary", "summary", "summary", "m")
    assert documents.row(summary) == row


def test_what_was_never_made_reads_as_none(documents: TemporaryDocuments) -> None:
    assert documents.row(essay, "dogs") is None
    assert documents.read(essay, "dogs") is None


def test_the_documents_are_deleted_when_the_block_ends() -> None:
    with temporary_documents() as made:
        folder = Path(str(made.store.resolve_doc_dir(made.write(summary, "text")[0])))
        assert folder.is_dir()

    assert not folder.exists()


def test_a_setting_of_the_io_manager_may_be_given(tmp_path: Path) -> None:
    """A docs root of one's own, for one."""
    with temporary_documents(docs_root=str(tmp_path / "mine"), model_id="tiny") as made:
        dg.materialize([draft], partition_key="cats", resources=made.resources)
        row = made.io_manager.store.latest("notes", "cats")

    assert row is not None
    assert row.model_id == "tiny"
    assert (tmp_path / "mine" / row.doc_dir / "raw.txt").read_text() == "notes on cats"


def test_an_io_manager_is_called_with_the_context_of_one_partition(documents: TemporaryDocuments) -> None:
    documents.write(draft, {"cats": "whiskers", "dogs": "bones"})

    assert documents.io_manager.load_input(input_context(draft, "dogs")) == "bones"


def test_an_io_manager_is_called_with_the_context_of_a_range(documents: TemporaryDocuments) -> None:
    documents.write(draft, {"cats": "whiskers", "dogs": "bones"})

    loaded = documents.io_manager.load_input(input_context(draft, ("cats", "dogs"), annotation=dict[str, str]))

    assert loaded == {"cats": "whiskers", "dogs": "bones"}


def test_the_metadata_of_an_input_is_followed(documents: TemporaryDocuments) -> None:
    documents.write(summary, Document("raw", parsed="parsed"))

    assert documents.io_manager.load_input(input_context(summary, metadata={"doc_io/read": "raw"})) == "raw"


def test_an_output_is_handled_with_a_context_of_its_own(documents: TemporaryDocuments) -> None:
    with output_context(summary) as context:
        documents.io_manager.handle_output(context, "all")

    assert documents.read(summary) == "all"


def test_an_output_of_partitions_is_handled_or_says_what_it_needs(documents: TemporaryDocuments) -> None:
    """Dagster before 1.12 cannot build the context of a partitioned output."""
    try:
        with output_context(draft, "cats") as context:
            documents.io_manager.handle_output(context, DocumentsByPartition({"cats": "whiskers"}))
    except ConfigurationError as error:
        assert "Dagster 1.12" in str(error)  # noqa: PT017 - either is right, by version
    else:
        assert documents.read(draft, "cats") == "whiskers"


def test_a_definition_of_several_assets_is_refused() -> None:
    @dg.multi_asset(specs=[dg.AssetSpec("one"), dg.AssetSpec("two")])
    def both() -> Iterator[dg.MaterializeResult[None]]:
        yield from ()

    with pytest.raises(ConfigurationError, match="2 assets"):
        output_context(both)
