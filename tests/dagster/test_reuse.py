"""An asset may return what is stored already, instead of paying for it again."""

from typing import Any

import dagster as dg

from doc_io import Document, DocumentsIndex, maintenance
from tests.dagster.conftest import House, materializations, reason


def counting() -> tuple[Any, list[str]]:
    """An asset that reuses, and the prompts it paid for."""
    paid: list[str] = []

    @dg.asset(metadata={"doc_io/model_id": "m"})
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        prompt = context.run.tags.get("prompt", "p")
        stored = documents.reuse(context, prompt=prompt)
        if stored is not None:
            return stored
        paid.append(prompt)
        return Document(f"answer {len(paid)}", prompt=prompt)

    return draft, paid


def test_a_stored_document_is_returned_and_no_new_one_is_made(house: House) -> None:
    """Its materialization says so."""
    draft, paid = counting()
    house.run([draft])
    made = materializations(house.run([draft]))["draft"]
    [row] = house.store.history("draft", "draft")

    assert paid == ["p"]
    assert (made["reused"], made["doc_id"]) == (True, row.doc_id)


def test_another_prompt_is_another_text(house: House) -> None:
    """To the letter."""
    draft, paid = counting()
    house.run([draft])
    house.run([draft], tags={"prompt": "q"})
    assert paid == ["p", "q"]


def test_a_tag_forces_a_new_generation(house: House) -> None:
    """For every stage, or for those it names."""
    draft, paid = counting()
    house.run([draft])
    house.run([draft], tags={"doc_io/force": "essay"})
    assert len(paid) == 1
    house.run([draft], tags={"doc_io/force": "true"})
    house.run([draft], tags={"doc_io/force": "essay, draft"})
    assert len(paid) == 3


def test_a_failed_document_is_not_reused(house: House) -> None:
    """Only what is ok."""
    draft, paid = counting()
    house.run([draft])
    row = house.store.history("draft", "draft")[0]
    house.store.save(Document("half", status="truncated", model_id="m", prompt="p"), stage="draft", task_id="draft")
    house.run([draft])
    assert len(paid) == 1
    assert materializations(house.run([draft]))["draft"]["doc_id"] == row.doc_id


def test_an_input_of_other_content_is_paid_for_and_one_made_anew_with_the_same_text_is_not(house: House) -> None:
    """What counts is what the step read, not the id of its version."""
    paid = []
    text = ["d"]

    @dg.asset
    def draft() -> str:
        return text[0]

    @dg.asset
    def essay(context: dg.AssetExecutionContext, draft: str, documents: DocumentsIndex) -> Document:
        stored = documents.reuse(context)
        if stored is not None:
            return stored
        paid.append(draft)
        return Document("e")

    house.run([draft, essay])
    house.run([dg.AssetSpec("draft"), essay])
    assert len(paid) == 1
    house.run([draft, essay])
    assert len(paid) == 1
    text[0] = "another"
    house.run([draft, essay])
    assert len(paid) == 2


def test_the_stored_document_of_another_asset_is_refused(house: House) -> None:
    """It would be materialized without a document of its own."""
    row = house.store.save("x", stage="other", task_id="t")

    @dg.asset
    def draft(documents: DocumentsIndex) -> Any:
        return documents.store.stored(row)

    assert "another product" in reason(house.run([draft]), "draft")


def test_a_prompt_that_is_not_copied_is_known_by_its_hash(house: House) -> None:
    """So nothing is paid twice with ``prompt_copy=False`` either."""
    draft, paid = counting()
    for prompt in ("p", "p", "q"):
        assert house.run([draft], manager={"prompt_copy": False}, tags={"prompt": prompt}).success

    assert paid == ["p", "q"]
    for row in house.store.history("draft", "draft"):
        assert (row.prompt_path, len(row.prompt_hash or "")) == (None, 64)
    assert list(maintenance.verify(house.store, grace=0, full=True)) == []


def test_a_renamed_asset_is_not_paid_for_again(house: House) -> None:
    """With partitions or without; what was answered as another stage and task is an answer still."""
    paid: list[str] = []
    topics = dg.StaticPartitionsDefinition(["a"])

    def asset_called(name: str, partitions: dg.PartitionsDefinition[Any] | None) -> Any:
        @dg.asset(name=name, partitions_def=partitions)
        def made(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
            stored = documents.reuse(context, prompt="p")
            if stored is not None:
                return stored
            paid.append(name)
            return Document("an answer", prompt="p")

        return made

    house.run([asset_called("old", None)])
    house.run([asset_called("old_parts", topics)], partition_key="a")
    maintenance.rename(house.store, "old", "new")
    maintenance.rename(house.store, "old_parts", "new_parts")

    made = house.run([asset_called("new", None)])
    house.run([asset_called("new_parts", topics)], partition_key="a")

    assert paid == ["old", "old_parts"]
    assert materializations(made)["new"]["reused"] is True
