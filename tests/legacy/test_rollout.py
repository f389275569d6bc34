"""From legacy files to documents in steps and back: each phase writes and reads what it says, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetsDefinition,
    DagsterInstance,
    ExecuteInProcessResult,
    OutputContext,
    StaticPartitionsDefinition,
    asset,
    materialize,
)

from doc_io import (
    ConfigurationError,
    DocDirIOManager,
    Document,
    DocumentStore,
    RolloutIOManager,
    StoredDocument,
    VersionedTextIOManager,
)
from doc_io.dagster.rollout import Phase, phase_of
from doc_io.legacy.backfill import backfill
from doc_io.legacy.versioned_files import VersionedFiles

TASKS = StaticPartitionsDefinition(["a task", "b"])
TEXT = {"draft": "text"}
"""What the draft's model writes next."""


@asset(partitions_def=TASKS)
def draft() -> Document:
    """A text that the test chooses."""
    return Document(TEXT["draft"], finish_reason=TEXT.get("finish_reason"))


@asset(partitions_def=TASKS)
def essay(draft: str) -> str:
    """What it was given, so that the test sees it."""
    return f"essay of: {draft}"


@asset
def summary(draft: dict[str, str]) -> str:
    """All drafts in one."""
    return "; ".join(f"{task}: {text}" for task, text in draft.items())


ASSETS = [draft, essay, summary]


@pytest.fixture(autouse=True)
def texts() -> Iterator[None]:
    """Each test begins with a plain text."""
    yield
    TEXT.clear()
    TEXT["draft"] = "text"


class Pipeline:
    """A Dagster instance, a store and a folder of legacy files, and what is in them."""

    def __init__(self, folder: Path, instance: DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.store = DocumentStore(folder / "docs")
        self.files = VersionedFiles(str(folder / "data"))

    def manager(self, phase: str | None = None, **more: Any) -> RolloutIOManager:
        """The IO manager of a phase."""
        documents = DocDirIOManager(
            docs_root=str(self.folder / "docs"), db_path=str(self.folder / "db/documents.sqlite"), **more
        )
        legacy = VersionedTextIOManager(base_path=str(self.folder / "data"))
        return RolloutIOManager(documents=documents, legacy=legacy, phase=phase)

    def run(
        self, made: AssetsDefinition, phase: str | None = None, tags: dict[str, str] | None = None, **more: Any
    ) -> ExecuteInProcessResult:
        """Materialize one asset, for the first partition."""
        return materialize(
            ASSETS,
            selection=[made],
            resources={"io_manager": self.manager(phase, **more)},
            tags=tags,
            instance=self.instance,
            partition_key=None if made is summary else "a task",
            raise_on_error=False,
        )

    def file_texts(self, stage: str, task: str = "a task") -> list[str]:
        """All legacy texts, oldest first."""
        return [self.files.read(file) for file in self.files.versions(stage, task)]

    def document_texts(self, stage: str, task: str = "a task") -> list[str]:
        """All document texts, oldest first."""
        return [self.store.read(row) for row in reversed(self.store.history(stage, task))]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """An empty one, in memory."""
    with DagsterInstance.ephemeral() as instance:
        yield Pipeline(tmp_path, instance)


WRITES = {"legacy": (1, 0), "dual_write": (1, 1), "index_first": (1, 1), "index_only": (0, 1)}
"""Files and documents that one materialization adds."""
READS = {"legacy": "file", "dual_write": "file", "index_first": "document", "index_only": "document"}


def test_the_four_phases_there_and_back(pipeline: Pipeline) -> None:
    """Each writes and reads as documented, whatever the phase before wrote; Dagster's instance is one and the same."""
    walk = ["legacy", "dual_write", "index_first", "index_only", "index_first", "dual_write", "legacy"]
    for number, phase in enumerate(walk):
        files, documents = pipeline.file_texts("draft"), pipeline.document_texts("draft")
        TEXT["draft"] = f"{phase} {number}"
        assert pipeline.run(draft, phase).success
        assert pipeline.file_texts("draft") == files + [TEXT["draft"]] * WRITES[phase][0]
        assert pipeline.document_texts("draft") == documents + [TEXT["draft"]] * WRITES[phase][1]

        # Something newer in both places, to see which of them is read.
        pipeline.files.write("draft", "a task", "file")
        pipeline.store.save("document", stage="draft", task_id="a task")
        assert pipeline.run(essay, phase).success
        newest = (pipeline.file_texts if phase == "legacy" else pipeline.document_texts)("essay")[-1]
        assert newest == f"essay of: {READS[phase]}"


def test_index_first_reads_a_legacy_file_where_the_index_has_none_and_warns_once(
    pipeline: Pipeline, capfd: pytest.CaptureFixture[str]
) -> None:
    """One warning for each asset, however often it is loaded."""
    pipeline.files.write("draft", "a task", "old")
    for _ in range(2):
        assert pipeline.run(essay, "index_first").success

    assert pipeline.document_texts("essay") == ["essay of: old"] * 2
    assert capfd.readouterr().err.count("Reading legacy files is deprecated") == 1


def test_index_first_mixes_documents_and_legacy_files_in_the_order_of_the_partitions(pipeline: Pipeline) -> None:
    """A fan-in while some partitions are not backfilled yet."""
    pipeline.store.save("new", stage="draft", task_id="b")
    pipeline.files.write("draft", "a task", "old")

    assert pipeline.run(summary, "index_first").success
    assert pipeline.document_texts("summary", "summary") == ["a task: old; b: new"]


def test_index_only_does_not_look_at_legacy_files(pipeline: Pipeline) -> None:
    """There is no search of the file system."""
    pipeline.files.write("draft", "a task", "old")

    assert not pipeline.run(essay, "index_only").success


def test_a_document_is_only_ok_when_its_legacy_file_is_there_too(pipeline: Pipeline) -> None:
    """The text is kept, the row says so, and the step fails."""
    (pipeline.folder / "data").mkdir()
    (pipeline.folder / "data/draft").write_text("in the way of the folder", encoding="utf-8")

    result = pipeline.run(draft, "dual_write")

    [row] = pipeline.store.history("draft", "a task")
    assert not result.success
    assert (row.status.value, row.meta_small["legacy_write_ok"]) == ("gen_error", False)
    assert pipeline.store.read(row) == "text"
    assert "legacy file was not written" in row.meta_small["error"]


def test_a_written_pair_says_so(pipeline: Pipeline) -> None:
    """The row names the version of its legacy file."""
    assert pipeline.run(draft, "dual_write").success

    [row] = pipeline.store.history("draft", "a task")
    assert (row.meta_small["legacy_write_ok"], row.meta_small["legacy_version"]) == (True, 1)


def test_a_failed_document_does_not_become_the_newest_legacy_file(pipeline: Pipeline) -> None:
    """Readers of legacy files take the highest number, whatever is in it."""
    assert pipeline.run(draft, "dual_write").success
    TEXT["finish_reason"] = "length"

    assert not pipeline.run(draft, "dual_write").success
    assert pipeline.file_texts("draft") == ["text"]
    assert [row.status.value for row in pipeline.store.history("draft", "a task")] == ["truncated", "ok"]


def test_a_failed_text_of_the_legacy_phase_is_kept_where_no_input_finds_it(pipeline: Pipeline) -> None:
    """It was paid for."""
    TEXT["finish_reason"] = "length"

    assert not pipeline.run(draft, "legacy").success
    assert pipeline.file_texts("draft") == []
    assert pipeline.file_texts("draft_failed") == ["text"]


def test_the_legacy_phase_writes_no_document(pipeline: Pipeline) -> None:
    """Nothing is under the docs root before a pipeline is ready for it."""
    assert pipeline.run(draft, "legacy").success
    assert pipeline.run(essay, "legacy").success

    assert not (pipeline.folder / "docs").exists()


def test_what_is_made_from_a_legacy_file_has_the_document_beside_it_as_its_parent(pipeline: Pipeline) -> None:
    """Lineage begins with dual writes, not with the last phase."""
    assert pipeline.run(draft, "dual_write").success
    assert pipeline.run(essay, "dual_write").success

    [parent] = pipeline.store.history("draft", "a task")
    [child] = pipeline.store.history("essay", "a task")
    assert child.parent_doc_id == parent.doc_id


def test_a_backfill_does_not_file_again_what_was_written_to_both(pipeline: Pipeline) -> None:
    """Only the files that have no document come in."""
    pipeline.files.write("draft", "a task", "old")
    assert pipeline.run(draft, "dual_write").success
    layout = pipeline.folder / "layout.toml"
    layout.write_text('[[stage]]\nname = "draft"\nparsed = ["draft"]\n')

    assert backfill(pipeline.store, pipeline.folder / "data", layout=layout).documents == 1
    assert sorted(pipeline.document_texts("draft")) == ["old", "text"]


def test_old_documents_are_loaded_after_a_backfill_with_no_other_change(pipeline: Pipeline) -> None:
    """The whole way: files of years, one command, and the same assets."""
    for version in (1, 2, 10):
        file = pipeline.folder / f"data/3_generation/draft_responses_raw/a task_v{version}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"version {version}", encoding="utf-8")
    backfill(pipeline.store, pipeline.folder / "data")
    shutil.rmtree(pipeline.folder / "data")

    assert pipeline.run(essay).success
    assert pipeline.document_texts("essay") == ["essay of: version 10"]
    [child] = pipeline.store.history("essay", "a task")
    assert child.parent_doc_id == pipeline.store.history("draft", "a task")[0].doc_id


def test_an_input_that_wants_more_than_a_text_cannot_come_from_a_legacy_file(pipeline: Pipeline) -> None:
    """The message says what to do."""

    @asset(partitions_def=TASKS)
    def review(draft: StoredDocument) -> str:
        return draft.text

    pipeline.files.write("draft", "a task", "old")
    manager = pipeline.manager("legacy")
    with pytest.raises(Exception, match="a legacy file has a text and nothing else") as caught:
        materialize(
            [draft, review],
            selection=[review],
            resources={"io_manager": manager},
            instance=pipeline.instance,
            partition_key="a task",
        )
    assert isinstance(caught.value.__cause__, ConfigurationError) or "legacy file" in str(caught.value)


@pytest.mark.parametrize(
    ("index", "legacy", "phase"),
    [
        ("false", "true", Phase.LEGACY),
        ("true", "true", Phase.INDEX_FIRST),
        ("true", "false", Phase.INDEX_ONLY),
        ("TRUE", "0", Phase.INDEX_ONLY),
        ("", "", Phase.INDEX_ONLY),
        ("", "on", Phase.INDEX_FIRST),
    ],
)
def test_the_flags_mean_a_phase(index: str, legacy: str, phase: Phase) -> None:
    """Where the option is not given; a flag that is not set is as in index_only."""
    assert phase_of(None, {"DD_DOCS_INDEX_ENABLED": index, "DD_DOCS_LEGACY_WRITE_ENABLED": legacy}) is phase


def test_the_option_wins_over_the_flags() -> None:
    """A definition that says what it wants is not changed by its surroundings."""
    assert phase_of("dual_write", {"DD_DOCS_INDEX_ENABLED": "false"}) is Phase.DUAL_WRITE


@pytest.mark.parametrize(
    ("option", "flags", "message"),
    [
        (None, {"DD_DOCS_INDEX_ENABLED": "false", "DD_DOCS_LEGACY_WRITE_ENABLED": "false"}, "nothing would be written"),
        (None, {"DD_DOCS_INDEX_ENABLED": "maybe"}, "neither true nor false"),
        (None, {"DD_DOCS_INDEX_ENABLE": "false"}, "Did you mean DD_DOCS_INDEX_ENABLED"),
        ("both", {}, "Use one of legacy, dual_write, index_first, index_only"),
    ],
)
def test_a_phase_that_cannot_be_is_an_error(option: str | None, flags: dict[str, str], message: str) -> None:
    """Nobody guesses what was meant."""
    with pytest.raises(ConfigurationError, match=message):
        phase_of(option, flags)


def test_the_flags_of_the_environment_count_in_a_run(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment can be moved on without a change of code."""
    monkeypatch.setenv("DD_DOCS_INDEX_ENABLED", "true")
    monkeypatch.setenv("DD_DOCS_LEGACY_WRITE_ENABLED", "true")

    assert pipeline.run(draft).success
    assert (pipeline.file_texts("draft"), pipeline.document_texts("draft")) == (["text"], ["text"])


@pytest.mark.parametrize(
    ("flag", "options", "copies"), [("false", {}, 0), ("false", {"prompt_copy": True}, 1), ("", {}, 1)]
)
def test_the_prompt_is_copied_where_option_or_flag_say_so(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, flag: str, options: dict[str, Any], copies: int
) -> None:
    """By default it is."""

    @asset
    def answer() -> Document:
        return Document("text", prompt="why?")

    monkeypatch.setenv("DD_DOCS_PROMPT_COPY_ENABLED", flag)
    manager = DocDirIOManager(
        docs_root=str(pipeline.folder / "docs"),
        db_path=str(pipeline.folder / "db/documents.sqlite"),
        **options,
    )
    materialize([answer], resources={"io_manager": manager}, instance=pipeline.instance)

    assert len(list((pipeline.folder / "docs").rglob("prompt.txt"))) == copies


def test_a_run_as_of_a_time_reads_documents_and_no_newer_legacy_file(pipeline: Pipeline) -> None:
    """The tag says what the run is to see; a legacy file does not say when it came."""
    row = pipeline.store.save("then", stage="draft", task_id="a task")
    pipeline.store.save("later", stage="draft", task_id="a task")
    pipeline.files.write("draft", "a task", "newest file")

    for phase in ("dual_write", "index_first", "index_only"):
        assert pipeline.run(essay, phase, tags={"doc_io/as_of": row.created_at}).success
        assert pipeline.document_texts("essay")[-1] == "essay of: then"


def test_a_run_as_of_a_time_before_the_first_document_fails_although_a_legacy_file_is_there(pipeline: Pipeline) -> None:
    """Before, it fell back to the newest file."""
    pipeline.files.write("draft", "a task", "newest file")

    assert not pipeline.run(essay, "index_first", tags={"doc_io/as_of": "2020-01-01"}).success
    assert not pipeline.run(essay, "legacy", tags={"doc_io/as_of": "2020-01-01"}).success


def test_a_subclass_of_the_document_manager_keeps_its_hooks_in_every_phase(pipeline: Pipeline) -> None:
    """The wrapper adds files, and changes nothing else."""

    class Shouting(DocDirIOManager):
        def to_document(self, context: OutputContext, obj: Any) -> Any:  # noqa: ARG002 - Dagster's
            return Document(str(obj.raw if isinstance(obj, Document) else obj).upper())

        def get_metadata(self, context: OutputContext, obj: Any) -> dict[str, Any]:  # noqa: ARG002 - Dagster's
            return {"returned": obj.raw}

    for phase in ("legacy", "dual_write", "index_first", "index_only"):
        inner = pipeline.manager(phase)
        documents = Shouting(docs_root=inner.documents.docs_root, db_path=inner.documents.db_path)
        result = materialize(
            [draft],
            resources={"io_manager": RolloutIOManager(documents=documents, legacy=inner.legacy, phase=phase)},
            instance=pipeline.instance,
            partition_key="a task",
        )
        [event] = result.asset_materializations_for_node("draft")
        assert event.metadata["returned"].value == "text"
    assert set(pipeline.file_texts("draft") + pipeline.document_texts("draft")) == {"TEXT"}
