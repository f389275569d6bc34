"""Asset checks on documents: green where all is well, red where something is not, through real runs and a real instance."""

import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import (
    ConfigurationError,
    Document,
    DocumentRow,
    DocumentStore,
    build_document_checks,
    build_document_checks_job,
    build_document_checks_sensor,
)
from doc_io.dagster.internals import PARTITIONED_CHECKS
from doc_io.testing import TemporaryDocuments, temporary_documents

TOPICS = dg.StaticPartitionsDefinition(["cats", "dogs", "owls"])
ALL = {"files_exist", "row_present", "status_valid", "parent_exists", "parent_is_latest", "content_hash_matches"}

Evaluations = Mapping[str, dg.AssetCheckEvaluation]


@dg.asset(partitions_def=TOPICS, metadata={"doc_io/stage": "notes"})
def draft() -> str:
    return "notes"


@dg.asset(partitions_def=TOPICS)
def essay(draft: str) -> str:
    return f"an essay from {draft}"


@dg.asset
def summary(essay: dict[str, str]) -> str:
    return " ".join(essay.values())


CHECKS = [
    *build_document_checks(assets=[draft, essay], per_partition=False),
    *build_document_checks(assets=[summary]),
]


class Bench:
    """A store with a draft and an essay on cats, an instance, and the pipeline with its checks."""

    def __init__(self, documents: TemporaryDocuments, instance: dg.DagsterInstance) -> None:
        self.documents = documents
        self.instance = instance
        self.store = documents.store

    def write(self, topic: str = "cats", **essay_options: Any) -> DocumentRow:
        """What a run of draft and essay leaves behind, without the run; the row of the essay."""
        notes = self.store.save("notes", stage="notes", task_id=topic, asset_key="draft")
        self.instance.report_runless_asset_event(dg.AssetMaterialization("essay", partition=topic))
        return self.store.save(
            Document(f"an essay on {topic}", **essay_options),
            stage="essay",
            task_id=topic,
            asset_key="essay",
            parents=[notes.doc_id],
        )

    def look(self, asset: dg.AssetsDefinition, partition: str | None = None, **options: Any) -> Evaluations:
        """Run the checks of an asset, not the asset; the evaluations by name."""
        if partition is not None:
            options["tags"] = {"dagster/partition": partition}
        return self.run(dg.AssetSelection.checks_for_assets(asset), **options)

    def run(
        self,
        selection: dg.AssetSelection,
        checks: Sequence[dg.AssetChecksDefinition] = CHECKS,
        **options: Any,
    ) -> Evaluations:
        result = dg.materialize(
            [draft, essay, summary, *checks],
            selection=selection,
            instance=self.instance,
            resources=self.documents.resources,
            **options,
        )
        return by_name(result)

    def folder(self, row: DocumentRow) -> Path:
        return Path(str(self.store.resolve_doc_dir(row)))

    def execute(self, statement: str) -> None:
        """Damage the index from outside."""
        with closing(sqlite3.connect(self.documents.documents.store.index.name)) as connection, connection:
            connection.execute(statement)


def by_name(result: dg.ExecuteInProcessResult) -> Evaluations:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def red(evaluations: Evaluations) -> set[str]:
    return {name for name, each in evaluations.items() if not each.passed}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with temporary_documents() as documents, dg.DagsterInstance.ephemeral() as instance:
        yield Bench(documents, instance)


def test_all_six_are_green_after_the_asset_is_made(bench: Bench) -> None:
    """In the same run, right after it."""
    bench.write()

    evaluations = bench.run(dg.AssetSelection.assets(essay), partition_key="cats")

    assert set(evaluations) == ALL
    assert red(evaluations) == set()
    assert {each.asset_key for each in evaluations.values()} == {essay.key}


def test_a_lost_file_is_red(bench: Bench) -> None:
    (bench.folder(bench.write()) / "raw.txt").unlink()

    evaluations = bench.look(essay, "cats")

    assert red(evaluations) == {"files_exist"}
    assert evaluations["files_exist"].description == "cats: raw.txt is missing."


def test_a_lost_folder_is_red(bench: Bench) -> None:
    shutil.rmtree(bench.folder(bench.write()))

    assert red(bench.look(essay, "cats")) == {"files_exist"}


def test_an_altered_text_is_red(bench: Bench) -> None:
    """One character exchanged for another: only the hash can tell."""
    text = bench.folder(bench.write()) / "raw.txt"
    text.write_bytes(text.read_bytes().replace(b"n", b"m", 1))

    evaluations = bench.look(essay, "cats")

    assert red(evaluations) == {"content_hash_matches"}
    assert evaluations["content_hash_matches"].severity is dg.AssetCheckSeverity.ERROR


def test_an_altered_record_is_red(bench: Bench) -> None:
    record = bench.folder(bench.write()) / "metadata.json"
    record.write_bytes(record.read_bytes().replace(b'"ok"', b'"OK"', 1))

    assert red(bench.look(essay, "cats")) == {"content_hash_matches"}


def test_a_row_that_says_something_else_than_its_record_is_red(bench: Bench) -> None:
    bench.write()
    bench.execute("UPDATE documents SET model_id = 'another' WHERE stage = 'essay'")

    evaluations = bench.look(essay, "cats")

    assert red(evaluations) == {"content_hash_matches"}
    assert "another model_id" in str(evaluations["content_hash_matches"].description)


def test_a_lost_row_is_red(bench: Bench) -> None:
    bench.write()
    bench.execute("DELETE FROM documents WHERE stage = 'essay'")

    assert red(bench.look(essay, "cats")) == {"row_present"}


def test_a_failed_newest_attempt_is_red_while_the_older_one_stays_good(bench: Bench) -> None:
    """What a reader is given is still whole and linked: only the status speaks."""
    bench.write()
    bench.store.save(Document("cut", finish_reason="length"), stage="essay", task_id="cats", parents=["0" * 16])

    evaluations = bench.look(essay, "cats")

    assert red(evaluations) == {"status_valid"}
    assert evaluations["status_valid"].description == "cats: the newest attempt is truncated (finish_reason length)."


def test_a_lost_parent_is_red(bench: Bench) -> None:
    bench.write()
    bench.execute("DELETE FROM documents WHERE stage = 'notes'")

    assert red(bench.look(essay, "cats")) == {"parent_exists"}


def test_a_parent_made_anew_is_a_warning(bench: Bench) -> None:
    bench.write()
    bench.documents.write(draft, {"cats": "better notes"})

    evaluations = bench.look(essay, "cats")

    assert red(evaluations) == {"parent_is_latest"}
    assert evaluations["parent_is_latest"].severity is dg.AssetCheckSeverity.WARN


def test_every_one_of_several_parents_is_checked(bench: Bench) -> None:
    """The summary has no primary parent: it was made from all essays."""
    bench.documents.write(essay, {topic: topic for topic in TOPICS.get_partition_keys()})
    bench.run(dg.AssetSelection.assets(summary))
    bench.documents.write(essay, {"owls": "newer"})

    evaluations = bench.look(summary)

    assert red(evaluations) == {"parent_is_latest"}
    assert evaluations["parent_is_latest"].metadata["problems"].value == 1


def test_a_run_looks_at_its_own_partition_only(bench: Bench) -> None:
    (bench.folder(bench.write("cats")) / "raw.txt").unlink()
    bench.write("dogs")

    assert red(bench.look(essay, "dogs")) == set()


def test_a_run_of_a_range_looks_at_the_partitions_of_the_range(bench: Bench) -> None:
    """A backfill in a single run; owls were never made and are not in the range."""
    bench.write("cats")
    bench.write("dogs")
    tags = {"dagster/asset_partition_range_start": "cats", "dagster/asset_partition_range_end": "dogs"}

    evaluations = bench.look(essay, tags=tags)

    assert red(evaluations) == set()
    assert evaluations["row_present"].metadata["documents_checked"].value == 2


def test_a_run_without_partitions_looks_at_all_that_are_materialized(bench: Bench) -> None:
    """Owls were never made: that is no problem of the documents."""
    bench.write("cats")
    (bench.folder(bench.write("dogs")) / "raw.txt").unlink()

    evaluations = bench.look(essay)

    assert red(evaluations) == {"files_exist"}
    assert evaluations["row_present"].metadata["documents_checked"].value == 2


def test_the_problems_are_in_a_table_that_says_which_and_what(bench: Bench) -> None:
    row = bench.write()
    (bench.folder(row) / "raw.txt").unlink()

    table = bench.look(essay, "cats")["files_exist"].metadata["found"].value

    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"task_id": "cats", "doc_id": row.doc_id, "what": "raw.txt is missing"}
    ]


@pytest.mark.skipif(not PARTITIONED_CHECKS, reason="Dagster before 1.12 has no partitioned checks")
def test_a_partition_has_an_evaluation_of_its_own(bench: Bench) -> None:
    """Red cats stay red while dogs are green."""
    checks = build_document_checks(assets=[essay])
    (bench.folder(bench.write("cats")) / "raw.txt").unlink()
    bench.write("dogs")

    cats = bench.look(essay, "cats", checks=checks)["files_exist"]
    dogs = bench.look(essay, "dogs", checks=checks)["files_exist"]

    assert (cats.partition, cats.passed) == ("cats", False)
    assert (dogs.partition, dogs.passed) == ("dogs", True)


def test_an_evaluation_is_in_the_instance(bench: Bench) -> None:
    """Where the UI reads it, with numbers that it plots."""
    bench.write()
    bench.look(essay, "cats")

    [record] = bench.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(essay.key, "row_present"), limit=2
    )

    assert record.event is not None
    assert record.event.dagster_event is not None
    evaluation = record.event.dagster_event.event_specific_data
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    assert evaluation.passed
    assert evaluation.metadata["problems"].value == 0


def test_a_blocking_check_keeps_what_is_downstream_from_being_made(bench: Bench) -> None:
    """The checks look into another store, where nothing is."""

    @dg.asset
    def source() -> str:
        return "text"

    @dg.asset(deps=[source])
    def after() -> str:
        return "made"

    with temporary_documents() as elsewhere:
        result = dg.materialize(
            [source, after, *build_document_checks(assets=[source], blocking=True, resource_key="elsewhere")],
            instance=bench.instance,
            resources={**bench.documents.resources, "elsewhere": elsewhere.documents},
            raise_on_error=False,
        )

    assert red(by_name(result)) == {"row_present"}
    assert result.asset_materializations_for_node("after") == []


def test_one_check_can_run_alone(bench: Bench) -> None:
    bench.write()

    alone = bench.run(dg.AssetSelection.checks(dg.AssetCheckKey(essay.key, "row_present")))

    assert set(alone) == {"row_present"}


def test_an_asset_may_be_named_by_its_key(bench: Bench) -> None:
    """Its definition is looked up when the check runs, and its stage with it: drafts are filed as notes."""
    bench.write()

    evaluations = bench.look(draft, "cats", checks=build_document_checks(assets=["draft"]))

    assert set(evaluations) == ALL
    assert red(evaluations) == set()


def test_a_resource_that_knows_no_store_is_named(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="resource_key='io_manager'"):
        dg.materialize(
            [essay, draft, summary, *build_document_checks(assets=[summary])],
            selection=dg.AssetSelection.checks_for_assets(summary),
            resources={"io_manager": dg.mem_io_manager},
            instance=bench.instance,
        )


def test_a_hostile_partition_key_is_escaped(bench: Bench) -> None:
    """ESC could act on the terminal that shows the event."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["\x1b[31mred"]))
    def loud() -> str:
        return "text"

    result = dg.materialize(
        [loud, *build_document_checks(assets=[loud], per_partition=False)],
        selection=dg.AssetSelection.checks_for_assets(loud),
        tags={"dagster/partition": "\x1b[31mred"},
        instance=bench.instance,
        resources=bench.documents.resources,
    )

    assert by_name(result)["row_present"].description == r"\x1b[31mred: the index has no document of it."


def test_ten_thousand_partitions_cost_a_handful_of_queries(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself tells which statements it ran, in a run of all partitions."""
    keys = [f"{number:05}" for number in range(10_000)]

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(keys))
    def crowd() -> str:
        return "text"

    fill(bench.store, bench.documents.write(crowd, {keys[0]: "text"})[0], keys[1:])
    statements = traced_statements(bench, monkeypatch)
    started = time.monotonic()
    result = dg.materialize(
        [crowd, *build_document_checks(assets=[crowd], per_partition=False)],
        selection=dg.AssetSelection.checks(
            *(dg.AssetCheckKey(crowd.key, name) for name in ALL - {"files_exist", "content_hash_matches"})
        ),
        tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]},
        instance=bench.instance,
        resources=bench.documents.resources,
    )

    assert red(by_name(result)) == set()
    assert by_name(result)["row_present"].metadata["documents_checked"].value == len(keys)
    assert len([statement for statement in statements if statement.startswith("SELECT")]) < 10
    assert time.monotonic() - started < 10


def test_a_run_without_partitions_reads_the_files_of_the_newest_documents_only(bench: Bench) -> None:
    """A hundred of two hundred and one; every row is looked at."""
    topics = [f"{number:03}" for number in range(200)]
    fill(bench.store, bench.write("cats"), topics)
    for topic in ["cats", *topics]:
        bench.instance.report_runless_asset_event(dg.AssetMaterialization("essay", partition=topic))

    evaluations = bench.look(essay)

    assert evaluations["files_exist"].metadata["documents_checked"].value == 100
    assert evaluations["row_present"].metadata["documents_checked"].value == 201


def fill(store: DocumentStore, row: DocumentRow, tasks: Sequence[str]) -> None:
    """Rows like one that is there, for other tasks; they have no files."""
    copies = ({**row.as_dict(), "task_id": task, "doc_id": f"{n:016}"} for n, task in enumerate(tasks))
    store.index.insert_placed((copy, []) for copy in copies)


def traced_statements(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that any connection opened from now on runs."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    bench.documents.io_manager.store.close()
    return statements


def jobs(*assets: dg.AssetsDefinition, per_partition: bool = True) -> dg.Definitions:
    """A project with the checks of some assets, their job and their sensor."""
    job = build_document_checks_job(assets=assets)
    return dg.Definitions(
        assets=list(assets),
        asset_checks=build_document_checks(assets=assets, per_partition=per_partition),
        jobs=[job],
        sensors=[build_document_checks_sensor(assets=assets, job=job)],
    )


def evaluations_of(result: Any) -> Evaluations:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def test_after_a_failed_generation_the_checks_run_and_one_is_red(bench: Bench) -> None:
    """In the failed run Dagster shows all six as "Execution Failed"; the sensor has them looked at after all."""
    bench.write()

    @dg.asset(name="essay", partitions_def=TOPICS)
    def broken() -> Document:
        return Document("half", finish_reason="length")

    defs = jobs(broken)
    resources = bench.documents.resources
    whole = dg.Definitions.merge(defs, dg.Definitions(resources=resources))
    failed = whole.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=bench.instance, raise_on_error=False, tags={"dagster/partition": "cats"}
    )
    assert not failed.success
    assert evaluations_of(failed) == {}

    sensor = whole.resolve_sensor_def if hasattr(whole, "resolve_sensor_def") else whole.get_sensor_def
    [event] = [each for each in failed.all_events if each.event_type_value == "PIPELINE_FAILURE"]
    request = sensor("document_checks_after_failure")(
        dg.build_run_status_sensor_context(
            sensor_name="document_checks_after_failure",
            dagster_instance=bench.instance,
            dagster_run=failed.dagster_run,
            dagster_event=event,
        )
    )
    assert isinstance(request, dg.RunRequest)
    assert {key.name for key in request.asset_check_keys or ()} == ALL
    looked = whole.resolve_job_def("document_checks").execute_in_process(instance=bench.instance, tags=request.tags)

    assert looked.success
    assert red(evaluations_of(looked)) == {"status_valid"}


def test_the_sensor_leaves_alone_what_was_checked(bench: Bench) -> None:
    """Another step of the run failed, and its own job may fail too."""

    @dg.asset(deps=[summary])
    def unrelated() -> None:
        raise RuntimeError

    @dg.asset(name="summary")
    def fine() -> str:
        return "text"

    defs = dg.Definitions.merge(jobs(fine), dg.Definitions(assets=[unrelated], resources=bench.documents.resources))
    failed = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=bench.instance, raise_on_error=False
    )
    [event] = [each for each in failed.all_events if each.event_type_value == "PIPELINE_FAILURE"]
    [sensor] = defs.sensors or ()
    answer = sensor(dg.build_run_status_sensor_context("s", event, bench.instance, failed.dagster_run))

    assert set(evaluations_of(failed)) == ALL
    assert isinstance(answer, dg.SkipReason)


def test_a_check_that_takes_the_asset_is_told_of_partitions_def(bench: Bench) -> None:
    """Without it Dagster hands it every partition, and a str stands for one."""
    bench.documents.write(essay, {topic: topic for topic in TOPICS.get_partition_keys()})

    @dg.asset_check(asset=essay)
    def is_long(essay: str) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=len(essay) > 1)

    result = dg.materialize(
        [draft, essay, is_long],
        selection=dg.AssetSelection.checks(is_long),
        instance=bench.instance,
        resources=bench.documents.resources,
        raise_on_error=False,
    )
    [event] = [each for each in result.all_events if each.is_step_failure]

    assert "needs partitions_def" in str(event.step_failure_data.error)


def test_one_key_stands_for_a_list_of_one() -> None:
    """And not for an asset for each of its letters."""
    [checks] = build_document_checks(assets="draft")

    assert {key.asset_key for key in checks.check_keys} == {dg.AssetKey("draft")}
