"""A rename: what comes along, what is refused, and what an interruption leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doc_io import DocIOError, DocumentStore, InvalidDocumentError, StorageError, maintenance
from doc_io.errors import NameTakenError, UnknownNameError
from doc_io.index.sqlite import SqliteIndex
from doc_io.integrity import check_documents
from doc_io.maintenance.prune import Policy
from doc_io.maintenance.reindex import gather, rebuild_gathered
from doc_io.maintenance.shards import documents_by_stage, shards_of
from doc_io.renames import RENAMES_NAME


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """Two drafts of each of two tasks, and an asset without partitions."""
    with DocumentStore(tmp_path / "docs", tmp_path / "index.sqlite") as opened:
        for task in ("d1", "d2"):
            for attempt in "12":
                opened.save(f"{task} {attempt}", stage="draft", task_id=task, run_id="r", attempt=attempt)
        opened.save("a post", stage="blog.post", task_id="blog/post", asset_key="blog/post")
        yield opened


def found(store: DocumentStore) -> list[tuple[str, str]]:
    """What verify finds: kind and place."""
    return [(each.kind, each.where) for each in maintenance.verify(store, full=True)]


def test_the_task_of_an_asset_without_partitions_is_renamed_with_it(store: DocumentStore) -> None:
    """It is the asset's key."""
    maintenance.rename(store, "blog.post", "news.item")

    assert store.read(store.find("news.item/news/item")) == "a post"
    assert found(store) == []


def test_a_partition_keeps_its_name_though_it_is_that_of_the_asset(store: DocumentStore) -> None:
    """Only the one task of a stage can be the asset itself."""
    store.save("odd", stage="draft", task_id="draft")

    assert maintenance.rename(store, "draft", "first").tasks == {"d1": "d1", "d2": "d2", "draft": "draft"}


def test_one_task_can_be_renamed_alone_and_renames_add_up(store: DocumentStore) -> None:
    """Task, then stage, then both back: the rows are those of the beginning."""
    before = list(store.index.scan())

    maintenance.rename(store, "draft", "draft", task_id="d1", new_task_id="first")
    maintenance.rename(store, "draft", "sketch")

    assert [row.attempt for row in store.history("sketch", "first")] == ["2", "1"]
    assert found(store) == []
    maintenance.rename(store, "sketch", "draft")
    maintenance.rename(store, "draft", "draft", task_id="first", new_task_id="d1")
    assert list(store.index.scan()) == before


def test_what_is_there_under_the_new_name_is_joined_only_when_asked(store: DocumentStore) -> None:
    """The asset was made under its new name before anybody thought of its history."""
    newer = store.save("made since", stage="sketch", task_id="d1")

    with pytest.raises(NameTakenError, match="--merge"):
        maintenance.rename(store, "draft", "sketch")
    assert store.history("sketch", "d1") == [newer]

    assert maintenance.rename(store, "draft", "sketch", merge=True).merged == 1
    assert [store.read(row) for row in store.history("sketch", "d1")] == ["made since", "d1 2", "d1 1"]
    assert found(store) == []


def test_documents_of_one_time_are_not_joined(store: DocumentStore) -> None:
    """A rebuilt index could not tell which is the newer one."""
    for stage in ("old", "new"):
        store.save(stage, stage=stage, task_id="t", created_at="2024-01-31T12:00:00Z")

    with pytest.raises(NameTakenError, match="2024-01-31"):
        maintenance.rename(store, "old", "new", merge=True)


def test_a_dry_run_changes_nothing(store: DocumentStore) -> None:
    """It says what would be renamed."""
    before = list(store.index.scan())

    assert maintenance.rename(store, "draft", "sketch", dry_run=True).documents == 4

    assert list(store.index.scan()) == before
    assert not (Path(store.docs_root) / RENAMES_NAME).exists()


@pytest.mark.parametrize("new", ["draft", "", "nul\0", "\udce9"])
def test_a_name_that_cannot_be_given_is_refused(store: DocumentStore, new: str) -> None:
    """The old one again, and what no database holds."""
    with pytest.raises(InvalidDocumentError):
        maintenance.rename(store, "draft", new)


@pytest.mark.parametrize("old", ["drafts", "", "nul\0", "\udce9"])
def test_a_stage_that_is_not_there_is_told(store: DocumentStore, old: str) -> None:
    """With those that are like it."""
    with pytest.raises(UnknownNameError, match="draft"):
        maintenance.rename(store, old, "sketch")


def test_what_interrupts_a_rename_is_told_and_a_reindex_ends_it(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new names are durable and the rows are the old ones: readers have those until then."""

    def fails(*_: object) -> None:
        raise DocIOError(reason="the database is gone")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteIndex, "rename", fails)
        with pytest.raises(DocIOError):
            maintenance.rename(store, "draft", "sketch")

    assert found(store) == [("differs", RENAMES_NAME)]
    assert len(store.history("draft", "d1")) == 2
    maintenance.reindex(store)
    assert found(store) == []
    assert len(store.history("sketch", "d1")) == 2


def test_the_same_rename_ends_an_interrupted_one(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every other way to write."""
    with monkeypatch.context() as patched:
        patched.setattr(SqliteIndex, "rename", lambda *_: None)
        maintenance.rename(store, "draft", "sketch")

    maintenance.rename(store, "draft", "sketch")

    assert found(store) == []
    assert len(store.history("sketch", "d1")) == 2


def test_a_row_that_is_lost_comes_back_under_its_new_name(store: DocumentStore) -> None:
    """By a repair, and by `index_document`."""
    maintenance.rename(store, "draft", "sketch")
    [newest, oldest] = store.history("sketch", "d1")
    store.index.remove([newest.doc_id, oldest.doc_id])

    list(maintenance.repair(store, list(maintenance.verify(store)), dry_run=False))

    assert [row.doc_id for row in store.history("sketch", "d1")] == [newest.doc_id, oldest.doc_id]
    store.index.remove([newest.doc_id])
    columns = {name: value for name, value in newest.as_dict().items() if name != "seq"}
    assert maintenance.index_document(store, columns).stage == "sketch"


def test_checks_and_a_prune_know_the_new_names(store: DocumentStore) -> None:
    """A renamed document is sound, and one that is pruned is forgotten, so that it can be made again under the old name."""
    maintenance.rename(store, "draft", "sketch")
    assert list(check_documents(store.storage, store.index.scan())) == []

    maintenance.prune(store, Policy(grace=timedelta()), dry_run=False)
    again = store.save("d1 1", stage="draft", task_id="d1", run_id="r", attempt="1")

    assert again.stage == "draft"
    assert found(store) == []


def test_a_copy_that_is_brought_up_to_date_is_renamed_too(store: DocumentStore, tmp_path: Path) -> None:
    """What was copied before the rename has the new name after the next copy."""
    with DocumentStore(tmp_path / "copy" / "docs") as target:
        maintenance.copy(store, target)
        maintenance.rename(store, "draft", "sketch")

        maintenance.copy(store, target)

        assert [row.stage for row in target.index.scan()] == [row.stage for row in store.index.scan()]
        assert found(target) == []


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "[" * 100_000,
        "[]",
        '{"renamed": 1}',
        '{"renamed": [{"stage": 1, "task_id": null, "documents": []}]}',
        '{"renamed": [{"stage": "nul\\u0000", "task_id": null, "documents": []}]}',
        '{"renamed": [{"stage": "a", "task_id": null, "documents": [[1]]}]}',
    ],
)
def test_a_damaged_file_of_new_names_is_told_by_name(store: DocumentStore, forged: str) -> None:
    """Before anything is made of it."""
    store.storage.put(RENAMES_NAME, forged.encode())

    with pytest.raises(StorageError, match="renames"):
        maintenance.reindex(store)


def test_a_forged_folder_in_the_row_of_a_renamed_document_is_found(store: DocumentStore) -> None:
    """Its new name allows another stage in the path, and nothing else."""
    maintenance.rename(store, "draft", "sketch")
    [row] = store.history("sketch", "d1", limit=1)
    forged = {**row.as_dict(), "doc_dir": store.history("sketch", "d2")[0].doc_dir}
    store.index.remove([row.doc_id])
    store.index.insert_placed([(forged, ())])

    assert ("differs", row.doc_dir) in found(store)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "ü/%", "A"]), st.sampled_from(["a", "b", "ü/%", "A", "c.d"])), max_size=6
    )
)
def test_any_renames_in_a_row_are_those_of_a_rebuilt_index(
    tmp_path_factory: pytest.TempPathFactory, renames: list[tuple[str, str]]
) -> None:
    """Chains, circles, joins and returns."""
    folder = tmp_path_factory.mktemp("renames")
    with DocumentStore(folder / "docs", folder / "index.sqlite") as store:
        for stage in ("a", "b", "ü/%"):
            for task in ("1", stage):
                store.save(f"{stage} {task}", stage=stage, task_id=task)
        for old, new in renames:
            try:
                maintenance.rename(store, old, new, merge=True)
            except (UnknownNameError, InvalidDocumentError):
                continue
        rows = [(row, store.parents(row.doc_id)) for row in store.index.scan()]
        counts = store.index.stage_counts()
        assert [each for each in maintenance.verify(store) if each.kind != "without_ok"] == []

        maintenance.reindex(store)

        assert [(row, store.parents(row.doc_id)) for row in store.index.scan()] == rows
        assert store.index.stage_counts() == counts


def test_what_is_gathered_before_a_rename_is_rebuilt_under_the_new_name(store: DocumentStore) -> None:
    """A rebuild over many steps takes hours; a rename comes in between."""
    shards = shards_of(store.storage, documents_by_stage(store.index))
    gathered = [
        (each, [row for batch in gather(store.storage, each, full=False) for row in batch.rows]) for each in shards
    ]

    maintenance.rename(store, "draft", "sketch")
    rebuild_gathered(store, gathered, may_be_removed=False)

    assert len(store.history("sketch", "d1")) == 2
    assert found(store) == []


def test_shards_of_a_stage_and_of_its_folder_are_gone_over(store: DocumentStore) -> None:
    """The rows are of one stage, the folders of another."""
    maintenance.rename(store, "draft", "sketch")
    before = list(store.index.scan())

    assert list(maintenance.verify(store, full=True, jobs=3)) == []
    maintenance.reindex(store, jobs=3)
    assert list(store.index.scan()) == before


def test_the_file_of_new_names_is_small(store: DocumentStore) -> None:
    """A new name and the ids that have it: no text and no record is in it."""
    maintenance.rename(store, "draft", "sketch")

    [group] = json.loads(store.storage.read(RENAMES_NAME))["renamed"]
    assert (group["stage"], group["task_id"], len(group["documents"])) == ("sketch", None, 4)
