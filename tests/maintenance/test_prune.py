"""Pruning removes what nothing needs, never what somebody does, and can be interrupted at every step."""

from __future__ import annotations

import importlib
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from doc_io import ConfigurationError, Document, DocumentRow, DocumentStore, Status, clock, maintenance
from doc_io.errors import DocIOError, MaintenanceBusyError
from doc_io.index.sql_index import Index
from doc_io.maintenance import removal
from doc_io.maintenance.prune import Policy
from doc_io.storage.base import Storage
from doc_io.writing.draft import time_text

NOW = timedelta(0)


def attempts(store: DocumentStore, *outcomes: str, task: str = "t", stage: str = "draft") -> list[DocumentRow]:
    """One document after the other for a task, with these statuses."""
    return [
        store.save(Document(f"{stage} {task} {number}", status=outcome), stage=stage, task_id=task)
        for number, outcome in enumerate(outcomes)
    ]


def left(store: DocumentStore) -> set[str]:
    """The ids of the documents that are in the index."""
    return {row.doc_id for row in store.index.scan()}


def test_by_default_the_newest_ok_and_the_newest_failed_attempt_stay(store: DocumentStore) -> None:
    """Of each logical key."""
    rows = attempts(store, "ok", "truncated", "ok", "truncated", "ok")

    maintenance.prune(store, Policy(grace=NOW), dry_run=False)

    assert left(store) == {rows[3].doc_id, rows[4].doc_id}
    assert not (Path(store.docs_root) / rows[0].doc_dir).exists()
    assert list(maintenance.verify(store, grace=0)) == []


def test_by_default_it_only_says_what_would_go(store: DocumentStore) -> None:
    """Dry run is the default."""
    rows = attempts(store, "ok", "ok")

    pruned = maintenance.prune(store, Policy(grace=NOW))

    assert pruned.dry_run
    assert [each.doc_id for each in pruned.documents] == [rows[0].doc_id]
    assert left(store) == {row.doc_id for row in rows}


def test_what_would_go_is_a_sequence_that_can_be_read_again_and_again(store: DocumentStore) -> None:
    """Newest first; it is in a temporary file, and looks like a tuple."""
    rows = attempts(store, "ok", "ok", "ok", "ok")

    documents = maintenance.prune(store, Policy(grace=NOW)).documents

    assert [each.doc_id for each in documents] == [row.doc_id for row in rows[2::-1]]
    assert [*documents] == [documents[0], *documents[1:]] == list(documents[:])
    assert documents[-1] == documents[2] == next(reversed(documents))
    assert documents == tuple(documents)
    assert {each.status for each in documents} == {Status.OK}


def test_a_chain_is_pruned_whole_though_its_parents_seem_newer(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that wrote the children had a clock that was behind; the index was rebuilt since."""
    parents: list[str] = []
    for number in range(4):
        set_clock(monkeypatch, timedelta(days=-10 - number))
        row = store.save(f"{number}", stage=f"stage-{number}", task_id="t", parents=parents, experiment_id="e")
        parents = [row.doc_id]
    set_clock(monkeypatch, NOW)
    for number in range(4):
        store.save("newer", stage=f"stage-{number}", task_id="t")
    maintenance.reindex(store)

    maintenance.prune(store, Policy(experiment_id="e", cascade=True, grace=NOW), dry_run=False)

    assert len(left(store)) == 4


def test_what_is_in_the_grace_period_stays(store: DocumentStore) -> None:
    """A run that goes on may come back to it."""
    rows = attempts(store, "ok", "ok")

    maintenance.prune(store, Policy(), dry_run=False)

    assert left(store) == {row.doc_id for row in rows}


def test_what_was_the_latest_ok_within_the_grace_period_stays(store: DocumentStore) -> None:
    """A run under way may have read it, and its document that names it as parent is yet to come."""
    grace = 0.5
    [read] = attempts(store, "ok")
    time.sleep(grace)
    [newer] = attempts(store, "ok")
    kept = maintenance.prune(store, Policy(grace=timedelta(seconds=grace)), dry_run=False).kept

    assert left(store) == {read.doc_id, newer.doc_id}
    assert kept == {"they were the latest ok within the grace period": 1}
    time.sleep(grace)
    maintenance.prune(store, Policy(grace=timedelta(seconds=grace)), dry_run=False)
    assert left(store) == {newer.doc_id}


OFF = timedelta(days=2)


@pytest.mark.parametrize(("writers", "pruner"), [(-OFF, NOW), (NOW, OFF), (-OFF, OFF), (OFF, NOW), (NOW, -OFF)])
def test_a_clock_that_is_wrong_by_two_days_removes_nothing_young(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch, writers: timedelta, pruner: timedelta
) -> None:
    """Neither what was made a moment ago nor what was the latest ok until then."""
    set_clock(monkeypatch, writers - timedelta(days=9))
    old = attempts(store, "ok", "ok", "truncated", "truncated")
    for path in Path(store.docs_root).rglob("*.*"):
        os.utime(path, (time.time() - 9 * 86400,) * 2)
    set_clock(monkeypatch, writers)
    young = attempts(store, "ok", "truncated")
    set_clock(monkeypatch, pruner)

    maintenance.prune(store, Policy(keep_failed=0), dry_run=False)

    assert left(store) >= {old[1].doc_id, *(row.doc_id for row in young)}
    if pruner >= NOW and writers <= NOW:  # a clock that is right, or wrong the other way, keeps some more
        assert not left(store) & {old[0].doc_id, old[2].doc_id, old[3].doc_id}


def test_by_its_own_clock_alone_a_pruner_would_remove_what_is_young(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: a cutoff that knows no other clock."""
    rows = attempts(store, "ok", "ok")
    set_clock(monkeypatch, OFF)
    monkeypatch.setattr(
        importlib.import_module("doc_io.maintenance.prune"),  # in the package its name is the function's
        "cutoff",
        lambda _storage, grace: removal.Cutoff(time_text(clock.utc_now() - grace), math.inf),
    )

    maintenance.prune(store, Policy(), dry_run=False)

    assert left(store) == {rows[1].doc_id}


def set_clock(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    """Make the clock of this machine, as doc_io reads it, wrong by so much."""
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(timezone.utc) + off)


def test_what_a_kept_document_was_made_from_stays_with_all_above_it(store: DocumentStore) -> None:
    """Through every level, whether it is the primary parent or another one."""
    old_draft, _new_draft = attempts(store, "ok", "ok")
    old_note, _new_note = attempts(store, "ok", "ok", stage="note")
    store.save("essay", stage="essay", task_id="t", parents=[old_draft.doc_id, old_note.doc_id])

    pruned = maintenance.prune(store, Policy(grace=NOW), dry_run=False)

    assert {old_draft.doc_id, old_note.doc_id} <= left(store)
    assert pruned.kept == {"a kept document was made from them": 2}


def test_a_pinned_document_stays_with_what_it_was_made_from(store: DocumentStore) -> None:
    """Until it is unpinned."""
    old_draft, _ = attempts(store, "ok", "ok")
    essay = store.save("essay", stage="essay", task_id="t", parents=[old_draft.doc_id])
    store.save("newer essay", stage="essay", task_id="t", parents=[old_draft.doc_id])
    maintenance.pin(store, essay.doc_id)
    maintenance.prune(store, Policy(grace=NOW), dry_run=False)
    assert {old_draft.doc_id, essay.doc_id} <= left(store)

    maintenance.unpin(store, essay.doc_id)
    maintenance.prune(store, Policy(grace=NOW), dry_run=False)

    assert essay.doc_id not in left(store)


def test_the_latest_ok_of_a_task_stays_whatever_failed_after_it(store: DocumentStore) -> None:
    """Also under a cascade over everything in an experiment."""
    ok = store.save("ok", stage="draft", task_id="t", experiment_id="e")
    failed = store.save(Document("half", status="truncated"), stage="draft", task_id="t", experiment_id="e")

    maintenance.prune(store, Policy(experiment_id="e", cascade=True, grace=NOW), dry_run=False)

    assert left(store) == {ok.doc_id}
    assert failed.doc_id not in left(store)


def test_a_cascade_takes_an_experiment_and_what_was_made_from_it(store: DocumentStore) -> None:
    """Where newer documents have taken their place."""
    draft = store.save("draft", stage="draft", task_id="t", experiment_id="e")
    essay = store.save("essay", stage="essay", task_id="t", parents=[draft.doc_id])
    kept = [store.save(f"new {stage}", stage=stage, task_id="t") for stage in ("draft", "essay")]

    maintenance.prune(store, Policy(experiment_id="e", cascade=True, grace=NOW), dry_run=False)

    assert left(store) == {row.doc_id for row in kept}
    assert {draft.doc_id, essay.doc_id}.isdisjoint(left(store))


def test_only_what_a_filter_names_goes(store: DocumentStore) -> None:
    """By stage."""
    drafts, notes = attempts(store, "ok", "ok"), attempts(store, "ok", "ok", stage="note")

    maintenance.prune(store, Policy(stage="note", grace=NOW), dry_run=False)

    assert left(store) == {*(row.doc_id for row in drafts), notes[1].doc_id}


@pytest.mark.parametrize("policy", [{"keep_ok": 0}, {"keep_failed": -1}, {"cascade": True}])
def test_a_policy_that_would_take_what_is_always_kept_is_refused(policy: dict[str, Any]) -> None:
    """Before anything is looked at."""
    with pytest.raises(ConfigurationError):
        Policy(**policy)


def test_two_prunings_do_not_meet(store: DocumentStore) -> None:
    """The second one is told so, and changes nothing."""
    attempts(store, "ok", "ok")

    with store.index.maintenance_lock(), pytest.raises(MaintenanceBusyError):
        maintenance.prune(store, Policy(grace=NOW), dry_run=False)

    assert len(left(store)) == 2


class Interrupted(Exception):  # noqa: N818 - it is no error of doc_io's
    """A kill, at one step."""


class Mortal:
    """Hands every call on, until the n-th call that changes something, before or after which it dies."""

    def __init__(self, inner: Any, clock: list[int]) -> None:
        self._inner = inner
        self._clock = clock

    def remove_many(self, folders: Sequence[str]) -> None:
        """One after the other: it may die between any two."""
        for folder in folders:
            self._tick()
            self._inner.remove_many([folder])
            self._tick()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("put", "delete", "remove"):
            return found

        def call(*args: Any) -> Any:
            self._tick()
            result = found(*args)
            self._tick()
            return result

        return call

    def _tick(self) -> None:
        self._clock[0] -= 1
        if self._clock[0] == 0:
            raise Interrupted


@contextmanager
def a_store() -> Iterator[DocumentStore]:
    """A store for one example of Hypothesis."""
    with tempfile.TemporaryDirectory() as folder, DocumentStore(Path(folder) / "docs") as store:
        yield store


Graph = Sequence[tuple[str, str, str, list[int], bool]]
graphs = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),  # stage
        st.sampled_from(["t", "u"]),  # task
        st.sampled_from(["ok", "ok", "truncated", "gen_error"]),
        st.lists(st.integers(0, 20), max_size=2),  # parents, counted back
        st.booleans(),  # pinned
    ),
    min_size=1,
    max_size=9,
)
policies = st.builds(
    Policy,
    keep_ok=st.integers(1, 2),
    keep_failed=st.integers(0, 2),
    stage=st.sampled_from([None, "a", "b"]),
    experiment_id=st.just(None),
    grace=st.just(NOW),
) | st.builds(Policy, stage=st.sampled_from(["a", "b", "c"]), cascade=st.sampled_from([True]), grace=st.just(NOW))


# Two levels, two tasks, a pin, failures, and three documents that nothing needs any more.
RICH = [
    ("a", "t", "ok", [], False),
    ("a", "t", "truncated", [], False),
    ("a", "t", "truncated", [], False),
    ("a", "u", "ok", [], True),
    ("b", "t", "ok", [3], False),
    ("a", "t", "ok", [], False),
    ("b", "t", "ok", [0], False),
    ("a", "u", "ok", [], False),
    ("b", "u", "gen_error", [0, 1], False),
]
EVERYTHING = Policy(keep_failed=0, grace=NOW)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@example(graph=RICH, policy=EVERYTHING)
@example(graph=RICH, policy=Policy(stage="a", cascade=True, grace=NOW))
@given(graph=graphs, policy=policies)
def test_what_must_stay_stays_at_every_step_and_a_second_run_ends_the_work(graph: Graph, policy: Policy) -> None:
    """Killed before and after every change that a pruning makes, on random lineages with random policies."""
    interrupted_everywhere(graph, policy)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(graph=graphs, policy=policies)
def test_what_must_stay_stays_on_many_more_lineages(graph: Graph, policy: Policy) -> None:
    """The longer proof."""
    interrupted_everywhere(graph, policy)


def test_a_pruning_is_interrupted_often_enough() -> None:
    """Before and after the tombstone, the rows, each folder and the end of the tombstone; twice for two batches."""
    assert interrupted_everywhere(RICH, EVERYTHING) >= 2 * (1 + 1 + 3 + 1)


class FilesFirst:
    """A mutant: files go before their row."""

    def __init__(self, index: Any, storage: Any) -> None:
        self._index = index
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def remove(self, doc_ids: Sequence[str]) -> list[str]:
        for row in self._index.get_many(doc_ids):
            self._storage.remove(row.doc_dir)
        return list(self._index.remove(doc_ids))


class NoTombstone:
    """A mutant: nothing tells that a removal is under way."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def put(self, path: str, data: bytes) -> None:
        if "/removals/" not in path:
            self._storage.put(path, data)


@pytest.mark.parametrize("mutant", ["files first", "no tombstone"])
def test_a_pruner_that_does_it_in_another_order_is_caught(mutant: str) -> None:
    """The negative control."""

    def broken(storage: Any, index: Any, policy: Policy) -> None:
        if mutant == "files first":
            _prune(storage, FilesFirst(index, storage), policy)  # type: ignore[arg-type]
        else:
            _prune(NoTombstone(storage), index, policy)  # type: ignore[arg-type]

    with pytest.raises((AssertionError, DocIOError)):
        interrupted_everywhere(RICH, EVERYTHING, broken)


def _prune(storage: Storage, index: Index, policy: Policy) -> None:
    maintenance.prune(cast("DocumentStore", SimpleNamespace(storage=storage, index=index)), policy, dry_run=False)


def interrupted_everywhere(
    graph: Graph, policy: Policy, pruner: Callable[[Storage, Index, Policy], None] = _prune
) -> int:
    """Prune a new store of this lineage for every step, and die there; how many steps there were.

    Args:
        graph: What to make, document by document.
        policy: What is not wanted of it.
        pruner: Does it. Default: the real one.
    """
    undisturbed: set[str] | None = None
    step = 0  # at 0 nobody dies
    while True:
        with a_store() as store:
            pins = _make(store, graph)
            before = {row.doc_id: row for row in store.index.scan()}
            parents = store.index.parents_of(list(before))
            clock = [step]
            storage: Storage = Mortal(store.storage, clock)  # type: ignore[assignment]
            index: Index = Mortal(store.index, clock)  # type: ignore[assignment]
            try:
                pruner(storage, index, policy)
                finished = True
            except Interrupted:
                finished = False
            _holds(store, before, parents, pins)
            maintenance.prune(store, policy, dry_run=False)
            _holds(store, before, parents, pins)
            assert list(maintenance.prune(store, policy).documents) == []
            unsound = [
                each
                for each in maintenance.verify(store, grace=0)
                if each.kind not in ("without_ok", "duplicate", "empty")
            ]
            assert unsound == []
            undisturbed = left(store) if undisturbed is None else undisturbed
            assert left(store) == undisturbed
        if finished and step > 0:
            return step - 1
        step += 1


def _make(store: DocumentStore, graph: Graph) -> set[str]:
    made: list[str] = []
    pins = set()
    for number, (stage, task, outcome, back, pinned) in enumerate(graph):
        parents = list(dict.fromkeys(made[-1 - each % len(made)] for each in back)) if made else []
        document = Document(f"text {number}", status=outcome)
        row = store.save(document, stage=stage, task_id=task, attempt=f"{number}", parents=parents)
        made.append(row.doc_id)
        if pinned and number % 3 == 0:
            maintenance.pin(store, made[-1])
            pins.add(made[-1])
    return pins


def _holds(
    store: DocumentStore, before: Mapping[str, DocumentRow], parents: Mapping[str, Sequence[Any]], pins: set[str]
) -> None:
    """Promises 2 and 9, as they can be seen from outside."""
    there = left(store)
    assert pins <= there
    for doc_id in there:
        assert {parent.doc_id for parent in parents.get(doc_id, ())} <= there, "a parent of a kept document is gone"
        assert store.read(before[doc_id]), "a row points to a document that is not there"
    newest: dict[tuple[str, str], DocumentRow] = {}
    for row in before.values():
        if row.status is Status.OK:
            newest[row.stage, row.task_id] = row
    for row in newest.values():
        assert store.latest(row.stage, row.task_id) == row
