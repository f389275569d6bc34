"""`build_upkeep_job`: maintenance over shards, on whatever executor; what it finds and does is what the verbs find and do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentRow, DocumentStore, Filter, Policy, build_upkeep_job, maintenance
from doc_io.errors import StorageError
from doc_io.maintenance import upkeep
from doc_io.maintenance.upkeep import Workspace
from doc_io.maintenance.upkeep_verbs import Verify
from doc_io.maintenance.verify import NOTES
from doc_io.renames import read_renames
from doc_io.storage.base import Folder
from doc_io.storage.local import LocalStorage
from tests.maintenance.damage import DAMAGES
from tests.maintenance.many import fill

ROOT = "DOC_IO_TEST_ROOT"
POLICY = Policy(keep_failed=0, grace=timedelta(0))


def made(**what: Any) -> dg.JobDefinition:
    """A job, made anew in each process; its root comes from the environment."""
    manager = DocDirIOManager(docs_root=dg.EnvVar(ROOT))
    job = build_upkeep_job(steps=4, **what)
    return dg.Definitions(jobs=[job], resources={"io_manager": manager}).resolve_job_def(job.name)


def missing() -> dg.JobDefinition:
    """Dagster loads each of these by its name."""
    return made(reindex="missing", verify=None)


def rebuild() -> dg.JobDefinition:
    """Likewise."""
    return made(reindex="all", verify=None)


def verification() -> dg.JobDefinition:
    """Likewise."""
    return made(reindex=None, verify="hashes")


def pruning() -> dg.JobDefinition:
    """Likewise."""
    return made(reindex=None, verify=None, prune=POLICY)


def everything() -> dg.JobDefinition:
    """Likewise."""
    return made(reindex="all", verify="hashes", prune=POLICY)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DocumentStore]:
    """Where the job works: two large stages, of many shards."""
    monkeypatch.setenv(ROOT, str(tmp_path / "docs"))
    with DocumentStore(tmp_path / "docs") as opened:
        fill(opened, 800)
        yield opened


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster with its storage on the disk."""
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def run(instance: dg.DagsterInstance) -> Any:
    """Run a job; or again what failed of a run before."""

    def start(
        what: Callable[[], dg.JobDefinition], *, executor: str = "in_process", after: Any = None
    ) -> dg.JobExecutionResult:
        failed = None if after is None else dg.ReexecutionOptions.from_failure(after.run_id, instance)
        return dg.execute_job(
            dg.reconstructable(what),
            instance=instance,
            run_config={"execution": {"config": {executor: {}}}},
            raise_on_error=False,
            reexecution_options=failed,
        )

    return start


def rows_of(store: DocumentStore) -> list[tuple[dict[str, Any], Any]]:
    """Every row with its parents, by ``seq``."""
    return [(row.as_dict(), store.parents(row.doc_id)) for row in store.index.scan()]


def metadata(result: dg.JobExecutionResult, step: str) -> dict[str, Any]:
    """What a step said; where it failed, with its failure."""
    for event in result.all_events:
        if event.step_key == step and event.is_step_failure:
            failure = event.step_failure_data.user_failure_data
            assert failure is not None
            return {name: each.value for name, each in failure.metadata.items()}
        if event.step_key == step and event.is_successful_output:
            return {name: each.value for name, each in event.step_output_data.metadata.items()}
    raise AssertionError(step)


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_a_lost_index_is_made_again_row_for_row(run: Any, store: DocumentStore, executor: str) -> None:
    """In one process or in one for each step: gathered aside, and exchanged at the end."""
    before = rows_of(store)
    store.close()
    Path(store.index.name).unlink()

    result = run(rebuild, executor=executor)

    assert result.success
    assert rows_of(store) == before
    assert metadata(result, "reindex") == {"documents": 800, "rows": 800}
    assert not store.storage.folder(upkeep.FOLDER).files


def test_rows_written_between_a_shard_and_the_exchange_stay(
    run: Any, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a stage that was gathered already, and of one that nobody knew; what was pruned meanwhile gets no row back."""
    lost = next(row for row in store.index.scan() if not store.children(row.doc_id) and row.status.value != "ok")
    end = upkeep.end
    saved: list[DocumentRow] = []

    def late(*given: Any) -> upkeep.Outcome:
        saved.extend(store.save(f"late {n}", stage=stage, task_id="t") for n, stage in enumerate(["draft", "new"]))
        maintenance.prune(store, Policy(keep_failed=0, grace=timedelta(0)), dry_run=False)
        return end(*given)

    monkeypatch.setattr(upkeep, "end", late)

    assert run(rebuild).success
    assert [store.get(row.doc_id) is not None for row in saved] == [True, True]
    assert store.get(lost.doc_id) is None
    assert not [each for each in maintenance.verify(store, grace=0) if each.kind not in NOTES]


def test_missing_rows_are_added_and_the_others_stay(run: Any, store: DocumentStore) -> None:
    """Nothing else is touched."""
    rows = list(store.index.scan())
    store.index.remove([row.doc_id for row in rows[-20:]])

    result = run(missing)

    assert metadata(result, "reindex") == {"documents": 20}
    assert {row.doc_id for row in store.index.scan()} == {row.doc_id for row in rows}
    assert list(store.index.scan())[:-20] == rows[:-20]


@pytest.mark.parametrize("executor", ["in_process", pytest.param("multiprocess", marks=pytest.mark.slow)])
def test_a_verification_adds_up_to_what_verify_finds(run: Any, store: DocumentStore, executor: str) -> None:
    """The job fails, and lists it; the counts of its steps are those of the whole."""
    folders = [Path(store.docs_root) / row.doc_dir for row in store.index.scan()]
    for number, folder in enumerate(folders[::50]):
        DAMAGES[number % len(DAMAGES)](folder)
    shutil.rmtree(folders[1])
    (Path(store.docs_root) / "stray").write_text("not here")
    expected: dict[str, int] = {}
    for finding in maintenance.verify(store, full=True):
        expected[finding.kind] = expected.get(finding.kind, 0) + 1

    result = run(verification, executor=executor)

    said = metadata(result, "verify")
    listed = said.pop("findings")
    assert not result.success
    assert {name: count for name, count in said.items() if name != "documents"} == expected
    assert {record.data["where"] for record in listed.records} >= {
        "stray",
        f"{folders[1].relative_to(store.docs_root)}",
    }


def test_only_the_shards_that_failed_are_done_again(
    run: Any, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Re-execution from failure, with the results of the others."""
    before = rows_of(store)
    folders = LocalStorage.folders
    read: list[tuple[str, str]] = []
    broken = [True]

    def failing(storage: LocalStorage, stage: str = "", first: str = "", last: str = "") -> Iterator[Folder]:
        if first:
            read.append((stage, first))
            if broken[0] and (stage, first) == ("essay", "k"):
                raise StorageError(docs_root=storage.root, action="list", path=stage, reason="it is away")
        return folders(storage, stage, first, last)

    monkeypatch.setattr(LocalStorage, "folders", failing)
    first = run(rebuild)
    done = len(read)
    broken[0] = False
    second = run(rebuild, after=first)

    assert not first.success
    assert second.success
    assert rows_of(store) == before
    assert ("essay", "k") in read[done:]
    assert len(read) - done < done / 2
    assert metadata(second, "reindex") == {"documents": 800, "rows": 800}


@pytest.mark.parametrize("executor", ["in_process", pytest.param("multiprocess", marks=pytest.mark.slow)])
def test_a_pruning_in_steps_removes_what_prune_removes(
    run: Any, store: DocumentStore, tmp_path: Path, executor: str
) -> None:
    """Parents and children in the right order, whichever step has them."""
    with DocumentStore(tmp_path / "copy" / "docs") as twin:
        maintenance.copy(store, twin)
        pruned = maintenance.prune(twin, Policy(keep_failed=0, grace=timedelta(0)), dry_run=False)
        expected = {row.doc_id for row in twin.index.scan()}

    result = run(pruning, executor=executor)

    assert result.success
    assert {row.doc_id for row in store.index.scan()} == expected
    assert metadata(result, "prune")["documents"] == len(pruned.documents) > 100
    assert not [each for each in maintenance.verify(store, grace=0) if each.kind not in NOTES]


def test_a_pruning_in_steps_forgets_the_new_names_of_what_it_removes(run: Any, store: DocumentStore) -> None:
    """So that an attempt that is sent again is filed under the name that it is given."""
    renamed = maintenance.rename(store, "draft", "sketch").documents

    assert run(pruning).success

    names = read_renames(store.storage).names
    assert set(names) == {row.doc_id for row in store.select_all(Filter(stage="sketch"))}
    assert 0 < len(names) < renamed


def test_nothing_is_pruned_from_a_store_that_is_damaged(run: Any, store: DocumentStore) -> None:
    """The verification comes first, and a person decides."""
    row = next(iter(store.index.scan()))
    (Path(store.docs_root) / row.doc_dir / "raw.txt").write_text("altered")
    before = len(list(store.index.scan()))

    result = run(everything)

    assert not result.success
    assert len(list(store.index.scan())) == before - 1  # the rebuild gave the altered one no row


def test_a_new_run_removes_what_a_failed_one_has_left(
    run: Any, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that one cannot be resumed any more, which is said."""
    with monkeypatch.context() as patched:
        patched.setattr(upkeep, "end", None)
        first = run(missing)
    left = {*store.storage.folder(upkeep.FOLDER).files}
    assert run(missing).success

    assert left
    assert not store.storage.folder(upkeep.FOLDER).files
    resumed = run(missing, after=first)
    [failure] = [event for event in resumed.all_events if event.is_step_failure]
    assert "Start the job anew" in str(failure.step_failure_data.error)


def test_a_plan_that_is_made_anew_does_all_parts_again(store: DocumentStore) -> None:
    """A run that is re-executed as a whole begins from the start, whatever the one before had done."""
    verb, files = Verify(), Workspace(store.storage, "a-run")
    for _ in range(2):
        steps = upkeep.begin(verb, store, files, 2)
        shares = [list(upkeep.share_of(files, step)) for step in range(steps)]
        for number, part in chain.from_iterable(shares):
            list(upkeep.do(verb, store, files, number, part))

        assert sum(map(len, shares)) > 30
        assert [list(upkeep.share_of(files, step)) for step in range(steps)] == [[], []]
