"""Upkeep keeps its promises wherever documents and rows lie: one suite over local disk, S3, SFTP, SQLite and PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from doc_io import Document, DocumentStore, Status, Usage, maintenance, reports
from doc_io.errors import MaintenanceBusyError, QueryError
from doc_io.index.base import Filter, StageCount, TokenUsage
from doc_io.maintenance.prune import Policy
from doc_io.maintenance.verify import NOTES
from tests.servers.postgres import Postgres
from tests.servers.s3 import S3
from tests.servers.sftp import SFTP


class UpkeepContract:
    """What holds on every engine."""

    def test_the_newest_come_first_and_page_by_page(self, store: DocumentStore) -> None:
        """Filters are answered by the same pages."""
        made = [store.save(f"text {n}", stage="ab"[n % 2], task_id=f"t{n}").doc_id for n in range(5)]

        first = store.select(limit=2)
        second = store.select(after=first[-1], limit=2)

        assert [row.doc_id for row in [*first, *second]] == made[:0:-1]
        assert [row.doc_id for row in store.select(Filter(stage="b"))] == [made[3], made[1]]
        assert store.select(Filter(status=(Status.TRUNCATED,))) == []

    def test_counts_and_tokens_follow_every_write_and_removal(self, store: DocumentStore) -> None:
        """Also of a group whose name is not known."""
        rows = [
            store.save(Document("abc", model_id=model, usage=Usage(10, 5)), stage="draft", task_id="t")
            for model in ("m", "m", None)
        ]
        assert reports.usage(store, "model_id") == [TokenUsage("m", 2, 20, 10), TokenUsage(None, 1, 10, 5)]
        assert reports.stage_counts(store) == [StageCount("draft", Status.OK, 3, 9)]

        store.index.remove([rows[0].doc_id])

        assert reports.usage(store, "model_id") == [
            TokenUsage("m", 1, 10, 5),
            TokenUsage(None, 1, 10, 5),
        ] or reports.usage(store, "model_id") == [
            TokenUsage(None, 1, 10, 5),
            TokenUsage("m", 1, 10, 5),
        ]
        assert reports.usage(store, "day", Filter(stage="draft")) == [TokenUsage(rows[0].created_at[:10], 2, 20, 10)]
        assert reports.usage(store, "run_id", Filter(stage="draft", since="2000")) == [TokenUsage(None, 2, 20, 10)]

    def test_a_row_stays_as_long_as_something_was_made_from_it(self, store: DocumentStore) -> None:
        """By whichever of its inputs."""
        parents = [store.save(f"p{n}", stage="p", task_id=f"{n}").doc_id for n in range(2)]
        child = store.save("child", stage="c", task_id="t", parents=parents).doc_id

        assert store.index.remove(parents) == []
        assert store.index.remove([child, *parents]) == [child, *parents]

    def test_names_of_any_length_are_names_like_others(self, store: DocumentStore, tmp_path: Path) -> None:
        """Random ones, as compression would hide their length: saved, found, rebuilt, repaired and copied."""
        task, template, model, run, experiment, foreign = ("ü\\" + secrets.token_hex(5_000) for _ in range(6))
        stage = secrets.token_hex(2_000)
        parent = store.save(Document("p", template_id=template, model_id=model), stage=stage, task_id=task, run_id=run)
        child = store.save(
            Document("c", parent_doc_id=foreign),
            stage=stage,
            task_id=task,
            parents=[parent.doc_id],
            experiment_id=experiment,
        )
        store.save("another", stage=stage, task_id=task[:-1])

        def holds(opened: DocumentStore) -> bool:
            return (
                opened.latest(stage, task) == child
                and opened.latest_many(stage, [task]) == {task: child}
                and opened.history(stage, task) == [child, parent]
                and opened.select(Filter(template_id=[template, "t"], model_id=model, run_id=run)) == [parent]
                and opened.select(Filter(experiment_id=experiment)) == [child]
                and opened.children(parent.doc_id) == opened.children(foreign) == [child]
            )

        assert holds(store)
        assert maintenance.reindex(store).documents == 3
        assert holds(store)
        with DocumentStore(tmp_path / "copy" / "docs") as target:
            assert maintenance.copy(store, target).copied == 3
            assert holds(target)
            assert maintenance.copy(target, store).existing == 3
        store.index.remove([child.doc_id])
        [repaired] = maintenance.repair(store, list(maintenance.verify(store, full=True)), dry_run=False)
        assert repaired.action == "add the row"
        assert store.latest(stage, task, runs=[run]) == parent
        assert [row.doc_id for row in store.history(stage, task)] == [child.doc_id, parent.doc_id]

    def test_a_lineage_goes_up_and_down_through_every_parent(self, store: DocumentStore) -> None:
        """Grandparents and grandchildren too."""
        one, two = (store.save(f"p{n}", stage="p", task_id=f"{n}").doc_id for n in range(2))
        child = store.save("child", stage="c", task_id="t", parents=[one, two]).doc_id
        last = store.save("last", stage="l", task_id="t", parents=[child]).doc_id

        graph = reports.lineage(store, one)

        assert {(edge.parent, edge.child) for edge in graph.edges} == {(one, child), (child, last)}
        up = reports.lineage(store, last)
        assert {(edge.parent, edge.child) for edge in up.edges} == {(one, child), (two, child), (child, last)}
        assert up.complete

    def test_a_renamed_stage_keeps_its_history_and_can_be_renamed_back(
        self, store: DocumentStore, tmp_path: Path
    ) -> None:
        """No file of a document changes; rows, totals, lineage, a rebuilt index and a copy have the new name."""
        rows = [
            store.save(Document(text, usage=Usage(1, 2)), stage="draft", task_id=task, run_id="r", attempt=text)
            for task, text in (("d1", "one"), ("d1", "two"), ("d2", "three"))
        ]
        child = store.save("made of it", stage="essay", task_id="d1", parents=[rows[1].doc_id])
        before = list(store.index.scan())

        assert maintenance.rename(store, "draft", "first_draft").documents == 3

        assert [store.read(row) for row in store.history("first_draft", "d1")] == ["two", "one"]
        assert store.history("draft", "d1") == []
        latest = store.latest_many("first_draft", ["d1", "d2"])
        assert {task: row.doc_id for task, row in latest.items()} == {"d1": rows[1].doc_id, "d2": rows[2].doc_id}
        assert [row.stage for row in reports.lineage(store, child.doc_id).rows.values()] == ["essay", "first_draft"]
        assert reports.usage(store, "stage", Filter(stage="first_draft")) == [TokenUsage("first_draft", 3, 3, 6)]
        assert {row.doc_dir for row in store.index.scan()} == {row.doc_dir for row in before}
        newer = store.save("four", stage="first_draft", task_id="d1")
        assert newer.lineage_prev_doc_id == rows[1].doc_id
        again = store.save(Document("one", usage=Usage(1, 2)), stage="draft", task_id="d1", run_id="r", attempt="one")
        assert again.stage == "first_draft"  # the same attempt is the same document
        renamed = [(row, store.parents(row.doc_id)) for row in store.index.scan()]
        assert [each for each in maintenance.verify(store, full=True) if each.kind not in NOTES] == []
        maintenance.reindex(store)
        assert [(row, store.parents(row.doc_id)) for row in store.index.scan()] == renamed
        with DocumentStore(tmp_path / "copy" / "docs") as target:
            maintenance.copy(store, target)
            assert [row.doc_id for row in target.history("first_draft", "d1")] == [
                row.doc_id for row in store.history("first_draft", "d1")
            ]
            assert [each for each in maintenance.verify(target) if each.kind not in NOTES] == []
        pruned = maintenance.prune(store, Policy(grace=timedelta()), dry_run=False)
        assert [each.doc_id for each in pruned.documents] == [rows[0].doc_id]

        maintenance.rename(store, "first_draft", "draft")

        assert [row.doc_id for row in store.history("draft", "d1")] == [newer.doc_id, rows[1].doc_id]
        assert [each for each in maintenance.verify(store, full=True) if each.kind not in NOTES] == []

    def test_the_rebuilt_table_is_the_lost_one(self, store: DocumentStore) -> None:
        """Row for row, with ``seq`` and parents, whatever was in the table."""
        parent = store.save(Document("p", usage=Usage(3, 4)), stage="p", task_id="t").doc_id
        store.save(Document("half", status="truncated"), stage="p", task_id="t")
        store.save("child", stage="c", task_id="t", parents=[parent])
        before = [(row, store.parents(row.doc_id)) for row in store.index.scan()]
        child = before[-1][0].doc_id
        store.index.remove([child, parent])

        came = maintenance.reindex(store)

        assert (came.documents, came.rejected) == (3, ())
        assert [(row, store.parents(row.doc_id)) for row in store.index.scan()] == before
        assert store.save("next", stage="n", task_id="t").seq == 4
        assert list(maintenance.verify(store, full=True, grace=0)) == []

    def test_verify_finds_a_lost_file_and_a_lost_row(self, store: DocumentStore) -> None:
        """And a file that nobody knows."""
        torn, unknown, extra = (store.save(f"text {n}", stage="s", task_id=f"{n}") for n in range(3))
        store.storage.delete(f"{torn.doc_dir}/raw.txt")
        store.index.remove([unknown.doc_id])
        store.storage.put(f"{extra.doc_dir}/stray.txt", b"stray")

        found = {(each.kind, each.where) for each in maintenance.verify(store, grace=0) if each.kind not in NOTES}

        assert found == {("damaged", torn.doc_dir), ("unindexed", unknown.doc_dir), ("extra", extra.doc_dir)}

    def test_pruned_documents_are_gone_and_pinned_ones_are_not(self, store: DocumentStore) -> None:
        """Rows and files alike; nothing is left of the removal."""
        rows = [store.save(f"text {n}", stage="s", task_id="t") for n in range(3)]
        maintenance.pin(store, rows[0].doc_id, "why")

        gone = maintenance.prune(store, Policy(grace=timedelta(0)), dry_run=False)

        assert [each.doc_id for each in gone.documents] == [rows[1].doc_id]
        assert maintenance.pins(store) == {rows[0].doc_id: "why"}
        assert dict(store.storage.folder(rows[1].doc_dir).files) == {}
        assert list(maintenance.verify(store, grace=0)) == []
        maintenance.unpin(store, rows[0].doc_id)
        assert maintenance.pins(store) == {}

    def test_only_one_upkeep_is_at_work(self, store: DocumentStore) -> None:
        """A second one is told so at once."""
        store.save("text", stage="s", task_id="t")

        with store.index.maintenance_lock(), pytest.raises(MaintenanceBusyError):
            maintenance.reindex(store)

        assert maintenance.reindex(store).documents == 1

    def test_a_copy_brings_all_and_once(self, store: DocumentStore, tmp_path: Path) -> None:
        """Documents, rows, parents and pins; a second one finds nothing to do."""
        parent = store.save("p", stage="p", task_id="t").doc_id
        store.save(Document("child", extras={"a b.bin": b"\0\xff"}), stage="c", task_id="t", parents=[parent])
        maintenance.pin(store, parent)

        with DocumentStore(tmp_path / "copy" / "docs") as target:
            assert maintenance.copy(store, target).copied == 2
            again = maintenance.copy(store, target)

            assert (again.copied, again.existing) == (0, 2)
            assert [row.as_dict() for row in target.index.scan()] == [row.as_dict() for row in store.index.scan()]
            assert maintenance.pins(target) == maintenance.pins(store)
            assert list(maintenance.verify(target, full=True, grace=0)) == []

    def test_words_are_found_also_after_a_reindex(self, store: DocumentStore) -> None:
        """In any order; what was pruned is found no more; nobody's query language is spoken."""
        whale = store.save("The white whale swam\0 north.", stage="s", task_id="1")
        store.save("A ship sailed north.", stage="s", task_id="2")

        assert [each.row.doc_id for each in reports.search(store, "north whale")] == [whale.doc_id]
        maintenance.reindex(store)
        assert len(reports.search(store, "north")) == 2
        assert reports.search(store, 'north" OR "ship*') == []
        store.index.remove([whale.doc_id])
        assert reports.search(store, "whale") == []

    @pytest.mark.parametrize("statement", ["DELETE FROM documents", "DROP TABLE documents", "SELECT 1; SELECT 2", "no"])
    def test_sql_can_only_read(self, store: DocumentStore, statement: str) -> None:
        """One statement at a time."""
        store.save("text", stage="s", task_id="t")

        with pytest.raises(QueryError):
            reports.sql(store, statement)

        assert reports.sql(store, "SELECT stage, task_id FROM documents") == (["stage", "task_id"], [("s", "t")])


class TestLocalSqlite(UpkeepContract):
    """A folder and a file."""


class TestS3Postgres(UpkeepContract):
    """An object store and a server."""

    @pytest.fixture
    def store(self, s3_server: S3, postgres_server: Postgres) -> Iterator[DocumentStore]:
        root = f"{s3_server.root}/{secrets.token_hex(4)}/docs"
        url = postgres_server.new_database()
        with DocumentStore(root, db_url=url, storage_options=s3_server.storage_options) as opened:
            yield opened


class TestSftpSqlite(UpkeepContract):
    """A store with folders, that is not this machine's."""

    @pytest.fixture
    def store(self, sftp_server: SFTP, tmp_path: Path) -> Iterator[DocumentStore]:
        root = f"{sftp_server.root}/{secrets.token_hex(4)}/docs"
        options = sftp_server.storage_options
        with DocumentStore(root, tmp_path / "documents.sqlite", storage_options=options) as opened:
            yield opened
