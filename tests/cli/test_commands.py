"""What `doc-io` prints and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from doc_io import DocumentStore
from tests.cli.conftest import SOURCE, Run
from tests.maintenance.many import fill

# A shell that runs the tests in the background lets them, and all that they start, ignore SIGINT.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from doc_io.cli.main import main; main()"
)


def test_status_counts_by_stage_and_status(run: Run, place: Path) -> None:
    """And says which store it is."""
    said = json.loads(run("status", "--json").stdout)

    assert said["docs_root"] == str(place / "data" / "docs")
    assert said["documents"] == 7
    assert [(each["stage"], each["status"], each["documents"]) for each in said["stages"]] == [
        ("draft", "ok", 4),
        ("draft", "truncated", 1),
        ("essay", "ok", 2),
    ]


def test_pages_follow_each_other(run: Run) -> None:
    """``--after`` goes on where the last page ended."""
    everything = [row["doc_id"] for row in json.loads(run("ls", "--json").stdout)]
    first = [row["doc_id"] for row in json.loads(run("ls", "-n", "3", "--json").stdout)]
    second = [row["doc_id"] for row in json.loads(run("ls", "-n", "9", "--after", first[-1], "--json").stdout)]

    assert first + second == everything


def test_a_pipe_gets_tab_separated_rows(run: Run) -> None:
    """With the names of the columns first, and nothing cut."""
    lines = run("history", "draft/task-1").stdout.splitlines()

    assert lines[0].split("\t")[:4] == ["doc_id", "stage", "task_id", "status"]
    assert [line.split("\t")[3] for line in lines[1:]] == ["truncated", "ok", "ok"]


def test_cat_gives_a_pipe_the_bytes_that_were_stored(run: Run) -> None:
    """Escapes and all: it is the text."""
    assert run("cat", "essay/task-1").stdout == "essay\x1b[31m of task-1\n"
    assert run("prompt", "essay/task-1").stdout == "Make it long: task-1"


def test_in_a_terminal_no_text_can_act(place: Path) -> None:
    """What a model wrote is escaped, in `cat` too."""
    for words in (["cat", "essay/task-1"], ["search", "essay", "task"], ["diff", "essay/task-1", "essay/task-2"]):
        shown = in_a_terminal(place, *words)

        assert "\\x1b[31m" in shown
        assert "\x1b[31m of" not in shown


def test_a_table_fits_the_terminal(place: Path) -> None:
    """However long a value is."""
    shown = in_a_terminal(place, "ls", columns="60")

    assert all(len(line.rstrip("\r")) <= 60 for line in plain(shown).splitlines())


def test_what_can_be_typed_again_is_whole_in_a_narrow_table(run: Run, place: Path) -> None:
    """Ids shorten to what no other document begins with, and that is enough; names give way, then whole columns."""
    ids = [row["doc_id"] for row in json.loads(run("ls", "--json").stdout)]

    for columns in ("40", "60", "80", "140"):
        starts = [line.split()[0] for line in plain(in_a_terminal(place, "ls", columns=columns)).splitlines()[1:]]
        assert len(set(starts)) == len(ids)
        assert all(doc_id.startswith(start) for doc_id, start in zip(ids, starts, strict=True))


def test_diff_of_a_task_compares_its_last_two_attempts(run: Run) -> None:
    """Though the last one failed; of one attempt by its id it is the one before it."""
    attempts = [row["doc_id"] for row in json.loads(run("history", "draft/task-1", "--json").stdout)]

    def compared(*words: str) -> list[str]:
        said = json.loads(run("diff", *words, "--json").stdout)
        return [said["new"], said["old"]]

    assert compared("draft/task-1") == attempts[:2]
    assert compared(attempts[1]) == attempts[1:]
    first = run("diff", attempts[-1])
    assert first.returncode == 2
    assert "first attempt" in first.stderr


def test_no_color_is_heeded(place: Path) -> None:
    """What was red and green is marked instead (no-color.org)."""
    words = ("diff", "draft/task-1")

    assert "\x1b[31m" in in_a_terminal(place, *words)
    shown = in_a_terminal(place, *words, NO_COLOR="1")
    assert "\x1b[3" not in shown
    assert "[-" in shown
    assert "{+" in shown


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(run: Run) -> None:
    """As git does."""
    said = run("reindx")

    assert said.returncode == 2
    assert "Did you mean 'reindex'?" in said.stderr


def interrupted(program: list[str], begun: Path) -> tuple[int, bytes]:
    """Run a program and interrupt it once a file is there; how it ended, and what it said of it."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.001)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: its readers get it too
        _, said = process.communicate()
    return process.returncode, said


def test_a_reindex_that_is_interrupted_ends_with_130_and_leaves_the_old_index(run: Run, tmp_path: Path) -> None:
    """And nothing of the new one; the message says what to do."""
    with DocumentStore(tmp_path / "many" / "docs") as store:
        fill(store, 3000)
        before = [row.doc_id for row in store.index.scan()]
        where = ["--docs-root", store.docs_root, "--db", store.index.name]
    program = [sys.executable, "-c", PROGRAM, *where, "reindex"]
    tries = (interrupted(program, Path(f"{store.index.name}.new")) for _ in range(20))
    code, said = next(each for each in tries if each[0] != 0)  # on a busy machine one may end before the signal comes

    assert code == 130
    assert b"Interrupted. The old index is in its place" in said
    assert b"Traceback" not in said
    assert not list(tmp_path.glob("many/db/*.new*"))
    with DocumentStore(store.docs_root, store.index.name) as store:
        assert [row.doc_id for row in store.index.scan()] == before


def test_the_start_of_an_id_is_enough_where_no_other_begins_like_it(run: Run) -> None:
    """An unknown one ends with 4."""
    doc_id = json.loads(run("ls", "-n", "1", "--json").stdout)[0]["doc_id"]

    assert json.loads(run("show", doc_id[:8], "--json").stdout)["doc_id"] == doc_id
    unknown = run("show", "nobody")
    assert unknown.returncode == 4
    assert "no document nobody" in unknown.stderr


def test_a_look_makes_no_store(run: Run, tmp_path: Path) -> None:
    """Where there is none, that is said, and how to name one."""
    empty = tmp_path / "empty"
    empty.mkdir()

    said = run("ls", cwd=empty)

    assert said.returncode == 3
    assert "--docs-root" in said.stderr
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("how", ["options", "environment", "pyproject"])
def test_the_store_is_found(run: Run, place: Path, tmp_path: Path, how: str) -> None:
    """By options, by the environment, and by pyproject.toml from any folder below it."""
    root, db = "data/docs", "data/db/documents.sqlite"
    elsewhere = tmp_path / "below" / "deep"
    elsewhere.mkdir(parents=True)
    if how == "options":
        said = run("--docs-root", str(place / root), "--db", str(place / db), "status", "--json", cwd=elsewhere)
    elif how == "environment":
        said = run("status", "--json", cwd=elsewhere, DOC_IO_DOCS_ROOT=str(place / root), DOC_IO_DB=str(place / db))
    else:
        (place / "pyproject.toml").write_text(f'[tool.doc_io]\ndocs_root = "{root}"\ndb = "{db}"\n')
        said = run("status", "--json", cwd=elsewhere)

    assert json.loads(said.stdout)["documents"] == 7


def test_verify_ends_with_6_where_something_is_damaged(run: Run, place: Path) -> None:
    """And with 0 on a store that is whole."""
    assert run("verify").returncode == 0
    next((place / "data" / "docs").glob("essay/*/*/raw.txt")).unlink()

    said = run("verify", "--json")

    assert said.returncode == 6
    assert [each["kind"] for each in json.loads(said.stdout)["findings"]] == ["damaged"]


def test_prune_does_nothing_without_yes(run: Run) -> None:
    """Then it does what it said."""
    told = json.loads(run("prune", "--grace", "0s", "--json").stdout)
    assert told["dry_run"]
    assert len(json.loads(run("ls", "--json").stdout)) == 7

    done = json.loads(run("prune", "--grace", "0s", "--yes", "--json").stdout)

    assert [each["doc_id"] for each in done["documents"]] == [each["doc_id"] for each in told["documents"]]
    assert len(json.loads(run("ls", "--json").stdout)) == 7 - len(told["documents"])


def test_sql_that_would_write_ends_with_2(run: Run) -> None:
    """Nothing was changed."""
    assert run("sql", "DELETE FROM documents").returncode == 2
    assert run("sql", "SELECT count(*) FROM documents").stdout.splitlines()[1] == "7"


HEAVY = {
    "dagster",
    "rich",
    "fsspec",
    "upath",
    "asyncio",
    "concurrent",
    "logging",
    "typing_extensions",
    "importlib.metadata",
}
NOT_FOR_LOOKING = {
    f"doc_io.{each}"
    for each in ("cli.maintain", "cli.reports", "cli.grid", "naming", "writing", "maintenance", "reports", "legacy")
}


def test_a_look_at_a_store_waits_for_nothing_that_it_does_not_need(place: Path) -> None:
    """Not for Dagster, nor for rich where nobody looks at a terminal, nor for other commands."""
    script = (
        "import sys; from doc_io.cli.main import group; group(['ls'], standalone_mode=False);"
        f" print(sorted({HEAVY | NOT_FOR_LOOKING!r} & set(sys.modules)), file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stderr.strip() == "[]"


def in_a_terminal(place: Path, *words: str, columns: str = "100", errors: bool = False, **more: str) -> str:
    """What ``doc-io`` writes into a pseudo-terminal; what it says on standard error only if that is asked for."""
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": columns, "TERM": "xterm", "NO_COLOR": "", **more}
    program = [sys.executable, "-c", PROGRAM, *words]
    stderr = slave if errors else subprocess.DEVNULL
    with subprocess.Popen(program, cwd=place, env=environment, stdout=slave, stderr=stderr) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # Linux says so at the end of a pseudo-terminal
                break
            if not chunk:
                break
            shown += chunk
        process.wait()
    os.close(master)
    return shown.decode()


def plain(text: str) -> str:
    """Without the colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
