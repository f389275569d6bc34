"""What inputs get: the right version of the right document, in the shape their annotation asks for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from upath import UPath

from doc_io import DocDirIOManager, Document, StoredDocument, maintenance
from tests.dagster.conftest import House, reason

ABC = dg.StaticPartitionsDefinition(["a", "b", "c"])


def read_by(house: House, annotation: Any, metadata: dict[str, Any] | None = None, **options: Any) -> Any:
    """What an asset with an input of this annotation gets."""
    seen: list[Any] = []

    def body(draft: Any) -> str:
        seen.append(list(draft) if annotation is Iterator else draft)
        return "x"

    body.__annotations__ = {"draft": annotation, "return": str}
    reader = dg.asset(name="reader", ins={"draft": dg.AssetIn(metadata=metadata or {})}, **options)(body)
    partitions = ABC if house.store.latest("draft", "a") else None
    result = house.run([dg.AssetSpec("draft", partitions_def=partitions), reader])
    assert result.success, reason(result, "reader")
    return seen[0]


def three(house: House) -> None:
    """A draft of each of a, b and c."""
    for key in "cab":
        house.store.save(Document(f"raw {key}", parsed=f"parsed {key}"), stage="draft", task_id=key, asset_key="draft")


def one(house: House) -> Any:
    """One draft, of an asset without partitions."""
    return house.store.save(Document("raw", parsed="parsed", prompt="prompt"), stage="draft", task_id="draft")


@pytest.mark.parametrize("annotation", [str, Any])
def test_a_str_gets_the_text(house: House, annotation: Any) -> None:
    """Parsed where there is one; no annotation means the same."""
    one(house)
    assert read_by(house, annotation) == "parsed"


@pytest.mark.parametrize(
    ("which", "text"), [("raw", "raw"), ("parsed", "parsed"), ("prompt", "prompt"), ("text", "parsed")]
)
def test_the_inputs_metadata_chooses_the_text(house: House, which: str, text: str) -> None:
    """doc_io/read."""
    one(house)
    assert read_by(house, str, {"doc_io/read": which}) == text


def test_bytes_get_the_bytes_of_the_same_file(house: House) -> None:
    """For what is not read as text."""
    one(house)
    assert read_by(house, bytes, {"doc_io/read": "raw"}) == b"raw"


def test_a_stored_document_has_row_and_texts(house: House) -> None:
    """Read when asked for."""
    row = one(house)
    stored = read_by(house, StoredDocument)
    assert (stored.row, stored.raw, stored.prompt) == (row, "raw", "prompt")


@pytest.mark.parametrize("annotation", [UPath, Path])
def test_a_path_is_the_documents_folder(house: House, annotation: Any) -> None:
    """For what opens the files by itself."""
    row = one(house)
    folder = read_by(house, annotation)
    assert isinstance(folder, annotation)
    assert (folder / "raw.txt").read_text() == "raw"
    assert folder.name == row.doc_id


def test_a_dict_has_every_partition_under_its_own_key(house: House) -> None:
    """Keys and texts are never swapped."""
    three(house)
    assert read_by(house, dict[str, str]) == {key: f"parsed {key}" for key in "abc"}


def test_a_dict_of_documents_paths_or_bytes_works_alike(house: House) -> None:
    """Any of the shapes of one document."""
    three(house)
    assert {key: each.raw for key, each in read_by(house, dict[str, StoredDocument]).items()} == {
        key: f"raw {key}" for key in "abc"
    }
    assert read_by(house, dict[str, bytes])["b"] == b"parsed b"
    assert (read_by(house, dict[str, UPath])["c"] / "raw.txt").read_text() == "raw c"


def test_a_missing_partition_is_left_out_where_that_is_allowed(house: House) -> None:
    """The others keep their own texts; a failed one is missing too."""
    three(house)
    house.store.save(Document("half", status="truncated"), stage="draft", task_id="d")
    seen: list[Any] = []

    @dg.asset(ins={"draft": dg.AssetIn(metadata={"allow_missing_partitions": True})})
    def reader(draft: dict[str, str]) -> str:
        seen.append(draft)
        return "x"

    spec = dg.AssetSpec("draft", partitions_def=dg.StaticPartitionsDefinition(["z", "a", "d", "b", "y", "c"]))
    assert house.run([spec, reader]).success
    assert seen == [{key: f"parsed {key}" for key in "abc"}]


def test_a_missing_partition_is_an_error_where_it_is_not_allowed(house: House) -> None:
    """It names asset, partition, stage and the newest failed attempt."""
    failed = house.store.save(Document("half", status="truncated"), stage="draft", task_id="a")

    @dg.asset
    def reader(draft: dict[str, str]) -> str:
        return "x"

    said = reason(house.run([dg.AssetSpec("draft", partitions_def=ABC), reader]), "reader")

    assert "No ok document for asset draft, partition a (and 2 more partitions)" in said
    assert f"newest attempt: truncated, {failed.doc_id}" in said
    assert "FileNotFoundError" in said or "DocumentNotFoundError" in said


def test_one_partition_in_a_dict_annotation_is_still_a_dict(house: House) -> None:
    """Code that loops over it must not break on the day there is one."""
    three(house)
    seen: list[Any] = []

    @dg.asset(ins={"draft": dg.AssetIn(partition_mapping=dg.SpecificPartitionsPartitionMapping(["b"]))})
    def reader(draft: dict[str, str]) -> str:
        seen.append(draft)
        return "x"

    assert house.run([dg.AssetSpec("draft", partitions_def=ABC), reader]).success
    assert seen == [{"b": "parsed b"}]


def test_a_list_has_the_texts_in_the_order_of_the_partitions(house: House) -> None:
    """As the definition orders them."""
    three(house)
    assert read_by(house, list[str]) == ["parsed a", "parsed b", "parsed c"]


def test_an_iterator_gives_one_document_at_a_time(house: House) -> None:
    """For more texts than fit into memory."""
    three(house)
    assert [each.text for each in read_by(house, Iterator)] == ["parsed a", "parsed b", "parsed c"]


def test_one_text_cannot_stand_for_many_partitions(house: House) -> None:
    """A clear error instead of a surprise."""
    three(house)

    @dg.asset
    def reader(draft: str) -> str:
        return draft

    said = reason(house.run([dg.AssetSpec("draft", partitions_def=ABC), reader]), "reader")
    assert "has 3 partitions" in said
    assert "Annotate it as a dict" in said


def test_an_annotation_that_no_document_fits_is_a_clear_error(house: House) -> None:
    """It says what could be given."""
    one(house)

    @dg.asset
    def reader(draft: int) -> str:
        return str(draft)

    assert "Use str, StoredDocument, bytes" in reason(house.run([dg.AssetSpec("draft"), reader]), "reader")


def test_a_version_can_be_pinned(house: House) -> None:
    """doc_io/version is a doc_id."""
    old = one(house)
    house.store.save("newer", stage="draft", task_id="draft")
    assert read_by(house, StoredDocument, {"doc_io/version": old.doc_id}).row == old


def test_a_misspelt_key_of_an_input_is_refused(house: House) -> None:
    """It would pin nothing, and the latest be read in silence."""
    old = one(house)

    @dg.asset(ins={"draft": dg.AssetIn(metadata={"doc_io/verison": old.doc_id})})
    def reader(draft: str) -> str:
        return draft

    said = reason(house.run([dg.AssetSpec("draft"), reader]), "reader")
    assert "doc_io/verison" in said
    assert "An input may have doc_io/read, doc_io/version." in said


def test_a_pinned_version_of_another_task_is_refused(house: House) -> None:
    """A doc_id that was pasted into the wrong place."""
    other = house.store.save("x", stage="essay", task_id="t")
    one(house)

    @dg.asset(ins={"draft": dg.AssetIn(metadata={"doc_io/version": other.doc_id})})
    def reader(draft: str) -> str:
        return draft

    assert "belongs to stage 'essay'" in reason(house.run([dg.AssetSpec("draft"), reader]), "reader")


def test_a_pinned_version_that_does_not_exist_is_a_clear_error(house: House) -> None:
    """Not the latest in its place."""
    one(house)

    @dg.asset(ins={"draft": dg.AssetIn(metadata={"doc_io/version": "nosuchdocument00"})})
    def reader(draft: str) -> str:
        return draft

    assert "no document nosuchdocument00" in reason(house.run([dg.AssetSpec("draft"), reader]), "reader")


def test_a_run_reads_what_it_wrote_itself_though_another_run_was_later(house: House) -> None:
    """Two runs at once do not mix."""

    @dg.asset
    def draft() -> str:
        return "mine"

    @dg.asset(deps=[draft])
    def meanwhile(documents: dg.ResourceParam[Any]) -> None:
        documents.store.save("of another run", stage="draft", task_id="draft", run_id="other")

    @dg.asset(deps=[meanwhile])
    def essay(draft: str) -> str:
        return f"from {draft}"

    assert house.run([draft, meanwhile, essay]).success
    assert house.store.read(house.store.history("essay", "essay")[0]) == "from mine"
    assert house.store.read(house.store.history("draft", "draft")[0]) == "of another run"


def test_what_a_step_loaded_is_its_parent(house: House) -> None:
    """Whichever version that was."""

    @dg.asset
    def draft() -> str:
        return "d"

    @dg.asset
    def essay(draft: str) -> str:
        return "e"

    house.run([draft, essay])
    row = house.store.history("essay", "essay")[0]
    parent = house.store.history("draft", "draft")[0]

    assert row.parent_doc_id == parent.doc_id
    assert house.store.parents(row.doc_id) == [(parent.doc_id, "draft")]


def test_of_several_inputs_the_named_one_is_the_primary_parent(house: House) -> None:
    """doc_io/parent; without it there is no primary one."""

    @dg.asset
    def draft() -> str:
        return "d"

    @dg.asset
    def notes() -> str:
        return "n"

    @dg.asset(metadata={"doc_io/parent": "draft"})
    def essay(notes: str, draft: str) -> str:
        return "e"

    @dg.asset
    def summary(notes: str, draft: str) -> str:
        return "s"

    house.run([draft, notes, essay, summary])
    parents = {name: house.store.history(name, name)[0].doc_id for name in ("draft", "notes")}
    named, unnamed = (house.store.history(name, name)[0] for name in ("essay", "summary"))

    assert (named.parent_doc_id, unnamed.parent_doc_id) == (parents["draft"], None)
    for row in (named, unnamed):
        assert {each.doc_id for each in house.store.parents(row.doc_id)} == set(parents.values())


def test_a_parent_that_the_document_names_wins(house: House) -> None:
    """The asset may know better."""

    @dg.asset
    def draft() -> str:
        return "d"

    @dg.asset
    def essay(draft: str) -> Document:
        return Document("e", parent_doc_id="another")

    house.run([draft, essay])
    assert house.store.history("essay", "essay")[0].parent_doc_id == "another"


def test_a_document_is_found_by_its_task_though_its_key_holds_a_parents_id(house: House) -> None:
    """A new draft makes a new key for the essay; the reader of essays must not care."""

    @dg.asset
    def draft() -> str:
        return "d"

    @dg.asset
    def essay(draft: str) -> str:
        return "e"

    @dg.asset
    def evaluation(essay: StoredDocument) -> str:
        return f"of {essay.doc_id}"

    for _ in range(2):
        assert house.run([draft, essay, evaluation]).success
    essays = house.store.history("essay", "essay")

    assert essays[0].logical_key_id != essays[1].logical_key_id
    assert house.store.read(house.store.history("evaluation", "evaluation")[0]) == f"of {essays[0].doc_id}"


def test_the_asset_value_loader_gets_texts_too(house: House) -> None:
    """defs.load_asset_value in a notebook, without any step."""

    @dg.asset
    def draft() -> str:
        return "d"

    house.run([draft])
    defs = dg.Definitions(assets=[draft], resources={"io_manager": DocDirIOManager(**house.where)})

    assert defs.load_asset_value("draft", instance=house.instance) == "d"


def test_a_partitioned_asset_cannot_be_loaded_without_its_key(house: House) -> None:
    """What is missing is said."""

    @dg.asset(partitions_def=ABC)
    def draft() -> str:
        return "d"

    house.run([draft], partition_key="a")
    defs = dg.Definitions(assets=[draft], resources={"io_manager": DocDirIOManager(**house.where)})

    assert defs.load_asset_value("draft", instance=house.instance, partition_key="a") == "d"
    with pytest.raises(Exception, match="partition"):
        defs.load_asset_value("draft", instance=house.instance)


def test_an_input_without_any_document_of_its_stage_names_the_command_for_a_renamed_asset(house: House) -> None:
    """The most likely reason why a history is not found."""

    @dg.asset
    def first_draft() -> str:
        raise NotImplementedError

    @dg.asset
    def essay(first_draft: str) -> str:
        return first_draft

    result = house.run([first_draft, essay], selection=[essay])

    assert "doc-io rename OLD_STAGE first_draft" in reason(result, "essay")


def test_the_documents_of_a_partition_that_was_deleted_can_be_set_aside(house: House) -> None:
    """Added again, it has its old documents until they have another name; then an input finds none, and none is lost."""
    topics = dg.DynamicPartitionsDefinition(name="topics")
    texts = iter(["old", "new"])

    @dg.asset(partitions_def=topics)
    def draft() -> str:
        return next(texts)

    @dg.asset(partitions_def=topics)
    def essay(draft: str) -> str:
        return f"about {draft}"

    def essay_again() -> Any:
        house.instance.delete_dynamic_partition("topics", "a")
        house.instance.add_dynamic_partitions("topics", ["a"])
        return house.run([draft, essay], selection=[essay], partition_key="a")

    house.instance.add_dynamic_partitions("topics", ["a"])
    house.run([draft], partition_key="a")
    assert essay_again().output_for_node("essay") == "about old"

    maintenance.rename(house.store, "draft", "draft", task_id="a", new_task_id="a, set aside")

    assert "a" in reason(essay_again(), "essay")
    house.run([draft], partition_key="a")
    assert essay_again().output_for_node("essay") == "about new"
    [aside] = house.store.history("draft", "a, set aside")
    assert house.store.read(aside) == "old"
