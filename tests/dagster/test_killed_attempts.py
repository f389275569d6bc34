"""A whole answer whose process dies before its step has ended is there for the next run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from doc_io import Document, DocumentsIndex, DocumentStore, Status
from doc_io.writing.spool import spooled
from tests.dagster.conftest import House, reason

PIPELINE = """
import os, pathlib, signal, sys, time
import dagster as dg
from doc_io import DocDirIOManager, Document, DocumentsIndex

root, happens = pathlib.Path(sys.argv[1]), sys.argv[2]
where = {"docs_root": f"{root}/docs", "db_path": f"{root}/documents.sqlite", "spool": f"{root}/spool"}

@dg.asset(name=sys.argv[3] if len(sys.argv) > 3 else "draft")
def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
    with documents.attempt(context, prompt="p", model_id="m") as attempt:
        if attempt.stored:
            return attempt.stored
        with (root / "paid").open("a") as paid:
            paid.write("once\\n")
        attempt.raw = "the whole answer"
        made = attempt.document(finish_reason="stop", usage={"completion_tokens": 3})
    if happens == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if happens == "slow":
        (root / "waiting").touch()
        while not (root / "go on").exists():
            time.sleep(0.02)
    return made

dg.materialize([draft], resources={"io_manager": DocDirIOManager(**where), "documents": DocumentsIndex(**where)})
"""


def command(root: Path, happens: str, *more: str) -> list[str]:
    """A run of one asset in a process of its own."""
    return [sys.executable, "-c", PIPELINE, str(root), happens, *more]


def test_an_answer_whose_process_is_killed_is_not_paid_for_again(tmp_path: Path) -> None:
    """It is filed as complete when the next run begins, and then made into the document of the step."""
    killed = subprocess.run(command(tmp_path, "killed"), check=False, stderr=subprocess.DEVNULL, timeout=100)
    assert killed.returncode == -signal.SIGKILL
    subprocess.run(command(tmp_path, "nothing"), check=True, stderr=subprocess.DEVNULL, timeout=100)

    assert (tmp_path / "paid").read_text().count("once") == 1
    with DocumentStore(tmp_path / "docs", tmp_path / "documents.sqlite") as store:
        made, kept = store.history("draft", "draft")
        assert (kept.status, kept.meta_small["complete"]) == (Status.GEN_ERROR, True)
        assert (made.status, made.meta_small["reused_from"]) == (Status.OK, kept.doc_id)
        assert (store.read(made), store.read(made, "prompt"), made.model_id) == ("the whole answer", "p", "m")
        assert made.usage_completion_tokens == 3
    assert not (tmp_path / "spool" / ".answers").exists()


def test_the_answer_of_a_process_that_is_alive_is_left_alone(tmp_path: Path) -> None:
    """Its step makes one document of it, as if no other run had begun."""
    slow = subprocess.Popen(command(tmp_path, "slow"), stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "waiting").exists() and slow.poll() is None:
            time.sleep(0.02)
        subprocess.run(command(tmp_path, "nothing", "other"), check=True, stderr=subprocess.DEVNULL, timeout=100)
        (tmp_path / "go on").touch()
        assert slow.wait(100) == 0
    finally:
        slow.kill()
    with DocumentStore(tmp_path / "docs", tmp_path / "documents.sqlite") as store:
        assert [row.status for row in store.history("draft", "draft")] == [Status.OK]


def answered(house: House, seen: list[int]) -> dg.AssetsDefinition:
    """An asset that looks into the spool after its attempt has ended."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt="p") as attempt:
            attempt.raw = "whole"
            made = attempt.document()
        seen.append(len(list((house.root / "spool" / ".answers").glob("*/*/*/*/metadata.json"))))
        if "fail" in context.run.tags:
            raise ValueError("later")
        return made

    return draft


@pytest.mark.parametrize("tags", [{}, {"fail": "yes"}])
def test_the_copy_of_an_answer_is_removed_when_its_step_has_ended(house: House, tags: dict[str, str]) -> None:
    """Nothing is left in the spool, and nobody is told to recover anything."""
    seen: list[int] = []
    house.run([answered(house, seen)], tags=tags)

    assert seen == [1]
    assert not (house.root / "spool" / ".answers").exists()
    assert spooled(house.root / "spool") == 0
    assert len(house.store.history("draft", "draft")) == 1


def test_a_field_that_is_wrong_costs_no_text_of_a_body_that_raises(house: House) -> None:
    """It is named in the metadata."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context, prompt="p") as attempt:
            attempt.raw = "half"
            attempt.usage = 7  # type: ignore[assignment]
            attempt.metadata = {"odd": object()}
            raise ConnectionError("gone")

    assert "ConnectionError: gone" in reason(house.run([draft]), "draft")
    [row] = house.store.history("draft", "draft")
    assert (row.status, house.store.read(row), house.store.read(row, "prompt")) == (Status.GEN_ERROR, "half", "p")
    assert "usage" in row.meta_small["not_kept"]
    assert "odd" in row.meta_small["not_kept"]


def test_an_answer_that_is_no_text_hides_no_error_of_the_body(house: House) -> None:
    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context, prompt="p") as attempt:
            attempt.raw = b"half"  # type: ignore[assignment]
            raise ConnectionError("gone")

    assert "ConnectionError: gone" in reason(house.run([draft]), "draft")
    assert house.store.read(house.store.history("draft", "draft")[0]) == "b'half'"


def test_a_disk_that_takes_no_copy_costs_nothing(house: House) -> None:
    """The step goes on, and its log says that there is none."""
    (house.root / "spool").write_text("in the way")
    result = house.run([answered(house, [])])
    warnings = [each.user_message for each in house.instance.all_logs(result.run_id) if each.level == 30]

    assert result.success
    assert any("no copy of the answer is kept" in each for each in warnings)
    assert os.listdir(house.root / "docs" / "draft")  # noqa: PTH208 - that there is something is all
