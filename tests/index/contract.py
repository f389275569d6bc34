"""What every index must do, whichever database holds it."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from operator import attrgetter
from typing import Any

import pytest

from doc_io.document import COLUMNS, OK, DocumentRow, Parent, Status
from doc_io.errors import IndexVersionError, QueryError
from doc_io.ids import compute_logical_key_id, doc_dir, new_doc_id
from doc_io.index.base import ConcurrentWriteError, Filter, GroupedBy, HistoryHead, TokenUsage, VersionSelector
from doc_io.index.page_queries import distinct_lengths
from doc_io.index.sql_index import Index
from doc_io.writing.draft import next_created_at

ENDLESS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT {} FROM numbers"
FAILED = [Status.TRUNCATED, Status.PARSE_ERROR, Status.GEN_ERROR]
EVERY = frozenset(Status)
NO_HEAD = HistoryHead()
PARENTS_OF_SCHEMA_2 = (
    "DROP VIEW document_parents",
    "DROP TABLE document_parent_lists",
    "CREATE TABLE document_parents (doc_id TEXT, position INTEGER, parent_doc_id TEXT, input_name TEXT)",
    "CREATE INDEX document_parents_by_parent ON document_parents (parent_doc_id)",
)


def make_row(task_id: str = "task", attempt: str = "1", head: HistoryHead = NO_HEAD, **given: Any) -> dict[str, Any]:
    """A row as the store would make it."""
    stage = given.get("stage", "draft")
    key = given.pop("logical_key_id", None) or compute_logical_key_id(stage, {"source": task_id})
    doc_id = new_doc_id(key, given.get("run_id") or "", f"{task_id}/{attempt}")
    return {
        **dict.fromkeys(column for column in COLUMNS if column != "seq"),
        "doc_id": doc_id,
        "logical_key_id": key,
        "stage": stage,
        "task_id": task_id,
        "attempt": attempt,
        "status": "ok",
        "created_at": next_created_at(head.created_at),
        "doc_dir": doc_dir(stage, key, doc_id),
        "meta_small": {},
        "lineage_prev_doc_id": head.doc_id,
        **given,
    }


def add(
    index: Index, task_id: str = "task", attempt: str = "1", parents: tuple[Parent, ...] = (), **given: Any
) -> DocumentRow:
    """Insert a row after the newest of its task, as often as others come first."""
    row = make_row(task_id, attempt, **given)
    task = row["stage"], task_id
    heads: Mapping[tuple[str, str], HistoryHead] = index.heads([task])
    while True:
        head = heads[task]
        row |= {"created_at": next_created_at(head.created_at), "lineage_prev_doc_id": head.doc_id}
        try:
            [inserted] = index.insert([(row | given, parents)])
        except ConcurrentWriteError as concurrent:
            heads = concurrent.heads
        else:
            return inserted


def chain(*tasks: str, after: HistoryHead = NO_HEAD, **given: Any) -> list[dict[str, Any]]:
    """Rows that follow each other: one for each task named, a task named again for its next attempt."""
    rows, heads = [], dict.fromkeys(tasks, after)
    for number, task in enumerate(tasks):
        row = make_row(task, f"{number}", heads[task], **given)
        heads[task] = HistoryHead(row["doc_id"], row["created_at"])
        rows.append(row)
    return rows


class IndexContract:
    """The facts. A subclass gives the index, and ways to it past doc_io."""

    @pytest.fixture
    def index(self) -> Iterator[Index]:
        """An index that is not there yet."""
        raise NotImplementedError

    def reopened(self, index: Index) -> Index:
        """The same index, opened anew."""
        raise NotImplementedError

    def set_schema(self, index: Index, version: int) -> None:
        """Make the index one of another schema: with that number, and a column that this one does not have."""
        raise NotImplementedError

    def count_raw(self, index: Index) -> int:
        """The number of rows, read past doc_io."""
        raise NotImplementedError

    def test_a_row_comes_back_with_every_field(self, index: Index) -> None:
        """As it was inserted, with the seq that it got."""
        row = make_row(
            "t\u00e4sk'; DROP TABLE documents; --",
            asset_key="a/b",
            parent_doc_id="p" * 16,
            template_id="te",
            model_id="m",
            run_id="r",
            experiment_id="e",
            prompt_path="x/y",
            parser="strip",
            status="truncated",
            usage_prompt_tokens=0,
            usage_completion_tokens=2**62,
            usage_max_tokens=7,
            score=0.25,
            raw_chars=2**40,
            parsed_chars=0,
            content_hash="0" * 64,
            meta_small={"finish_reason": "length", "hostile": "\0 \ud83d \x1b[0m", "n": [1, None, 2.5]},
        )

        [inserted] = index.insert([(row, [])])

        assert inserted == DocumentRow(seq=inserted.seq, **{**row, "status": Status.TRUNCATED})
        assert index.get(row["doc_id"]) == inserted

    def test_an_unknown_document_is_none(self, index: Index) -> None:
        """In an index that nobody wrote to."""
        assert index.get("0" * 16) is None
        assert index.history("draft", "task") == []
        assert index.latest_by_logical("0" * 16, OK) is None

    def test_seq_grows_with_every_insert(self, index: Index) -> None:
        """Over tasks and stages."""
        rows = [add(index, f"t{n}", stage=f"s{n % 2}") for n in range(5)]

        assert sorted(rows, key=lambda row: row.seq) == rows
        assert list(index.scan()) == rows

    def test_a_document_that_is_there_is_returned_and_not_inserted_again(self, index: Index) -> None:
        """With its parents; what else the batch has is inserted."""
        first = add(index, parents=(Parent("p" * 16),))
        again = make_row(model_id="another", head=HistoryHead(first.doc_id, first.created_at))
        other = make_row("other")

        found, inserted = index.insert([(again, [Parent("q" * 16)]), (other, [])])

        assert found == first
        assert inserted.doc_id == other["doc_id"]
        assert list(index.scan()) == [first, inserted]
        assert index.parents(first.doc_id) == [Parent("p" * 16)]

    def test_a_batch_that_was_committed_already_is_returned_as_it_is(self, index: Index) -> None:
        """A writer that did not hear the answer sends the same batch again."""
        rows = [(row, [Parent("p" * 16)]) for row in chain("a", "b", "a", "a")]

        assert index.insert(rows) == index.insert(rows)
        assert len(list(index.scan())) == 4

    def test_a_document_that_comes_twice_in_a_batch_is_one_row(self, index: Index) -> None:
        """And is returned twice."""
        [row] = chain("a")

        first, second = index.insert([(row, []), (row, [])])

        assert first == second
        assert list(index.scan()) == [first]

    def test_the_rows_of_one_task_in_a_batch_follow_each_other(self, index: Index) -> None:
        """After the head that the task has."""
        before = add(index, "a", attempt="before")
        rows = chain("a", "b", "a", after=NO_HEAD)
        rows[0]["lineage_prev_doc_id"] = before.doc_id

        inserted = index.insert([(row, []) for row in rows])

        assert [row.seq for row in inserted] == [before.seq + 1, before.seq + 2, before.seq + 3]
        assert index.history("draft", "a") == [inserted[2], inserted[0], before]
        assert index.heads([("draft", "a"), ("draft", "none")]) == {
            ("draft", "a"): HistoryHead(inserted[2].doc_id, inserted[2].created_at),
            ("draft", "none"): HistoryHead(),
        }

    @pytest.mark.parametrize(
        "wrong", [{"lineage_prev_doc_id": "0" * 16}, {"created_at": "2026-01-01T00:00:00.000000Z"}]
    )
    def test_a_batch_with_one_row_that_follows_no_head_inserts_nothing(
        self, index: Index, wrong: dict[str, Any]
    ) -> None:
        """Whether the row before it is in the table or in the batch; the heads are shown."""
        first = add(index, "a", attempt="first")
        rows = chain("b", "b", "b")
        rows[1] |= wrong
        wrong_head = make_row("a", "second", HistoryHead(first.doc_id, first.created_at)) | wrong

        for batch in ([*chain("c"), *rows], [*chain("c"), wrong_head]):
            with pytest.raises(ConcurrentWriteError) as refused:
                index.insert([(row, []) for row in batch])
            tasks = {(row["stage"], row["task_id"]) for row in batch}
            assert refused.value.heads == index.heads(list(tasks))
        assert list(index.scan()) == [first]

    def test_the_head_of_a_task_is_its_newest_document_of_any_key_and_status(self, index: Index) -> None:
        """A parent that was made anew gives another logical key, and the history goes on."""
        add(index, logical_key_id="a" * 16)
        failed = add(index, logical_key_id="b" * 16, status="gen_error")
        last = add(index, logical_key_id="c" * 16)

        assert last.lineage_prev_doc_id == failed.doc_id

    def test_what_newer_documents_of_a_task_have_superseded(self, index: Index) -> None:
        """By (stage, task), whatever the logical keys are; so many ok and so many failed ones are kept of each."""
        made = [
            add(index, task, f"{n}", logical_key_id=f"{n}" * 16, status=status)
            for task in ("a", "b")
            for n, status in enumerate(["ok", "gen_error", "ok", "truncated", "ok"])
        ]

        found = index.superseded(Filter(task_id="a"), keep_ok=1, keep_failed=1)
        more = index.superseded(Filter(), keep_ok=2, keep_failed=0)

        assert [each.doc_id for each in found] == [made[2].doc_id, made[1].doc_id, made[0].doc_id]
        assert {each.doc_id for each in more} == {made[n].doc_id for n in (0, 1, 3, 5, 6, 8)}

    def test_the_store_id_is_set_once(self, index: Index) -> None:
        """Of eight who set it at once one succeeds, and all learn its id; a rebuild keeps it."""
        assert index.store_id() is None

        with ThreadPoolExecutor(8) as threads:
            said = set(threads.map(index.set_store_id, [f"store {n}" for n in range(8)]))

        assert said == {index.store_id()}
        assert index.rebuild([(make_row(), ())]) == 1
        assert {index.store_id()} == said

    def test_a_failed_attempt_does_not_hide_the_older_ok_one(self, index: Index) -> None:
        """By task and by logical key; asked for, the failed one is found."""
        good = add(index, attempt="1")
        failed = [add(index, attempt=f"failed {status}", status=str(status)) for status in FAILED][-1]

        assert index.latest_by_tasks("draft", ["task"], VersionSelector()) == {"task": good}
        assert index.latest_by_logical(good.logical_key_id, OK) == good
        assert index.latest_by_tasks("draft", ["task"], VersionSelector(EVERY)) == {"task": failed}
        assert index.latest_by_logical(good.logical_key_id, EVERY) == failed

    def test_of_the_same_time_the_later_insert_is_the_latest(self, index: Index) -> None:
        """``seq`` breaks the tie, as of two keys of one task that a rebuild inserts."""
        same: dict[str, Any] = {"created_at": "2026-01-01T00:00:00.000000Z"}
        rows = [make_row(attempt=str(n), logical_key_id=f"{n}" * 16, **same) for n in range(3)]
        index.insert_placed((row, ()) for row in rows)

        assert index.latest_by_tasks("draft", ["task"], VersionSelector())["task"].attempt == "2"
        assert [row.attempt for row in index.history("draft", "task")] == ["2", "1", "0"]

    def test_many_tasks_are_resolved_in_the_order_asked_for(self, index: Index) -> None:
        """Those without a document are left out."""
        for n in range(30):
            add(index, f"t{n}", attempt="old")
        newest = {f"t{n}": add(index, f"t{n}", attempt="new") for n in range(30)}
        wanted = [f"t{n}" for n in reversed(range(35))]

        found = index.latest_by_tasks("draft", wanted, VersionSelector())

        assert found == newest
        assert list(found) == [task for task in wanted if task in newest]

    def test_the_documents_of_a_preferred_run_come_first(self, index: Index) -> None:
        """Then those of the next one, then any."""
        add(index, "a", attempt="1", run_id="mine")
        add(index, "a", attempt="2", run_id="other")
        add(index, "b", attempt="1", run_id="parent of mine")
        add(index, "b", attempt="2", run_id="other")
        add(index, "c", attempt="1", run_id="other")

        found = index.latest_by_tasks("draft", ["a", "b", "c"], VersionSelector(runs=["mine", "parent of mine"]))

        assert [row.run_id for row in found.values()] == ["mine", "parent of mine", "other"]

    def test_the_past_can_be_asked_for(self, index: Index) -> None:
        """``as_of`` leaves out what was made later."""
        old = add(index, attempt="1", created_at="2026-01-01T00:00:00.000000Z")
        add(index, attempt="2", created_at="2026-02-01T00:00:00.000000Z")

        then = VersionSelector(as_of="2026-01-15T00:00:00.000000Z")

        assert index.latest_by_tasks("draft", ["task"], then) == {"task": old}

    def test_documents_come_in_the_order_asked_for(self, index: Index) -> None:
        """Those that are not there are left out."""
        rows = [add(index, f"t{n}") for n in range(3)]

        found = index.get_many([rows[2].doc_id, "0" * 16, rows[0].doc_id])

        assert found == [rows[2], rows[0]]
        assert index.get_many([]) == []

    def test_parents_are_kept_in_order_and_children_found(self, index: Index) -> None:
        """By the primary parent and by any other."""
        first, second = add(index, "p1"), add(index, "p2")
        parents = (Parent(second.doc_id, "b"), Parent(first.doc_id, "a"))
        child = add(index, "c", parents=parents, parent_doc_id=first.doc_id)
        only_primary = add(index, "d", parent_doc_id=first.doc_id)

        assert index.parents(child.doc_id) == list(parents)
        assert index.parents_of([child.doc_id, first.doc_id]) == {child.doc_id: list(parents)}
        assert index.children(first.doc_id) == [only_primary, child]
        assert index.children(second.doc_id) == [child]

    def test_the_parents_of_many_documents_are_one_question(self, index: Index) -> None:
        """In order; a document without any is left out."""
        one = add(index, "one", parents=(Parent("b" * 16, "b"), Parent("a" * 16, "a")))
        none = add(index, "none")
        two = add(index, "two", parents=(Parent("c" * 16),))

        found = index.parents_of([two.doc_id, none.doc_id, one.doc_id])

        assert found == {
            one.doc_id: [Parent("b" * 16, "b"), Parent("a" * 16, "a")],
            two.doc_id: [Parent("c" * 16)],
        }

    def test_what_many_documents_were_made_from_is_stored_once(self, index: Index) -> None:
        """As people's SQL shows it, each has all its parents; a rebuild keeps both, and also from rows in another order."""
        drafts = [row["doc_id"] for row in chain(*(f"d{n}" for n in range(300)))]
        parents = [Parent(draft, "drafts") for draft in drafts]
        essays = chain(*(f"e{n}" for n in range(50)), stage="essay", run_id="r")
        new = [(row, tuple(parents)) for row in essays]
        index.insert(new)
        listed, shown = "SELECT count(*) FROM document_parent_lists", "SELECT count(*) FROM document_parents"

        for _ in range(2):
            assert index.read_sql(listed)[1] == [(300,)]
            assert index.read_sql(shown)[1] == [(15_000,)]
            assert index.parents(essays[7]["doc_id"]) == parents
            assert [row.doc_id for row in index.children(drafts[9])] == [row["doc_id"] for row in reversed(essays)]
            index.rebuild([(row.as_dict(), parents) for row in reversed(list(index.scan()))])

        other_order = chain("other", stage="essay")[0]
        index.insert([(other_order, parents[::-1])])
        assert index.read_sql(listed)[1] == [(600,)]
        assert index.parents(other_order["doc_id"]) == parents[::-1]

    def test_the_only_parent_is_in_the_row_of_its_child(self, index: Index) -> None:
        """With the name of its input; where the row names another one, or none, it is a list."""
        in_row = add(index, "a", parents=(Parent("p" * 16, "draft"),), parent_doc_id="p" * 16)
        unnamed = add(index, "b", parents=(Parent("p" * 16),), parent_doc_id="p" * 16)
        alone = add(index, "c", parent_doc_id="p" * 16)
        assert index.read_sql("SELECT count(*) FROM document_parent_lists")[1] == [(0,)]
        other = add(index, "d", parents=(Parent("q" * 16, "draft"),), parent_doc_id="p" * 16)

        columns = "doc_id, position, parent_doc_id, input_name"
        assert index.read_sql(
            f"SELECT {columns} FROM document_parents ORDER BY parent_doc_id, input_name DESC"  # noqa: S608 - our own
        ) == (
            columns.split(", "),
            [
                (in_row.doc_id, 0, "p" * 16, "draft"),
                (unnamed.doc_id, 0, "p" * 16, ""),
                (other.doc_id, 0, "q" * 16, "draft"),
            ],
        )
        assert [index.parents(row.doc_id) for row in (in_row, unnamed, alone, other)] == [
            [Parent("p" * 16, "draft")],
            [Parent("p" * 16)],
            [],
            [Parent("q" * 16, "draft")],
        ]
        assert index.children("p" * 16) == [other, alone, unnamed, in_row]

    def test_a_list_of_parents_goes_with_the_last_document_that_has_it(self, index: Index) -> None:
        """And its parents can be removed only then."""
        first, second = add(index, "p1"), add(index, "p2")
        parents = (Parent(first.doc_id), Parent(second.doc_id))
        one, two = (add(index, task, parents=parents, parent_doc_id=first.doc_id) for task in ("a", "b"))
        listed = "SELECT count(*) FROM document_parent_lists"

        assert index.remove([one.doc_id, second.doc_id]) == [one.doc_id]
        assert index.read_sql(listed)[1] == [(2,)]
        assert index.parents(two.doc_id) == list(parents)

        assert index.remove([first.doc_id, two.doc_id, second.doc_id]) == [first.doc_id, two.doc_id, second.doc_id]
        assert index.read_sql(listed)[1] == [(0,)]
        assert index.children_of([first.seq]) == {}

    def test_a_row_that_is_not_inserted_leaves_no_list_of_parents(self, index: Index) -> None:
        """Another writer of its task came first."""
        late = make_row("t", "late"), [Parent("a" * 16), Parent("b" * 16)]
        add(index, "t")

        with pytest.raises(ConcurrentWriteError):
            index.insert([late])

        assert index.read_sql("SELECT count(*) FROM document_parent_lists")[1] == [(0,)]

    def test_the_children_of_many_documents_are_one_question(self, index: Index) -> None:
        """By ``seq``; those that have their parents in a list, too, and each child once."""
        first, second, third = (add(index, task) for task in ("p1", "p2", "p3"))
        parents = (Parent(first.doc_id, "a"), Parent(second.doc_id, "a"), Parent(second.doc_id, "b"))
        both = add(index, "c", parents=parents, parent_doc_id=first.doc_id)
        one = add(index, "d", parents=(Parent(second.doc_id),), parent_doc_id=second.doc_id)

        found = index.children_of([first.seq, second.seq, third.seq])

        assert {seq: sorted(children) for seq, children in found.items()} == {
            first.seq: [both.seq],
            second.seq: [both.seq, one.seq],
        }

    def test_what_a_run_made_last_and_what_it_read_are_known(self, index: Index) -> None:
        """Of one run, and not of others."""
        source = add(index, "source", run_id="before")
        add(index, "a", run_id="mine", parents=(Parent(source.doc_id),), parent_doc_id=source.doc_id)
        listed = add(index, "listed", run_id="before")
        add(index, "a2", run_id="mine", parents=(Parent(source.doc_id), Parent(listed.doc_id)))
        last = add(index, "b", run_id="mine")
        add(index, "c", run_id="other")

        assert index.last_of_run("mine") == last
        assert index.last_of_run("none") is None
        assert sorted(index.read_by_run("mine"), key=attrgetter("seq")) == [source, listed]

    def test_a_rebuild_inserts_what_is_missing_and_nothing_twice(self, index: Index) -> None:
        """Two thousand rows with parents, some of them there already, one of them given twice."""
        there = add(index, "t0", attempt="0", parents=(Parent("p" * 16),))
        rows = [(make_row(f"t{n}", attempt="0"), [Parent(f"{n:016}")]) for n in range(2000)]

        assert index.insert_placed([*rows, rows[-1]]) == 1999
        assert index.insert_placed(rows) == 0

        assert index.get(there.doc_id) == there
        assert index.parents(there.doc_id) == [Parent("p" * 16)]
        assert [row.task_id for row in index.scan()] == [f"t{n}" for n in range(2000)]
        assert index.parents(rows[7][0]["doc_id"]) == [Parent(f"{7:016}")]

    def test_what_is_committed_during_a_rebuild_counts_more_than_what_was_read_before(self, index: Index) -> None:
        """A writer may give its record another place after the rebuild has read it, and commit that one."""
        record = make_row(attempt="1", created_at="2026-01-01T00:00:00.000000Z")
        moved = {**record, "created_at": "2026-01-01T00:00:00.000002Z"}

        def rows() -> Iterator[tuple[Mapping[str, Any], list[Parent]]]:
            yield record, [Parent("o" * 16)]
            index.insert([(moved, [Parent("p" * 16)])])

        assert index.rebuild(rows()) == 1
        [row] = index.scan()
        assert row.created_at == moved["created_at"]
        assert index.parents(row.doc_id) == [Parent("p" * 16)]

    @pytest.mark.parametrize("statement", ["DELETE FROM documents", "SELECT 1; SELECT 2", "no", "SELECT '\ud800'"])
    def test_sql_that_is_not_one_select_is_refused(self, index: Index, statement: str) -> None:
        """Nothing is changed, and the next one is answered."""
        row = add(index)

        with pytest.raises(QueryError):
            index.read_sql(statement)

        assert index.read_sql("SELECT doc_id FROM documents") == (["doc_id"], [(row.doc_id,)])

    def test_sql_fetches_no_more_than_its_limit(self, index: Index) -> None:
        """Ten rows of a query that has no end."""
        names, rows = index.read_sql(ENDLESS.format("n"), limit=10)

        assert (names, rows) == (["n"], [(n,) for n in range(1, 11)])

    def test_sql_has_a_time_limit(self, index: Index) -> None:
        """Of a query that has no end, and no first row either."""
        start = time.monotonic()

        with pytest.raises(QueryError, match=r"longer than 0\.5 s"):
            index.read_sql(ENDLESS.format("max(n)"), timeout=0.5)

        assert time.monotonic() - start < 10
        assert add(index).seq == 1

    def test_a_history_comes_page_by_page(self, index: Index) -> None:
        """Newest first, each page after the last row of the one before."""
        made = [add(index, attempt=f"{n}") for n in range(5)]

        first = index.history("draft", "task", limit=2)
        second = index.history("draft", "task", after=first[-1], limit=2)
        last = index.history("draft", "task", after=second[-1])

        assert [*first, *second, *last] == made[::-1]
        assert [len(first), len(second)] == [2, 2]

    def test_the_answers_to_a_prompt_are_found_whatever_their_status(self, index: Index) -> None:
        """Newest first, of one task alone."""
        first = add(index, attempt="1", prompt_hash="a", status="gen_error")
        add(index, attempt="2", prompt_hash="b")
        add(index, "another task", prompt_hash="a")
        third = add(index, attempt="3", prompt_hash="a")

        assert index.answers("draft", "task", "a") == [third, first]

    def test_ids_are_told_apart_by_the_characters_that_no_other_shares(self, index: Index) -> None:
        """Compared with every document, not only with those that are asked for; one that is not there has no answer."""
        row = add(index, "t").as_dict()
        assert distinct_lengths(index, [row["doc_id"], "abcx000000000000"]) == {row["doc_id"]: 1}
        ids = ["abc1000000000000", "abc2000000000000", "abd0000000000000", "zz00000000000000"]
        index.insert_placed([({**row, "doc_id": each, "task_id": each}, []) for each in ids])

        assert distinct_lengths(index, [ids[2], ids[0], "abcx000000000000"]) == {ids[0]: 4, ids[2]: 3}

    def test_tokens_are_summed_by_run_and_by_day(self, index: Index) -> None:
        """Of rows that are there: after removals too; a run that is not known is a group."""
        rows = [
            add(index, f"t{n}", run_id=run, usage_prompt_tokens=10 * n, usage_completion_tokens=1)
            for n, run in enumerate(["r1", "r1", "r2", None])
        ]
        gone = add(index, "gone", run_id="r3", usage_prompt_tokens=5)
        index.remove([gone.doc_id])

        by_run = [TokenUsage(None, 1, 30, 1), TokenUsage("r2", 1, 20, 1), TokenUsage("r1", 2, 10, 2)]
        assert index.usage("run_id") == by_run
        assert index.usage("run_id", Filter(stage="draft")) == by_run
        assert index.usage("day") == [TokenUsage(rows[0].created_at[:10], 4, 60, 4)]
        index.rebuild([(each.as_dict(), []) for each in index.scan()])
        assert index.usage("run_id") == by_run

    def test_tokens_of_the_newest_and_of_chosen_documents_are_those_of_their_rows(self, index: Index) -> None:
        """Totals by group know nothing of them."""
        old, new = (add(index, attempt=f"{n}", usage_prompt_tokens=n, model_id="m") for n in (1, 2))

        assert index.usage("model_id", Filter(newest=True)) == [TokenUsage("m", 1, 2, 0)]
        assert index.usage("model_id", Filter(doc_id=[old.doc_id])) == [TokenUsage("m", 1, 1, 0)]
        assert index.select(Filter(newest=True)) == [new]

    def test_tokens_of_a_model_are_summed_by_the_length_of_the_prompt(self, index: Index) -> None:
        """Of documents whose two counts are known, whatever is filtered, and after a removal."""
        prompts = (None, 0, 1, 32_000, 32_001, 100_000, 100_001, 128_000, 128_001, 300_000)
        rows = [
            add(
                index,
                f"t{number}{model}",
                usage_prompt_tokens=prompt,
                usage_completion_tokens=answer,
                model_id=model,
                run_id=f"r{number % 2}",
                stage=stage,
            )
            for number, (prompt, answer) in enumerate(product(prompts, (None, 7)))
            for model, stage in (("a", "draft"), ("b", "essay"), (None, "essay"))
        ]
        gone = rows.pop()
        assert index.remove([gone.doc_id]) == [gone.doc_id]

        groups: tuple[GroupedBy, ...] = ("model_id", "stage", "run_id", "day", "status", "task_id")
        filters = (Filter(), Filter(stage="essay"), Filter(run_id="r1"), Filter(model_id="a"))
        for by, where, starts in product(groups, filters, ((), (128_000, 200_000), (32_000,))):
            expected: Counter[tuple[str | None, str | None, int]] = Counter()
            for row in index.select(where, limit=1000):
                if row.usage_prompt_tokens is not None and row.usage_completion_tokens is not None:
                    group = row.created_at[:10] if by == "day" else getattr(row, by)
                    longer_than = max((each for each in starts if row.usage_prompt_tokens > each), default=0)
                    expected[group, row.model_id, longer_than] += row.usage_prompt_tokens * 1000 + 7
            found: Counter[tuple[str | None, str | None, int]] = Counter()
            for group, model, longer_than, documents, *tokens in index.usage_by_model(by, where, starts):
                assert tokens[1] == 7 * documents
                found[group, model, int(longer_than)] += int(tokens[0]) * 1000 + int(tokens[1])
            assert found == expected, (by, where, starts)

    def test_a_sound_index_is_found_sound(self, index: Index) -> None:
        """With rows, removals, and after a rebuild."""
        rows = [add(index, f"t{n}", stage=f"s{n % 2}") for n in range(20)]
        index.remove([rows[0].doc_id])
        assert index.check() == []

        index.rebuild([(row.as_dict(), []) for row in rows])

        assert index.check() == []

    @pytest.mark.parametrize("version", [1, 2])
    def test_an_index_of_an_older_schema_is_refused_by_every_use_but_a_rebuild(
        self, index: Index, version: int
    ) -> None:
        """It is told by its number, says what to run, and stays as it is until it is replaced."""
        row = add(index)
        index.set_store_id("the store")
        index.close()
        self.set_schema(index, version)
        uses: list[Callable[[Index], object]] = [
            lambda index: index.get(row.doc_id),
            lambda index: index.heads([("draft", "task")]),
            lambda index: index.insert([(make_row("new"), ())]),
            lambda index: index.insert_placed([(make_row("new"), ())]),
            lambda index: index.remove([row.doc_id]),
            lambda index: list(index.scan()),
            lambda index: index.stage_counts(),
            lambda index: index.usage("day"),
            lambda index: index.read_sql("SELECT 1"),
            lambda index: index.texts(),
            lambda index: index.store_id(),
            lambda index: index.set_store_id("other"),
        ]
        older = self.reopened(index)
        for use in uses:
            with pytest.raises(IndexVersionError, match=rf"schema {version}.*doc-io reindex"):
                use(older)
        assert self.count_raw(index) == 1

        parents = [Parent("p" * 16, "a"), Parent("q" * 16, "a")]
        assert older.rebuild([(row.as_dict(), parents)]) == 1

        assert list(older.scan()) == [row]
        assert older.read_sql("SELECT parent_doc_id FROM document_parents ORDER BY position")[1] == [
            ("p" * 16,),
            ("q" * 16,),
        ]
        assert older.check() == []
        assert add(older, "next").seq == 2
        older.close()

    def test_an_index_of_a_newer_schema_is_never_touched(self, index: Index) -> None:
        """Not by a rebuild either: it may hold what this doc_io does not know."""
        add(index)
        index.close()
        self.set_schema(index, 99)
        newer = self.reopened(index)

        with pytest.raises(IndexVersionError, match=r"schema 99.*Upgrade"):
            newer.get("0" * 16)
        with pytest.raises(IndexVersionError, match=r"schema 99.*Upgrade"):
            newer.rebuild([])
        newer.close()
        assert self.count_raw(index) == 1

    def test_a_rebuild_that_fails_inserts_nothing(self, index: Index) -> None:
        """All or nothing, so that it can be run again."""

        def rows() -> Iterator[tuple[Mapping[str, Any], list[Parent]]]:
            yield make_row("a"), []
            raise KeyError("the disk is gone")

        with pytest.raises(KeyError):
            index.insert_placed(rows())

        assert list(index.scan()) == []

    def test_eight_writers_of_one_task_make_one_chain(self, index: Index) -> None:
        """Each version names the one before, times grow, and nobody waits for ever."""
        start = threading.Barrier(8)

        def write(writer: int) -> None:
            start.wait()
            for n in range(5):
                add(index, attempt=f"{writer}/{n}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))

        history = index.history("draft", "task")
        assert len(history) == 40
        assert [row.lineage_prev_doc_id for row in history[:-1]] == [row.doc_id for row in history[1:]]
        assert len({row.created_at for row in history}) == 40

    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_a_forked_process_writes_and_the_parent_goes_on(self, index: Index) -> None:
        """A child that inherits a used index makes connections of its own, and leaves the parent's alone."""
        add(index, "before")

        child = multiprocessing.get_context("fork").Process(target=_write_in_child, args=(index,))
        child.start()
        child.join(60)

        assert child.exitcode == 0
        add(index, "after")
        assert [row.task_id for row in index.scan()] == ["before", "of the child", "after"]

    def test_it_can_be_used_again_after_it_was_closed(self, index: Index) -> None:
        """Closing lets go of connections and of nothing else."""
        row = add(index)

        index.close()

        assert list(index.scan()) == [row]


def _write_in_child(index: Index) -> None:
    add(index, "of the child")
    index.close()
