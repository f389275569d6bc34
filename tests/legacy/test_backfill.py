"""Old files come in whole, once, and at their own time; whatever cannot come in is listed, and stops nothing."""

from __future__ import annotations

import csv
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doc_io import ConfigurationError, Document, DocumentRow, DocumentStore
from doc_io.commit_record import encode_text
from doc_io.legacy.backfill import backfill
from doc_io.legacy.backfill_result import BackfillReport
from tests.legacy.tree import Tree, make_tree
from tests.servers.s3 import S3

SIZES = [600, pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    """An empty store."""
    return DocumentStore(tmp_path / "docs")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data root."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def put(data: Path, path: str, text: str = "text", time: int = 1_700_000_000) -> None:
    """A legacy file of a time."""
    file = data / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="")
    os.utime(file, (time, time))


def table(data: Path, name: str, *lines: str) -> None:
    """A table of tasks."""
    put(data, f"2_tasks/{name}.csv", "\n".join(lines) + "\n")


def rows_of(store: DocumentStore) -> list[dict[str, Any]]:
    """Every row but its number, in the order of their ids."""
    rows = [row.as_dict() for row in store.index.scan()]
    return sorted(({**row, "seq": None} for row in rows), key=lambda row: str(row["doc_id"]))


def hashes(folder: Path) -> dict[str, str]:
    """Every file below a folder and the hash of its bytes; a time too, as nothing may touch them."""
    return {
        str(path.relative_to(folder)): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def sources(store: DocumentStore) -> dict[str, bytes]:
    """Each legacy file that a document says it holds, and what it holds; no file is in two documents."""
    found: dict[str, bytes] = {}
    for row in store.index.scan():
        metadata = store.record(row).metadata
        for which in ("raw", "parsed", "prompt"):
            path = metadata.get(f"legacy_{which}")
            if path is not None:
                assert which == "prompt" or path not in found
                found[path] = store.read_bytes(row, which)
    return found


def newest(store: DocumentStore, stage: str, task: str) -> DocumentRow:
    """The latest ok document of a task."""
    row = store.latest(stage, task)
    assert row is not None
    return row


@pytest.mark.parametrize("files", SIZES)
def test_every_text_is_found_again_and_every_count_adds_up(tmp_path: Path, store: DocumentStore, files: int) -> None:
    """Byte for byte, whatever its name and newlines; twice gives the same; the old files are as they were."""
    tree = make_tree(tmp_path / "data", files, seed=files)
    before = hashes(tree.root)

    report = backfill(store, tree.root)

    assert sources(store) == tree.texts
    assert {each.path for each in report.bad_files if each.path and not each.filed} == tree.bad
    assert_counts_add_up(tree, store, report)
    for (stage, task), text in tree.newest.items():
        assert store.read_bytes(newest(store, stage, task)) == text

    rows = rows_of(store)
    again = backfill(store, tree.root, run_id="another day")
    assert again.documents == 0
    assert sum(stage.existing for stage in again.stages) == len(tree.texts)
    assert rows_of(store) == rows
    (tree.root / "bad_files.csv").unlink()
    assert hashes(tree.root) == before


def assert_counts_add_up(tree: Tree, store: DocumentStore, report: BackfillReport) -> None:
    """Files in, files out, and parents found and not found."""
    assert sum(stage.files for stage in report.stages) == tree.files
    assert sum(stage.filed for stage in report.stages) == len(tree.texts)
    assert all(stage.files == stage.filed + stage.existing + stage.bad for stage in report.stages)
    rows = list(store.index.scan())
    for stage in report.stages:
        of_stage = [row for row in rows if row.stage == stage.stage]
        assert stage.documents == len(of_stage)
        assert stage.linked == sum(row.parent_doc_id is not None for row in of_stage)
        assert stage.orphans == sum(row.task_id not in tree.lines[stage.stage] for row in of_stage)
        named = sum((row.stage, row.task_id) in tree.parents for row in of_stage)
        assert stage.linked + stage.unresolved == named
    for row in rows:
        if row.parent_doc_id is not None:
            parent = store.get(row.parent_doc_id)
            assert parent is not None
            assert parent.task_id == tree.parents[row.stage, row.task_id]


BACKFILL = """
import sys
from doc_io import DocumentStore
from doc_io.legacy.backfill import backfill
data, docs, run_id = sys.argv[1:]
with DocumentStore(docs) as store:
    backfill(store, data, run_id=run_id, progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.parametrize("files", SIZES)
def test_killed_at_random_points_and_resumed_gives_the_same(tmp_path: Path, store: DocumentStore, files: int) -> None:
    """``kill -9`` at any time; the next run goes on, and no row ever points to what is not there."""
    chance = random.Random(files)  # noqa: S311 - must come out the same
    tree = make_tree(tmp_path / "data", files, seed=files + 1)
    killed = DocumentStore(tmp_path / "killed" / "docs")
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", BACKFILL, str(tree.root), killed.docs_root, "run"], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 3 + files // 600)):
                process.stdout.readline()
            process.kill()
        for row in killed.index.scan():
            store_files = killed.record(row).files
            assert all(Path(killed.docs_root, row.doc_dir, name).is_file() for name in store_files)

    backfill(killed, tree.root, run_id="run")
    backfill(store, tree.root, run_id="run")

    assert rows_of(killed) == rows_of(store)
    assert sources(killed) == tree.texts


def test_files_whose_run_ended_before_their_rows_are_met_again_by_a_run_of_another_name(
    tmp_path: Path, store: DocumentStore, data: Path
) -> None:
    """The folders that a killed run left become the documents; none is written twice."""
    put(data, "3_generation/draft_responses_raw/t_v1.txt")
    backfill(store, data, run_id="monday")
    rows = rows_of(store)
    store.close()
    (tmp_path / "db/documents.sqlite").unlink()

    assert backfill(store, data, run_id="tuesday").documents == 1
    assert rows_of(store) == rows
    assert len(list((tmp_path / "docs").rglob("raw.txt"))) == 1


def test_a_torn_folder_of_a_killed_run_is_replaced(tmp_path: Path, store: DocumentStore, data: Path) -> None:
    """A power cut may leave a folder whose files are cut short; it is no document."""
    put(data, "3_generation/draft_responses_raw/t_v1.txt", "whole")
    backfill(store, data)
    store.close()
    (tmp_path / "db/documents.sqlite").unlink()
    next((tmp_path / "docs").rglob("raw.txt")).write_text("wh", encoding="utf-8")

    backfill(store, data)
    assert store.read(newest(store, "draft", "t")) == "whole"


def test_the_parsed_text_goes_with_the_latest_raw_version_only(store: DocumentStore, data: Path) -> None:
    """Which earlier version it came from cannot be known, and it must not be found twice."""
    for version in (1, 2, 10):
        put(data, f"3_generation/essay_responses_raw/t_v{version}.txt", f"raw {version}")
    put(data, "3_generation/essay_responses/t.txt", "parsed")
    backfill(store, data)

    history = store.history("essay", "t")
    assert [store.read(row, "raw") for row in history] == ["raw 10", "raw 2", "raw 1"]
    assert [row.parsed_chars for row in history] == [6, None, None]
    assert store.read(history[0]) == "parsed"


def test_a_parsed_text_without_a_raw_one_is_a_document(store: DocumentStore, data: Path) -> None:
    """The oldest pipelines kept nothing else."""
    put(data, "3_generation/links_responses/t.txt", "parsed")
    backfill(store, data)

    row = newest(store, "draft", "t")
    assert (row.raw_chars, row.content_hash, store.read(row)) == (None, None, "parsed")


def test_a_parsed_text_whose_raw_one_cannot_be_read_is_not_given_to_an_older_version(
    store: DocumentStore, data: Path
) -> None:
    """It came from the version that is lost, and stays the latest."""
    put(data, "3_generation/draft_responses_raw/t_v1.txt", "raw 1")
    put(data, "3_generation/draft_responses_raw/t_v2.txt", "")
    put(data, "3_generation/draft_responses/t.txt", "parsed 2")
    backfill(store, data)

    history = store.history("draft", "t")
    assert [(row.raw_chars, row.parsed_chars) for row in history] == [(None, 8), (5, None)]


def test_a_version_is_as_old_as_its_file_and_no_older_than_the_one_before(store: DocumentStore, data: Path) -> None:
    """A tree that was copied may have its times the wrong way round; the highest number is still the latest."""
    put(data, "3_generation/draft_responses_raw/t_v1.txt", "1", time=1_700_000_000)
    put(data, "3_generation/draft_responses_raw/t_v2.txt", "2", time=1_600_000_000)
    put(data, "3_generation/draft_responses_raw/t_v3.txt", "3", time=1_800_000_000)
    backfill(store, data)

    assert [row.created_at for row in reversed(store.history("draft", "t"))] == [
        "2023-11-14T22:13:20.000000Z",
        "2023-11-14T22:13:20.000001Z",
        "2027-01-15T08:00:00.000000Z",
    ]


def test_an_old_file_does_not_hide_what_was_made_since(store: DocumentStore, data: Path) -> None:
    """The pipeline may have gone on before the backfill."""
    new = store.save(Document("new"), stage="draft", task_id="t")
    put(data, "3_generation/draft_responses_raw/t_v1.txt", "old")
    backfill(store, data)

    assert newest(store, "draft", "t") == new
    assert [store.read(row) for row in store.history("draft", "t")] == ["new", "old"]


def test_each_version_supersedes_the_one_before(store: DocumentStore, data: Path) -> None:
    """The lineage of the old versions is that of new ones."""
    for version in (1, 2):
        put(data, f"3_generation/draft_responses_raw/t_v{version}.txt", f"raw {version}")
    backfill(store, data)
    put(data, "3_generation/draft_responses_raw/t_v3.txt", "raw 3")
    backfill(store, data)

    third, second, first = store.history("draft", "t")
    assert [each.lineage_prev_doc_id for each in (third, second, first)] == [second.doc_id, first.doc_id, None]


@pytest.fixture
def pipeline(data: Path) -> Path:
    """A draft with two versions, an essay of it, an evaluation of the essay and one of the draft; with their tables."""
    put(data, "3_generation/draft_responses_raw/d_v1.txt", "draft 1")
    put(data, "3_generation/draft_responses_raw/d_v2.txt", "draft 2")
    put(data, "3_generation/essay_responses_raw/e_v1.txt", "essay")
    put(data, "4_evaluation/evaluation_responses_raw/of e_v1.txt", "score 1")
    put(data, "4_evaluation/evaluation_responses_raw/of d_v1.txt", "score 2")
    table(data, "draft_generation_tasks", "draft_task_id,draft_template,generation_model", "d,dt,dm")
    table(
        data,
        "essay_generation_tasks",
        "essay_task_id,draft_task_id,essay_template,generation_model",
        "e,d,et,em",
        "x,gone,et,em",
    )
    table(
        data,
        "evaluation_tasks",
        "evaluation_task_id,essay_task_id,draft_task_id,evaluation_template,evaluation_model",
        "of e,e,d,vt,vm",
        "of d,,d,vt,vm",
    )
    return data


def test_template_model_and_parent_come_from_the_tables(store: DocumentStore, pipeline: Path) -> None:
    """An essay is linked to the latest draft, an evaluation to what it is of."""
    report = backfill(store, pipeline)

    draft, essay = newest(store, "draft", "d"), newest(store, "essay", "e")
    assert (draft.template_id, draft.model_id, store.read(draft)) == ("dt", "dm", "draft 2")
    assert (essay.template_id, essay.model_id, essay.parent_doc_id) == ("et", "em", draft.doc_id)
    assert newest(store, "evaluation", "of e").parent_doc_id == essay.doc_id
    assert newest(store, "evaluation", "of d").parent_doc_id == draft.doc_id
    assert [(stage.linked, stage.unresolved, stage.orphans) for stage in report.stages] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 0),
    ]


def test_the_logical_key_is_the_one_a_run_would_give(store: DocumentStore, pipeline: Path) -> None:
    """So that the next generation continues the history of the old ones."""
    backfill(store, pipeline)
    essay = newest(store, "essay", "e")

    again = store.save(
        Document("again", template_id="et", model_id="em", parent_doc_id=essay.parent_doc_id),
        stage="essay",
        task_id="e",
    )
    assert (again.logical_key_id, again.lineage_prev_doc_id) == (essay.logical_key_id, essay.doc_id)


def test_a_line_without_a_file_is_listed(store: DocumentStore, pipeline: Path) -> None:
    """It may be a file that was lost."""
    report = backfill(store, pipeline)

    assert report.bad_files_path is not None
    with report.bad_files_path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["stage", "task_id", "path", "filed", "reason"],
            ["essay", "x", "", "no", "the table has a line for it, and there is no file"],
        ]


def test_without_a_table_the_key_is_of_stage_and_task_and_that_is_said(store: DocumentStore, data: Path) -> None:
    """In the report and on the document."""
    put(data, "3_generation/draft_responses_raw/t_v1.txt")
    report = backfill(store, data)

    row = newest(store, "draft", "t")
    assert row.logical_key_id == store.save(Document("new"), stage="draft", task_id="t").logical_key_id
    assert "stage and task" in row.meta_small["logical_key"]
    assert not report.stages[0].table


def test_a_prompt_goes_to_the_version_it_matches(store: DocumentStore, data: Path) -> None:
    """By number, else the one without a number, else the latest to the latest."""
    for version in (1, 2):
        put(data, f"3_generation/draft_responses_raw/a_v{version}.txt", f"a {version}")
        put(data, f"3_generation/draft_responses_raw/b_v{version}.txt", f"b {version}")
    put(data, "3_generation/draft_prompts/a_v1.txt", "for the first")
    put(data, "3_generation/draft_prompts/a.txt", "for any")
    put(data, "3_generation/draft_prompts/b_v7.txt", "for the latest")
    report = backfill(store, data)

    assert [store.read(row, "prompt") for row in store.history("draft", "a")] == ["for any", "for the first"]
    assert [store.stored(row).prompt for row in store.history("draft", "b")] == ["for the latest", None]
    assert report.stages[0].filed == 7


def test_a_dry_run_writes_nothing_and_counts_the_same(tmp_path: Path, store: DocumentStore, pipeline: Path) -> None:
    """Not even an index."""
    there = sorted(tmp_path.rglob("*"))
    dry = backfill(store, pipeline, dry_run=True)
    assert sorted(tmp_path.rglob("*")) == there

    wet = backfill(store, pipeline)
    assert (dry.stages, dry.bad_files) == (wet.stages, wet.bad_files)
    assert wet.documents == 5


def test_hard_links_share_the_bytes_with_the_old_files(tmp_path: Path, store: DocumentStore, data: Path) -> None:
    """Nothing is copied but the commit record."""
    put(data, "3_generation/draft_responses_raw/t_v1.txt", "text")
    backfill(store, data, link=True)

    row = newest(store, "draft", "t")
    assert (tmp_path / "docs" / row.doc_dir / "raw.txt").samefile(data / "3_generation/draft_responses_raw/t_v1.txt")
    assert store.read(row) == "text"


def test_copies_do_not_share_them(tmp_path: Path, store: DocumentStore, data: Path) -> None:
    """A pipeline that still writes its old files cannot change a document."""
    put(data, "3_generation/draft_responses/t.txt", "before")
    backfill(store, data)
    (data / "3_generation/draft_responses/t.txt").write_text("after", encoding="utf-8")

    assert store.read(newest(store, "draft", "t")) == "before"
    assert backfill(store, data).documents == 1
    assert store.read(newest(store, "draft", "t")) == "after"


def test_old_files_come_into_a_store_in_the_cloud(tmp_path: Path, data: Path, s3_server: S3) -> None:
    """Links fall back to copies; twice is once."""
    for version in (1, 2):
        put(data, f"3_generation/draft_responses_raw/t_v{version}.txt", f"raw {version}")
    root, options = f"{s3_server.root}/backfill/docs", s3_server.storage_options
    with DocumentStore(root, tmp_path / "index.sqlite", storage_options=options) as store:
        assert backfill(store, data, link=True).documents == 2
        assert backfill(store, data, run_id="again").documents == 0
        assert [store.read(row) for row in store.history("draft", "t")] == ["raw 2", "raw 1"]


def test_only_the_stages_asked_for_are_filed(store: DocumentStore, pipeline: Path) -> None:
    """A parent that an earlier run filed is found."""
    assert [stage.stage for stage in backfill(store, pipeline, stages=["draft"]).stages] == ["draft"]

    report = backfill(store, pipeline, stages=["essay"])
    assert (report.documents, report.stages[0].linked) == (1, 1)


def test_a_stage_that_no_layout_names_is_an_error(store: DocumentStore, data: Path) -> None:
    """A misspelt stage must not read as "nothing to do"."""
    with pytest.raises(ConfigurationError, match="Its stages are draft, essay, evaluation"):
        backfill(store, data, stages=["drafts"])


def test_a_data_root_that_is_not_there_is_an_error(store: DocumentStore, tmp_path: Path) -> None:
    """Nor must a misspelt folder."""
    with pytest.raises(ConfigurationError, match="no such folder"):
        backfill(store, tmp_path / "nothing")


def test_a_name_that_may_be_a_version_is_the_task_its_table_names(store: DocumentStore, data: Path) -> None:
    """``a_v1`` is a task here, and no version of ``a``."""
    put(data, "3_generation/draft_responses/a_v1.txt", "of a_v1")
    table(data, "draft_generation_tasks", "draft_task_id", "a_v1")
    backfill(store, data)

    assert store.read(newest(store, "draft", "a_v1")) == "of a_v1"
    assert store.history("draft", "a") == []


def test_a_name_that_is_a_task_and_a_version_of_another_is_filed_and_listed(store: DocumentStore, data: Path) -> None:
    """Nothing is lost, and nobody has to guess that there was a choice."""
    put(data, "3_generation/draft_responses/a_v1.txt", "of either")
    table(data, "draft_generation_tasks", "draft_task_id", "a", "a_v1")
    report = backfill(store, data)

    assert store.read(newest(store, "draft", "a")) == "of either"
    assert ("a", True) in [(each.task_id, each.filed) for each in report.bad_files]


def test_a_name_that_versioned_files_encoded_is_decoded(store: DocumentStore, data: Path) -> None:
    """The task is the partition key that the pipeline knows."""
    put(data, "3_generation/draft_responses/a%2Fb_v1.txt", "text")
    backfill(store, data)

    assert store.read(newest(store, "draft", "a/b")) == "text"


def test_a_text_with_an_encoded_surrogate_comes_back_as_its_bytes(store: DocumentStore, data: Path) -> None:
    """It is what other programs write for half of an emoji."""
    path = data / "3_generation/draft_responses_raw/t_v1.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_text("half \ud83d"))
    backfill(store, data)

    assert store.read_bytes(newest(store, "draft", "t")) == path.read_bytes()


def test_the_list_of_bad_files_cannot_act_on_a_terminal(store: DocumentStore, data: Path) -> None:
    """Names come from anywhere."""
    put(data, "3_generation/draft_responses/\x1b]0;owned\x07.md")
    report = backfill(store, data)

    assert report.bad_files_path is not None
    assert "\x1b" not in report.bad_files_path.read_text(encoding="utf-8")


def test_a_parsed_file_that_came_since_files_no_old_file_twice(store: DocumentStore, data: Path) -> None:
    """The raw version that it would go with is filed already, and so is the parsed text before it."""
    put(data, "3_generation/draft_responses_raw/d1_v1.txt", "raw 1", 1_700_000_000)
    put(data, "3_generation/draft_responses/d1_v1.txt", "parsed 1", 1_700_000_010)
    [first] = texts(backfill(store, data), store)
    put(data, "3_generation/draft_responses/d1_v2.txt", "parsed 2", 1_700_000_020)

    report = backfill(store, data)
    again = backfill(store, data)

    assert (report.documents, again.documents) == (1, 0)
    assert [(each.files, each.filed, each.existing) for each in report.stages if each.stage == "draft"] == [(3, 1, 2)]
    assert [(each.files, each.filed, each.existing) for each in again.stages if each.stage == "draft"] == [(3, 0, 3)]
    assert texts(report, store) == [("", "parsed 2"), first] == [("", "parsed 2"), ("raw 1", "parsed 1")]
    latest = store.latest("draft", "d1")
    assert latest is not None
    assert store.read(latest) == "parsed 2"


def test_a_raw_file_that_came_since_files_no_parsed_file_twice(store: DocumentStore, data: Path) -> None:
    """The parsed text goes with the latest raw version, and was filed with the one before."""
    put(data, "3_generation/draft_responses_raw/d1_v1.txt", "raw 1", 1_700_000_000)
    put(data, "3_generation/draft_responses/d1_v1.txt", "parsed 1", 1_700_000_010)
    backfill(store, data)
    put(data, "3_generation/draft_responses_raw/d1_v2.txt", "raw 2", 1_700_000_020)

    report = backfill(store, data)

    assert texts(report, store) == [("raw 2", ""), ("raw 1", "parsed 1")]
    assert backfill(store, data).documents == 0


def test_a_file_that_was_changed_is_another_one(store: DocumentStore, data: Path) -> None:
    """Known by its content as well as its name."""
    put(data, "3_generation/draft_responses_raw/d1_v1.txt", "raw 1", 1_700_000_000)
    backfill(store, data)
    put(data, "3_generation/draft_responses_raw/d1_v1.txt", "raw 1, corrected", 1_700_000_020)

    assert texts(backfill(store, data), store) == [("raw 1, corrected", ""), ("raw 1", "")]


def texts(_: BackfillReport, store: DocumentStore) -> list[tuple[str, str]]:
    """Raw and parsed text of each version of d1 after a backfill, the newest first."""
    return [
        (
            "" if row.raw_chars is None else store.read(row, "raw"),
            "" if row.parsed_chars is None else store.read(row, "parsed"),
        )
        for row in store.history("draft", "d1")
    ]
