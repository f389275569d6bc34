"""What a run has read is there when the run names it as a parent, whichever way it chose it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from doc_io import DocumentRow, maintenance
from doc_io.maintenance.prune import Policy
from tests.dagster.conftest import House

NO_GRACE = Policy(grace=timedelta(0))


def leases(house: House) -> list[str]:
    """The files of all leases."""
    return [name for name in house.store.storage.names(".doc_io/leases") if not name.startswith(".")]


def essay_that(happens: Callable[[], Any], version: str | None = None) -> dg.AssetsDefinition:
    """An essay during whose body something happens to the store."""
    metadata = {} if version is None else {"doc_io/version": version}

    @dg.asset(name="essay", ins={"draft": dg.AssetIn(metadata=metadata)})
    def essay(draft: str) -> str:
        happens()
        return f"on {draft}"

    return essay


def two_drafts(house: House) -> tuple[DocumentRow, DocumentRow]:
    """An old draft and the latest."""
    first, second = (house.store.save(text, stage="draft", task_id="draft") for text in ("v1", "v2"))
    return first, second


def pruning(house: House) -> None:
    """Remove whatever may go."""
    maintenance.prune(house.store, NO_GRACE, dry_run=False)


def parent_of_the_essay(house: House) -> DocumentRow | None:
    """The draft of the newest essay, if it is still there."""
    [essay] = house.store.history("essay", "essay")
    assert essay.parent_doc_id is not None
    return house.store.get(essay.parent_doc_id)


@pytest.mark.parametrize("chosen", ["by version", "by time"])
def test_an_older_version_that_a_run_reads_is_not_pruned_before_its_child_is_saved(house: House, chosen: str) -> None:
    first, _ = two_drafts(house)
    by_version = chosen == "by version"
    essay = essay_that(lambda: pruning(house), first.doc_id if by_version else None)
    tags = {} if by_version else {"doc_io/as_of": first.created_at}

    assert house.run([dg.AssetSpec("draft"), essay], tags=tags).success
    assert parent_of_the_essay(house) == first


def test_without_its_lease_it_would_be_gone(house: House) -> None:
    """The control: what protects it is the lease."""
    first, _ = two_drafts(house)

    def happens() -> None:
        for name in leases(house):
            house.store.storage.delete(f".doc_io/leases/{name}")
        pruning(house)

    house.run([dg.AssetSpec("draft"), essay_that(happens, first.doc_id)])
    assert house.store.get(first.doc_id) is None


def test_what_the_run_itself_wrote_stays_though_another_run_wrote_a_newer_one(house: House) -> None:
    @dg.asset
    def draft() -> str:
        return "v1"

    @dg.asset(deps=[draft])
    def other_run() -> str:
        house.store.save("v2", stage="draft", task_id="draft")
        return "done"

    @dg.asset(deps=[other_run])
    def essay(draft: str) -> str:
        pruning(house)
        return f"on {draft}"

    assert house.run([draft, other_run, essay]).success
    parent = parent_of_the_essay(house)
    assert parent is not None
    assert house.store.read(parent) == "v1"


def test_the_latest_ok_needs_no_lease(house: House) -> None:
    """So the usual run writes none."""
    _, second = two_drafts(house)
    house.run([dg.AssetSpec("draft"), essay_that(lambda: None)])
    house.run([dg.AssetSpec("draft"), essay_that(lambda: None, second.doc_id)])
    assert leases(house) == []


def test_a_lease_ends_with_the_grace_period(house: House) -> None:
    """Then pruning removes it, and what it protected; a longer grace period makes it last longer."""
    first, _ = two_drafts(house)
    house.run([dg.AssetSpec("draft"), essay_that(lambda: None, first.doc_id)])
    [essay] = house.store.history("essay", "essay")
    house.store.save("another essay", stage="essay", task_id="essay")
    [name] = leases(house)
    content = json.loads(house.store.storage.read(f".doc_io/leases/{name}"))
    content["leased_at"] = "2020-01-01T00:00:00.000000Z"
    house.store.storage.put(f".doc_io/leases/{name}", json.dumps(content).encode())

    maintenance.prune(house.store, Policy(grace=timedelta(days=365_0)), dry_run=False)
    assert leases(house) == [name]
    pruning(house)
    assert leases(house) == []
    assert house.store.get(essay.doc_id) is None
    assert house.store.get(first.doc_id) is None


def test_a_store_that_takes_no_lease_can_be_read(house: House) -> None:
    """It is a safeguard, and the run says that it is missing."""
    first, _ = two_drafts(house)
    (house.root / "docs" / ".doc_io" / "leases").write_text("in the way")

    result = house.run([dg.AssetSpec("draft"), essay_that(lambda: None, first.doc_id)])
    warnings = [each.user_message for each in house.instance.all_logs(result.run_id) if each.level == 30]

    assert result.success
    assert any("is not protected from pruning" in each for each in warnings)
