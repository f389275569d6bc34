"""One set of filters and of texts for every command, and store options on either side of it."""

from __future__ import annotations

import json
import shlex
import socket
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from doc_io import Document, DocumentStore, Origin, Usage, maintenance
from doc_io.cli.filters import Time
from doc_io.cli.main import group
from doc_io.errors import UnknownNameError
from tests.cli.conftest import Run
from tests.cli.test_commands import in_a_terminal, plain

PROMPT = "Write about it."


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DocumentStore:
    """Two models and two stages; ``b`` failed after it was ok, ``c`` was never ok, ``a`` failed before it was ok."""
    monkeypatch.chdir(tmp_path)
    store = DocumentStore("data/docs")
    for task, model, statuses in (
        ("a", "m1", ("gen_error", "ok")),
        ("b", "m1", ("ok", "truncated")),
        ("c", "m2", ("gen_error", "gen_error")),
    ):
        for number, status in enumerate(statuses):
            store.save(
                Document(
                    f"text {number} of {task}",
                    status=status,
                    model_id=model,
                    usage=Usage(10, 5),
                    prompt=PROMPT,
                    metadata={"error": f"HTTP 429: request req_{task}{number}12345678 refused"}
                    if status == "gen_error"
                    else None,
                ),
                stage="essay" if task == "c" else "draft",
                task_id=task,
                run_id=f"run-{number}",
            )
    return store


def answer(*words: str) -> list[dict[str, object]]:
    """What a command prints as JSON."""
    said = CliRunner().invoke(group, [*words, "--json"])
    assert said.exit_code == 0, said.output
    found: list[dict[str, object]] = json.loads(said.stdout)
    return found


FILTERS = [
    (("--stage", "draft"), 4),
    (("--stage", "draft,essay"), 6),
    (("--stage", "draft", "--stage", "essay"), 6),
    (("--task", "a,c"), 4),
    (("--status", "ok,truncated"), 3),
    (("--failed",), 2),
    (("--newest",), 3),
    (("--model", "m2"), 2),
    (("--run", "run-1"), 3),
    (("--since", "1h"), 6),
    (("--until", "1h"), 0),
    (("--since", "yesterday"), 6),
    (("--until", "yesterday"), 0),
    (("--until", "2100-01-01", "--model", "m1", "--newest"), 2),
]


@pytest.mark.parametrize(("filters", "count"), FILTERS)
def test_every_command_has_the_same_filters(store: DocumentStore, filters: tuple[str, ...], count: int) -> None:
    """And they choose the same documents."""
    assert len(answer("ls", *filters)) == count
    assert len(answer("export", *filters)) == count
    assert len(answer("search", "text", *filters)) == count
    assert sum(int(str(each["documents"])) for each in answer("usage", "--by", "task", *filters)) == count
    answer("failures", *filters)


@pytest.mark.parametrize("command", ["ls", "export", "usage", "failures", "search"])
def test_words_and_a_number_are_filters_too(store: DocumentStore, command: str) -> None:
    """Of `search` the words are the argument."""
    words = ("search", "1", "a") if command == "search" else (command, "--words", "1 of a")
    if command == "failures":
        assert answer("failures", "--words", "text of b")[0]["stage"] == "draft"
        assert len(answer("failures", "-n", "1")) == 1
        return
    assert len(answer(*words)) == 1
    assert len(answer(*(("search", "text") if command == "search" else (command,)), "-n", "1")) == 1


@pytest.mark.parametrize(
    ("filters", "groups"),
    [
        (("--all",), {"m1": 4}),
        (("--all", "--status", "ok,truncated"), {"m1": 3}),
        (("--failed",), {"m1": 1}),
        (("--newest", "--task", "a"), {"m1": 1}),
        (("--until", "1h"), {}),
        (("--words", "1 of b"), {"m1": 1}),
        (("--all", "-n", "1"), {"m1": 4}),
    ],
)
def test_a_comparison_has_the_same_filters(
    store: DocumentStore, filters: tuple[str, ...], groups: dict[str, int]
) -> None:
    """Its stage is the argument."""
    found = answer("compare", "draft", "--by", "model", *filters)

    assert {each["group"]: each["documents"] for each in found} == groups


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("compare", "drafts"), "draft"),
        (("compare", "draft", "--by", "esay.model"), "essay"),
        (("compare", "draft", "--model", "m"), "m1"),
        (("prune", "--stage", "draft,drafts"), "draft"),
        (("prune", "--run", "run"), "run-0"),
        (("prune", "--experiment", "x"), "experiment"),
        (("ls", "--run", "un-1"), "run-1"),
    ],
)
def test_a_name_that_no_document_has_is_told(store: DocumentStore, words: tuple[str, ...], hint: str) -> None:
    """Nothing found, and nothing to prune, would hide a typing error."""
    said = CliRunner().invoke(group, list(words))

    assert isinstance(said.exception, UnknownNameError)
    assert hint in str(said.exception)


def test_a_prune_takes_several_stages(store: DocumentStore) -> None:
    """With commas, as every command."""

    def would(stages: str) -> int:
        said = CliRunner().invoke(group, ["prune", "--grace", "0s", "--keep-failed", "0", "--stage", stages])
        return int(said.stderr.partition("Would remove ")[2].split()[0])

    assert would("draft,essay") == would("draft") + would("essay") == 4


def test_an_unpinning_of_what_is_not_pinned_names_what_is(store: DocumentStore) -> None:
    """The task has a newer ok document since."""
    pinned = store.find("draft/b").doc_id
    maintenance.pin(store, pinned)
    newer = store.save("newer", stage="draft", task_id="b").doc_id

    said = CliRunner().invoke(group, ["unpin", "draft/b"])

    assert said.stderr == f"{newer} was not pinned; of its task are: {pinned}.\n"
    assert list(maintenance.pins(store)) == [pinned]


def test_a_task_with_a_comma_is_quoted_as_in_csv(store: DocumentStore) -> None:
    """A comma is else between two names."""
    store.save("comma", stage="draft", task_id="x,y")

    assert [row["task_id"] for row in answer("ls", "--task", 'a,"x,y"', "--newest")] == ["x,y", "a"]


def test_failed_lists_tasks_whose_newest_attempt_failed_with_the_reason(store: DocumentStore) -> None:
    """Not one that was made good since."""
    said = CliRunner().invoke(group, ["ls", "--failed"]).stdout.splitlines()

    assert said[0].split("\t")[-1] == "reason"
    assert [line.split("\t")[2] for line in said[1:]] == ["c", "b"]
    assert said[1].endswith("HTTP 429: request req_c112345678 refused")


def test_failures_are_grouped_by_stage_and_reason(store: DocumentStore) -> None:
    """Reasons that differ only in the id of a request are one; ``--all`` counts what was made good, too."""
    now = answer("failures")
    ever = answer("failures", "--all")

    assert [(each["stage"], each["status"], each["tasks"]) for each in now] == [
        ("draft", "truncated", 1),
        ("essay", "gen_error", 1),
    ]
    assert [(each["stage"], each["status"], each["documents"]) for each in ever] == [
        ("essay", "gen_error", 2),
        ("draft", "gen_error", 1),
        ("draft", "truncated", 1),
    ]


@pytest.mark.parametrize("option", [["--prompt"], ["--text", "prompt"]])
def test_every_command_has_the_same_texts(store: DocumentStore, option: list[str]) -> None:
    """As flags or by name."""
    first, second = (row.doc_id for row in store.history("draft", "a"))

    assert CliRunner().invoke(group, ["cat", first, *option]).stdout == PROMPT
    assert answer("diff", first, second, *option)["changes"] == [{"kind": "same", "text": PROMPT}]  # type: ignore[call-overload]
    assert answer("export", "--task", "a", *option)[0]["prompt"] == PROMPT


def test_export_takes_several_texts_and_cat_one(store: DocumentStore) -> None:
    """``text`` is the parsed one where there is one, else the raw one."""
    [row] = answer("export", "--task", "a", "--newest", "--text", "raw,text", "--prompt")

    assert (row["raw"], row["text"], row["prompt"]) == ("text 1 of a", "text 1 of a", PROMPT)
    assert CliRunner().invoke(group, ["cat", "draft/a", "--raw", "--prompt"]).exit_code == 2


@pytest.mark.parametrize("command", [["ls"], ["verify"], ["show", "draft/a"], ["prune"], ["reindex"]])
def test_the_store_may_be_named_before_or_after_the_command(
    store: DocumentStore, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After it wins."""
    where = ["--docs-root", store.docs_root, "--db", store.index.name]
    monkeypatch.chdir(tmp_path.parent)

    assert CliRunner().invoke(group, [*where, *command]).exit_code == 0
    assert CliRunner().invoke(group, [*command, *where]).exit_code == 0
    assert CliRunner().invoke(group, ["--docs-root", "nothing", *command, *where]).exit_code == 0


def test_a_pipe_gets_everything(store: DocumentStore, tmp_path: Path) -> None:
    """A terminal shows fifty and says that there are more."""
    store.save_many([(f"text {number}", Origin(stage="many", task_id=str(number))) for number in range(70)])

    assert len(answer("ls", "--stage", "many")) == 70
    assert len(CliRunner().invoke(group, ["ls", "--stage", "many"]).stdout.splitlines()) == 71
    assert len(answer("search", "text", "--stage", "many")) == 70
    shown = plain(in_a_terminal(tmp_path, "ls", "--stage", "many", errors=True))
    assert len(shown.splitlines()) == 50 + 3  # what all share, the names of the columns, the hint
    assert "There are more" in shown
    limited = CliRunner().invoke(group, ["sql", "SELECT * FROM documents", "-n", "3"])
    assert len(limited.stdout.splitlines()) == 4
    assert "There are more rows" in limited.stderr


def test_what_all_rows_share_stands_once_above_them(store: DocumentStore, tmp_path: Path) -> None:
    """In 80 columns the task is whole."""
    task = "a-task-whose-name-is-long|and-has-two-parts"
    for number in range(2):
        store.save(Document("x", model_id="m3", template_id="t"), stage="long", task_id=f"{task}-{number}")

    above, _, *rows = plain(in_a_terminal(tmp_path, "ls", "--stage", "long", columns="80")).splitlines()

    assert above.strip() == "stage long · status ok · model_id m3 · template_id t"
    assert all(f"{task}-{number}" in row for number, row in zip((1, 0), rows, strict=True))


def test_search_shows_the_hit_in_full(store: DocumentStore, tmp_path: Path) -> None:
    """On lines of its own below the document."""
    sentence = "the quick brown fox jumps over the lazy dog and goes on for a while"
    store.save(sentence, stage="draft", task_id="fox")

    shown = plain(in_a_terminal(tmp_path, "search", "lazy", columns="60"))

    assert sentence in " ".join(shown.split())
    assert "draft/fox" in shown


def test_a_hint_can_be_pasted(run: Run, store: DocumentStore, tmp_path: Path) -> None:
    """It is quoted, and has the store that was named."""
    for number in range(2):
        store.save(f"{number}", stage="draft", task_id="deep 2|03-bread")
    where = ["--docs-root", store.docs_root, "--db", store.index.name]
    shown = plain(in_a_terminal(tmp_path, "history", "draft/deep 2|03-bread", *where, columns="400", errors=True))
    [hint] = [line for line in shown.splitlines() if line.startswith("What changed last: doc-io")]

    program, *words = shlex.split(hint.partition(": ")[2])

    assert program == "doc-io"
    assert words == [*where, "diff", "draft/deep 2|03-bread"]
    assert run(*words, cwd=tmp_path.parent).returncode == 0


def test_an_error_names_commands_with_the_store_that_was_named(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the password of a database."""
    monkeypatch.chdir("/")
    said = CliRunner().invoke(group, ["--docs-root", store.docs_root, "cat", "--parsed", "draft/a"])

    assert f"`doc-io --docs-root {store.docs_root} show " in str(said.exception)


def test_the_hint_after_a_document_without_a_text_works(store: DocumentStore, tmp_path: Path) -> None:
    """There is nothing to `cat`."""
    store.save(Document(None, status="gen_error", prompt="Write."), stage="draft", task_id="silent")

    shown = plain(in_a_terminal(tmp_path, "show", "draft/silent", errors=True))

    assert "doc-io prompt " in shown
    assert "doc-io cat" not in shown


def test_parents_are_listed_as_children_are(store: DocumentStore) -> None:
    """With stage, task and status; one that is not in the store is said to be."""
    draft = store.find("draft/a")
    essay = store.save("essay", stage="essay", task_id="a", parents=[draft.doc_id, "elsewhere"])

    said = CliRunner().invoke(group, ["show", essay.doc_id]).stdout

    assert f"{draft.doc_id}\tdraft\ta\tok\t" in said
    assert "elsewhere\t-\t-\tnot in the store" in said


def test_pins_are_listed_with_their_reason(store: DocumentStore) -> None:
    """And with what they pin."""
    row = store.find("draft/a")
    maintenance.pin(store, row.doc_id, note="the best")

    assert answer("pins") == [
        {"doc_id": row.doc_id, "note": "the best", "stage": "draft", "task_id": "a", "status": "ok"}
    ]


def test_a_duplicate_names_its_twin(store: DocumentStore) -> None:
    """As a note."""
    ids = sorted(store.save("twin", stage="draft", task_id=f"twin-{number}").doc_id for number in range(2))

    said = json.loads(CliRunner().invoke(group, ["verify", "--json"]).stdout)["findings"]

    [twin] = [each for each in said if each["kind"] == "duplicate" and each["where"] == ids[0]]
    assert ids[1] in twin["details"]


def test_prune_says_what_its_grace_keeps_and_what_it_would_free(store: DocumentStore) -> None:
    """And takes --dry-run, which it does anyway."""
    kept = CliRunner().invoke(group, ["prune", "--dry-run"])
    would = json.loads(CliRunner().invoke(group, ["prune", "--grace", "0s", "--keep-failed", "0", "--json"]).stdout)
    folders = [Path(store.docs_root) / each["doc_dir"] for each in would["documents"]]

    assert "Kept: 1 (younger than the grace period)" in kept.stderr
    assert would["bytes"] == sum(file.stat().st_size for folder in folders for file in folder.iterdir()) > 0


def test_a_spool_that_is_not_there_is_an_error(store: DocumentStore) -> None:
    """Zero saved with success would tell nobody of a typing error, or of a wrong host."""
    for words in (["recover", "nope"], ["recover"]):
        said = CliRunner().invoke(group, words)
        assert f"no such folder on the host {socket.gethostname()}" in str(said.exception)


def test_output_that_cannot_be_encoded_is_escaped(run: Run, store: DocumentStore, tmp_path: Path) -> None:
    """In a terminal of another time."""
    store.save("x", stage="draft", task_id="草稿")

    said = run("ls", "-n", "1", cwd=tmp_path, PYTHONIOENCODING="latin-1")

    assert said.returncode == 0
    assert "\\u8349\\u7a3f" in said.stdout


def test_export_prints_lines_or_with_json_an_array(store: DocumentStore) -> None:
    """Of the same rows; Parquet is neither."""
    lines = CliRunner().invoke(group, ["export", "--raw"]).stdout.splitlines()

    assert [json.loads(line) for line in lines] == answer("export", "--raw")
    assert "give one of them" in CliRunner().invoke(group, ["export", "--json", "--parquet", "x.parquet"]).output


def test_today_and_yesterday_are_days_in_utc() -> None:
    """Each begins at midnight, whatever the zone of the machine."""
    today, yesterday = (Time().convert(day, None, None) for day in ("today", "yesterday"))

    assert today.endswith("T00:00:00.000000Z")
    assert datetime.fromisoformat(today[:10]) - datetime.fromisoformat(yesterday[:10]) == timedelta(days=1)
    assert (
        timedelta(0)
        <= datetime.now(timezone.utc) - datetime.fromisoformat(f"{today[:-1]}+00:00")
        < timedelta(days=1, minutes=1)
    )


@pytest.mark.parametrize("by", ["model", "task", "run"])
def test_usage_takes_a_column_by_either_name(store: DocumentStore, by: str) -> None:
    """As compare does."""
    assert answer("usage", "--by", f"{by}_id") == answer("usage", "--by", by) != []


def test_the_start_of_a_run_is_enough_as_a_filter_where_no_other_begins_like_it(store: DocumentStore) -> None:
    """As in STAGE/TASK@RUN; for a prune too."""
    store.save("later", stage="draft", task_id="a", run_id="nightly-7")

    assert [each["run_id"] for each in answer("ls", "--run", "night")] == ["nightly-7"]
    assert len(answer("export", "--run", "night,run-1")) == 4
    assert len(answer("search", "later", "--run", "night")) == 1
    assert isinstance(CliRunner().invoke(group, ["ls", "--run", "run-"]).exception, UnknownNameError)
    assert CliRunner().invoke(group, ["prune", "--run", "night"]).exit_code == 0


def test_the_status_failed_is_answered_with_the_option(store: DocumentStore) -> None:
    """It is the first that comes to mind."""
    said = CliRunner().invoke(group, ["ls", "--status", "failed"])

    assert said.exit_code == 2
    assert "--failed" in said.output


def test_a_failed_document_is_shown_with_its_reason(store: DocumentStore) -> None:
    """An ok one has none."""
    assert "reason\tHTTP 429: request req_c112345678 refused\n" in CliRunner().invoke(group, ["show", "essay/c"]).stdout
    assert "\nreason" not in CliRunner().invoke(group, ["show", "draft/a"]).stdout


def test_a_missing_text_is_answered_with_those_that_are_there(store: DocumentStore) -> None:
    """And with no other."""
    only_text = store.save("text", stage="draft", task_id="plain")
    nothing = store.save(Document(None, status="gen_error"), stage="draft", task_id="nothing")

    assert "What it has: raw. " in str(CliRunner().invoke(group, ["prompt", only_text.doc_id]).exception)
    assert "It has no text at all." in str(CliRunner().invoke(group, ["cat", nothing.doc_id]).exception)


def test_the_hint_of_failures_names_a_stage_only_where_it_is_the_only_one(store: DocumentStore, tmp_path: Path) -> None:
    """Else it would leave the others out."""
    assert plain(in_a_terminal(tmp_path, "failures", errors=True)).rstrip().endswith("doc-io ls --failed")
    one = plain(in_a_terminal(tmp_path, "failures", "--stage", "essay", errors=True))
    assert one.rstrip().endswith("doc-io ls --failed --stage essay")


def test_the_history_of_a_task_that_fails_offers_the_diff_with_the_last_good_one(
    store: DocumentStore, tmp_path: Path
) -> None:
    """Two failures say little of each other; where none was ok there is nothing else to compare."""
    store.save(Document("half", status="truncated"), stage="draft", task_id="b")

    assert "doc-io diff draft/b draft/b@newest" in plain(in_a_terminal(tmp_path, "history", "draft/b", errors=True))
    assert "doc-io diff essay/c\r\n" in plain(in_a_terminal(tmp_path, "history", "essay/c", errors=True))


def test_a_prune_may_have_no_grace_period(store: DocumentStore) -> None:
    """Zero has no unit. Where it is why nothing is pruned, the option is named."""
    nothing = CliRunner().invoke(group, ["prune"])
    some = CliRunner().invoke(group, ["prune", "--grace", "0", "--keep-failed", "0"])

    assert "Nothing to prune." in nothing.stderr
    assert "--grace" in nothing.stderr
    assert "Would remove" in some.stderr
    assert "--grace" not in some.stderr


def test_the_help_of_every_command_fits_its_line() -> None:
    """In a terminal of 80 columns."""
    usage, _, rest = CliRunner().invoke(group, ["--help"], terminal_width=80).stdout.partition("\n")

    assert usage.endswith("[ARGS]...")
    assert "...\n" not in rest
