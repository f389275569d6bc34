"""A small store, and ``doc-io`` run as a person runs it: a program of its own in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from doc_io import Document, DocumentStore, Usage

SOURCE = Path(__file__).parent.parent.parent / "src"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder with a store at the default place: two tasks, drafts and essays, one failed attempt."""
    with DocumentStore(tmp_path / "data" / "docs", tmp_path / "data" / "db" / "documents.sqlite") as store:
        for task in ("task-1", "task-2"):
            store.save(
                Document(f"first draft of {task}", model_id="model-a", usage=Usage(10, 5)), stage="draft", task_id=task
            )
            draft = store.save(
                Document(f"second draft of {task}", prompt="Write.", model_id="model-a", usage=Usage(20, 10)),
                stage="draft",
                task_id=task,
            )
            essay = Document(
                f"essay\x1b[31m of {task}\n", prompt=f"Make it long: {task}", template_id="essay-v1", model_id="model-b"
            )
            store.save(essay, stage="essay", task_id=task, parents=[draft.doc_id], experiment_id="pilot")
        store.save(Document("half", status="truncated", model_id="model-a"), stage="draft", task_id="task-1")
    return tmp_path


@pytest.fixture
def run(place: Path) -> Run:
    """``doc-io`` with its output in a pipe."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOC_IO_")}

    def call(*words: str, cwd: Path = place, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from doc_io.cli.main import main; main()", *words],
            cwd=cwd,
            env={**inherited, "PYTHONPATH": str(SOURCE), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return call
