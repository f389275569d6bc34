"""How a document is named, and what is said of a name that means none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doc_io import Document, DocumentStore, Status
from doc_io.cli.main import group
from doc_io.errors import AmbiguousDocumentError, DocIOError, DocumentNotFoundError, UnknownDocumentError
from tests.cli.test_commands import in_a_terminal, plain


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DocumentStore:
    """The store of the working folder: a task with three attempts, the last of them failed, and one never ok."""
    monkeypatch.chdir(tmp_path)
    store = DocumentStore("data/docs")
    save(store, "one", "run-a1")
    save(store, "two", "run-a2")
    save(store, "", "run-b", status="gen_error", metadata={"error": "rate limit"})
    store.save(Document("half", status="truncated", prompt="Write."), stage="draft", task_id="never")
    store.save(Document("half more", status="truncated", prompt="Write."), stage="draft", task_id="never")
    return store


def save(store: DocumentStore, text: str, run_id: str, **more: object) -> None:
    """An attempt at the task ``x|1``."""
    document = Document(text or None, prompt="Write.", **more)  # type: ignore[arg-type]
    store.save(document, stage="draft", task_id="x|1", run_id=run_id)


def doc_io(*words: str) -> Result:
    """The command, in this process; an error of doc_io is its exception."""
    return CliRunner().invoke(group, list(words))


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("draft/x|1", "run-a2"),
        ("draft/x|1@newest", "run-b"),
        ("draft/x|1@-1", "run-a2"),
        ("draft/x|1@-2", "run-a1"),
        ("draft/x|1@run-a1", "run-a1"),
        ("draft/x|1@run-b", "run-b"),
    ],
)
def test_an_attempt_is_named_by_its_place_or_its_run(store: DocumentStore, name: str, run: str) -> None:
    """The task alone is its latest ok document."""
    assert store.find(name).run_id == run
    assert json.loads(doc_io("show", name, "--json").stdout)["run_id"] == run


def test_a_task_may_have_an_at_sign_of_its_own(store: DocumentStore) -> None:
    """What is after the last one names the attempt only where no such task exists."""
    row = store.save("mail", stage="draft", task_id="me@newest")

    assert store.find("draft/me@newest") == row
    assert store.find("draft/me@newest@newest") == row


def test_the_start_of_a_run_is_enough_where_no_other_begins_like_it(store: DocumentStore) -> None:
    """As Dagster shows the first characters of a run."""
    assert store.find("draft/x|1@run-b").run_id == "run-b"
    with pytest.raises(AmbiguousDocumentError):
        store.find("draft/x|1@run-a")


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("drafts/x|1", "Did you mean draft"),
        ("draft/x|2", "Did you mean 'draft/x|1'"),
        ("draft", "Did you mean draft/…"),
        ("draft/x|1@-3", "3 attempts"),
        ("draft/x|1@run-z", "newest, -1, run-b"),
    ],
)
def test_an_unknown_name_is_answered_with_those_like_it(store: DocumentStore, name: str, mend: str) -> None:
    """For every command that takes a document."""
    with pytest.raises(UnknownDocumentError, match="There is no") as unknown:
        store.find(name)

    assert mend in str(unknown.value)
    for command in ("show", "cat", "prompt", "history", "diff", "lineage", "pin"):
        assert isinstance(doc_io(command, name).exception, UnknownDocumentError)


@pytest.mark.parametrize("command", ["show", "cat", "prompt", "lineage", "pin", "history", "diff"])
def test_a_task_without_an_ok_document_can_be_named(store: DocumentStore, command: str) -> None:
    """Its newest attempt is meant, and that is said; a program gets an error that names the way."""
    said = doc_io(command, "draft/never")

    assert said.exit_code == 0
    assert ("this is its newest attempt, truncated" in said.stderr) == (command not in ("history", "diff"))
    with pytest.raises(DocumentNotFoundError, match="draft/never@newest"):
        store.find("draft/never")


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (("ls", "--stage", "drafts"), "Did you mean draft?"),
        (("ls", "--stage", "draft,drafts"), "Did you mean draft?"),
        (("export", "--task", "x|2"), "Did you mean 'x|1'"),
        (("usage", "--run", "run-a9"), "Did you mean run-a"),
        (("search", "--model", "gpt", "one"), "There is no model gpt"),
        (("failures", "--experiment", "pilot"), "There is no experiment pilot"),
    ],
)
def test_a_filter_that_no_document_fits_is_distinguished_from_an_empty_answer(
    store: DocumentStore, words: tuple[str, ...], mend: str
) -> None:
    """A typing error in a stage is no empty store."""
    said = doc_io(*words)

    assert isinstance(said.exception, DocIOError)
    assert said.exception.exit_code == 4
    assert mend in str(said.exception)


def test_a_status_that_no_document_has_is_an_empty_answer(store: DocumentStore) -> None:
    """Nothing is wrong with the question."""
    assert json.loads(doc_io("ls", "--status", "skipped", "--json").stdout) == []


def test_a_name_that_begins_with_a_dash_needs_two_more(store: DocumentStore) -> None:
    """Which the group's help says."""
    store.save("dash", stage="-draft", task_id="-x")

    assert doc_io("cat", "--", "-draft/-x").stdout == "dash"
    assert len(json.loads(doc_io("ls", "--task", "-x", "--json").stdout)) == 1
    assert "Put --" in doc_io("--help").stdout
    assert "put -- before it" in doc_io("search", "-x").stderr


def test_completion_knows_stages_tasks_and_ids(store: DocumentStore) -> None:
    """Statuses and runs too; where there is no store it offers nothing and does not fail."""

    def offered(*words: str, start: str) -> list[str]:
        environment = {"COMP_WORDS": " ".join(["doc-io", *words, start]), "COMP_CWORD": str(len(words) + 1)}
        said = CliRunner().invoke(
            group,
            [],
            prog_name="doc-io",
            env={"_DOC_IO_COMPLETE": "bash_complete", **environment},
            complete_var="_DOC_IO_COMPLETE",
        )
        return [line.partition(",")[2] for line in said.output.splitlines() if line]

    newest = store.find("draft/never@newest")
    assert offered("show", start="draft") == ["draft/"]  # no id begins like this
    assert offered("show", start="draft/ne") == ["draft/never"]
    assert offered("show", start=newest.doc_id[:8]) == [newest.doc_id]
    assert offered("ls", "--stage", start="") == ["draft"]
    assert offered("ls", "--status", start="t") == [Status.TRUNCATED.value]
    assert offered("ls", "--run", start="run-b") == ["run-b"]
    assert offered("--docs-root", "nothing", "show", start="dr") == []
    assert offered("rename", start="") == offered("compare", start="dr") == ["draft"]


def test_a_hint_that_names_a_stage_with_a_dash_can_be_pasted(store: DocumentStore, tmp_path: Path) -> None:
    """The name stands after --."""
    for text in ("one", "two"):
        store.save(text, stage="-x", task_id="t")

    said = plain(in_a_terminal(tmp_path, "history", "--", "-x/t", errors=True))

    assert "doc-io diff -- -x/t" in said


def test_a_document_without_a_text_is_told_in_words(store: DocumentStore) -> None:
    """Which of its texts was asked for."""
    assert "has no text." in str(doc_io("cat", "draft/x|1@newest").exception)
    assert "has no parsed text." in str(doc_io("cat", "draft/x|1", "--parsed").exception)


def test_what_a_document_is_named_by_stands_in_the_help_of_each_command() -> None:
    """Nobody has to know of the help above it."""
    for command in ("show", "cat", "prompt", "history", "diff", "lineage", "pin", "unpin"):
        assert "STAGE/TASK@newest" in doc_io(command, "--help").output


def test_a_listing_that_fails_prints_its_error_alone(tmp_path: Path) -> None:
    """No names of columns before it."""
    (tmp_path / "db.sqlite").write_bytes(b"no database" * 1000)
    said = doc_io("--docs-root", str(tmp_path / "docs"), "--db", str(tmp_path / "db.sqlite"), "ls")

    assert isinstance(said.exception, DocIOError)
    assert said.stdout == ""
