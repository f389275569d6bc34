"""Errors and hints in the words of the command line, to be pasted into a shell."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doc_io import Document, DocumentStore
from doc_io.cli.main import group
from doc_io.errors import ConfigurationError, StoreMismatchError
from doc_io.escaping import shell_words
from doc_io.index.pool import without_password
from tests.cli.test_commands import in_a_terminal, plain


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DocumentStore:
    """The store of the working folder: one task with two attempts, one that failed."""
    monkeypatch.chdir(tmp_path)
    store = DocumentStore("data/docs")
    store.save(Document("one"), stage="draft", task_id="t")
    store.save(Document("two", model_id="m"), stage="draft", task_id="t")
    store.save(Document("half", status="truncated", model_id="m"), stage="draft", task_id="half")
    return store


def doc_io(*words: str, **environment: str) -> Result:
    """The command, in this process; an error of doc_io is its exception."""
    return CliRunner().invoke(group, list(words), env=environment)


def hint(shown: str) -> str:
    """The command of a hint."""
    found: list[str] = re.findall(r": (doc-io .*?)\r?$", plain(shown), re.MULTILINE)
    return found[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--db", "mysql://h/d", "ls"], "--db cannot be used: no index speaks 'mysql'"),
        (["ls", "--db", "postgresql://u:hidden@h:port/d"], "--db cannot be used: it is not a valid URL"),
        (["--docs-root", "s3://k:hidden@b/d", "ls"], "Give user and password in `DOC_IO_STORAGE_OPTIONS`"),
    ],
)
def test_an_error_names_the_option_that_was_typed(store: DocumentStore, words: list[str], says: str) -> None:
    """And not the argument of a class that its reader may never have seen."""
    said = str(doc_io(*words).exception)

    assert says in said
    assert not re.search("db_url|db_path|storage_options|hidden", said)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hidden@h:5432/d?sslmode=disable", "postgresql://u@h:5432/d?sslmode=disable"),
        ("postgresql://h/d?password=hidden&host=/run&sslpassword=hidden", "postgresql://h/d?host=/run"),
        ("postgresql://u:hid/den@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hid?den@h/d?a=b", "postgresql://u@h/d?a=b"),
        ("postgresql://u:hid@den@h/d", "postgresql://u@h/d"),
        ("postgresql://h:1/d?password=hid@den", "postgresql://h:1/d"),
    ],
)
def test_a_command_for_a_database_keeps_its_options_and_not_its_password(url: str, shown: str) -> None:
    """It would not reach the database without them."""
    assert without_password(url) == shown


def test_an_option_without_a_value_is_no_other_store(store: DocumentStore) -> None:
    """As of a shell's variable that is not set: `prune --yes` would act on the store of this folder."""
    for words in (["ls", "--docs-root", ""], ["--db", "", "ls"]):
        said = doc_io(*words)

        assert said.exit_code == 2
        assert "it is empty" in said.output


@pytest.mark.parametrize("name", ["DOC_IO_DB_URL", "DOC_IO_DOC_ROOT", "DOC_IO_STORAGE", "doc_io_db"])
def test_a_misspelt_variable_is_told(store: DocumentStore, name: str) -> None:
    """It would be left out in silence."""
    said = doc_io("ls", **{name: "elsewhere"})

    assert isinstance(said.exception, ConfigurationError)
    assert f"{name} cannot be used: there is no such environment variable. Did you mean DOC_IO_" in str(said.exception)


@pytest.mark.parametrize("name", ["DOC_IO_PORT", "DOC_IO_DB_PORT", "DOC_IO_DB_SERVICE_HOST", "DOC_IO_BENCHMARK"])
def test_a_variable_of_something_else_is_left_alone(store: DocumentStore, name: str) -> None:
    """Kubernetes sets some for each service, after its name."""
    assert doc_io("ls", **{name: "tcp://10.0.0.1:80"}).exit_code == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[tool.doc-io]", "Did you mean [tool.doc_io]?"),
        ("[tool.docio]", "Did you mean [tool.doc_io]?"),
        ("[doc_io]", "Did you mean [tool.doc_io]?"),
        ("[tool.doc_io]\ndbs = 'x'", "Did you mean db?"),
        ("[tool.doc_io]\ndb = 1", "it is not a text"),
        ("[tool.doc_io]\nstorage_options = 'key'", "it is not a table"),
    ],
)
def test_a_misspelt_table_or_setting_of_pyproject_is_told(store: DocumentStore, line: str, says: str) -> None:
    """Each was left out in silence, or meant something else."""
    Path("pyproject.toml").write_text(f"{line}\n", encoding="utf-8")

    assert says in str(doc_io("ls").exception)


def test_a_name_that_is_suggested_can_be_pasted(store: DocumentStore) -> None:
    """Quoted where a shell would make something else of it."""
    store.save("x", stage="draft", task_id="a|b $HOME")

    assert "Did you mean 'draft/a|b $HOME'" in str(doc_io("show", "draft/a|b").exception)


@pytest.mark.parametrize(
    "word", ["new\nline", "it's \x1b[31m", "\u202e\u8349", "\x85", "a\\nb", "plain", "$HOME `id` !x"]
)
def test_a_word_comes_back_from_a_shell(word: str) -> None:
    """Whatever is in it, and on one line that cannot act."""
    quoted = shell_words([word])

    assert quoted.isprintable()
    assert (
        subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True).stdout.decode() == word
    )


def test_a_hint_works_for_a_task_with_a_newline(store: DocumentStore) -> None:
    """In a terminal, with the store that was given."""
    for text in ("first", "second"):
        store.save(text, stage="draft", task_id="a\nb")

    shown = in_a_terminal(Path.cwd(), "--docs-root", "data/docs", "history", "draft/a\nb", errors=True)

    assert hint(shown) == "doc-io --docs-root data/docs diff $'draft/a\\x0ab'"


def test_the_hint_of_failures_keeps_the_filters(store: DocumentStore) -> None:
    """Those tasks and no others."""
    shown = in_a_terminal(
        Path.cwd(), "failures", "--model", "m", "--task", "half,t", "--since", "2020-01-01", errors=True
    )

    expected = "doc-io ls --failed --task half,t --model m --since 2020-01-01T00:00:00.000000Z"
    assert hint(shown) == expected
    assert len(doc_io(*expected.split()[1:]).stdout.splitlines()) == 2


def test_a_failed_copy_leaves_no_index(store: DocumentStore) -> None:
    """Where the target has documents and no index: an empty one would be told as a mismatch ever after."""
    with DocumentStore("target/docs", "target/lost.sqlite") as target:
        target.save("there", stage="draft", task_id="t")
    Path("target/lost.sqlite").unlink()

    said = doc_io("copy", "target/docs", "target/new.sqlite")

    assert isinstance(said.exception, StoreMismatchError)
    assert not Path("target/new.sqlite").exists()


@pytest.mark.parametrize(("count", "noun"), [(1, "1 document"), (2, "2 documents")])
def test_numbers_agree_with_their_nouns(store: DocumentStore, count: int, noun: str) -> None:
    """One is one."""
    for words in (
        ("export", "--parquet", "all.parquet", "-n", str(count)),
        ("export", "--parquet", "set", "--partition-by", "day", "--task", "half" if count == 1 else "t"),
    ):
        assert f"Wrote {noun} " in doc_io(*words).stderr


def test_prune_says_what_it_freed(store: DocumentStore) -> None:
    """As the dry run says what it would free."""
    would = doc_io("prune", "--grace", "0", "--json")
    size = json.loads(would.stdout)["bytes"]
    did = doc_io("prune", "--grace", "0", "--yes")

    assert size > 0
    assert f"Removed 1 document, which freed {size} bytes." in did.stderr
    assert doc_io("prune", "--yes").stderr.startswith("Nothing to prune.") or "Kept" in doc_io("prune", "--yes").stderr


def test_a_status_that_is_no_failure_does_not_go_with_failed(store: DocumentStore) -> None:
    """It was left out in silence."""
    said = doc_io("ls", "--failed", "--status", "ok")

    assert said.exit_code == 2
    assert "--failed and --status ok exclude each other" in said.output


def test_lineage_and_backfill_speak_as_the_others_do(store: DocumentStore) -> None:
    """-n, and commas between stages."""
    assert doc_io("lineage", "draft/t", "-n", "1").exit_code == 0
    old = Path("old/3_generation")
    for stage in ("draft", "essay"):
        (old / f"{stage}_responses_raw").mkdir(parents=True)
        (old / f"{stage}_responses_raw" / "x_v1.txt").write_text("old", encoding="utf-8")

    done = json.loads(doc_io("backfill", "--data-root", "old", "--stage", "draft,essay", "--json").stdout)
    assert [each["documents"] for each in done["stages"]] == [1, 1]
