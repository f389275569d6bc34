"""The pipeline with a chat model behind it: what it said, what it cost and how it failed is all in the index."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager, DocumentRow, DocumentsIndex, DocumentStore, Status
from examples.essay_pipeline import assets, corpus
from examples.essay_pipeline.writer import from_environment
from tests.examples.endpoint import KEY, Endpoint, completion

ROOT = Path(__file__).parents[2]
PACKAGE = corpus.longest(1)[0]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A docs root with its index, both of which are searched for the key in the end."""
    yield tmp_path
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def materialize(root: Path, *selected: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    """Run assets for one package, with the writer that the environment names."""
    where: dict[str, Any] = {"docs_root": str(root / "docs"), "db_path": str(root / "documents.sqlite")}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("packages", [PACKAGE])
        return dg.materialize(
            [assets.draft, assets.essay, assets.evaluation],
            selection=list(selected),
            partition_key=PACKAGE,
            instance=instance,
            resources={
                "io_manager": DocDirIOManager(**where),
                "documents": DocumentsIndex(**where),
                "writer": from_environment(),
            },
            raise_on_error=False,
        )


def newest(root: Path, stage: str) -> DocumentRow:
    """The newest document of a stage, whatever became of it."""
    with DocumentStore(root / "docs", root / "documents.sqlite") as store:
        return store.history(stage, PACKAGE)[0]


def test_what_the_model_said_and_counted_is_in_the_row(root: Path, endpoint: Endpoint) -> None:
    """Model, template, tokens and finish reason come from the answer, not from a guess."""
    usage = {"prompt_tokens": 70, "completion_tokens": 9, "total_tokens": 79}
    endpoint.reply = lambda _: (200, completion("It keeps text.", usage=usage))

    assert materialize(root, assets.draft).success

    row = newest(root, "draft")
    assert (row.status, row.model_id, row.template_id) == (Status.OK, "tiny-writer", "notes-1")
    assert (row.usage_prompt_tokens, row.usage_completion_tokens, row.usage_max_tokens) == (70, 9, 2_000)
    assert row.meta_small["finish_reason"] == "stop"


def test_an_evaluation_is_parsed_to_its_score_and_knows_both_inputs(root: Path, endpoint: Endpoint) -> None:
    """The essay is its parent, the draft stands beside it."""
    endpoint.reply = lambda _: (200, completion("Close to the notes.\n\nSCORE: 8/10"))

    assert materialize(root, assets.draft, assets.essay, assets.evaluation).success

    with DocumentStore(root / "docs", root / "documents.sqlite") as store:
        evaluation, essay = newest(root, "evaluation"), newest(root, "essay")
        assert store.read(evaluation) == "8"
        assert store.read(evaluation, "raw") == "Close to the notes.\n\nSCORE: 8/10"
        assert evaluation.parent_doc_id == essay.doc_id
        assert essay.parent_doc_id == newest(root, "draft").doc_id


def test_an_evaluation_without_a_score_is_kept_as_a_parse_error(root: Path, endpoint: Endpoint) -> None:
    """A model that does not keep to the form costs tokens all the same."""
    endpoint.reply = lambda _: (200, completion("A fine essay."))

    assert not materialize(root, assets.draft, assets.essay, assets.evaluation).success

    row = newest(root, "evaluation")
    assert row.status == Status.PARSE_ERROR
    assert (root / "docs" / row.doc_dir / "raw.txt").read_text() == "A fine essay."


def test_the_prompt_of_a_refused_request_is_kept(root: Path, endpoint: Endpoint) -> None:
    """A generation error leaves a document, and the endpoint's words without the key."""
    endpoint.reply = lambda _: (400, {"error": {"message": f"no such model for {KEY}"}})

    result = materialize(root, assets.draft)

    assert not result.success
    assert KEY not in str(result.get_step_failure_events())
    row = newest(root, "draft")
    assert row.status == Status.GEN_ERROR
    assert PACKAGE in (root / "docs" / row.doc_dir / "prompt.txt").read_text()


@pytest.mark.parametrize(
    "named", [["-f", "examples/essay_pipeline/definitions.py"], ["-m", "examples.essay_pipeline.definitions"]]
)
def test_dagster_loads_the_definitions(named: list[str], tmp_path: Path) -> None:
    """By file and by module, as the README says, from the repository's root."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", *named],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
