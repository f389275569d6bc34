"""Everything that a model, a key or a file name could say, through every command: in a pipe and in a terminal none of it acts."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from doc_io import Document, DocumentStore, Usage, maintenance
from doc_io.cli.main import group
from tests.faults.harness import REPOSITORY

ACTS = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt\u2066\u200b\r\x08[red]x[/red]<script>a</script>|`*"
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
"""What doc-io itself says to a terminal: colours, and a line's beginning."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store that is hostile in every field, and in what lies beside its documents; the working folder."""
    with DocumentStore(tmp_path / "data" / "docs", tmp_path / "data" / "db" / "documents.sqlite") as store:
        first = save(store)
        save(store, parents=[first])
        save(store, status="parse_error")
        torn = save(store)
        store.storage.put(f"{store.find(torn).doc_dir}/raw.txt", b"altered")
        (tmp_path / "data" / "docs" / "\x1b]0;owned\x07stray\u202e.txt").write_text("stray")
        maintenance.pin(store, first, note=ACTS)
    return tmp_path


def save(store: DocumentStore, status: str = "ok", parents: list[str] | None = None) -> str:
    """A document whose every field would act; its id."""
    document = Document(
        f"text {ACTS}",
        prompt=ACTS,
        status=status,
        template_id=ACTS,
        model_id=ACTS,
        usage=Usage(1, 2),
        finish_reason=ACTS,
        identifiers={ACTS: ACTS},
        metadata={ACTS: ACTS},
        extras={ACTS: ACTS},
    )
    where = {"run_id": ACTS, "asset_key": ACTS, "experiment_id": ACTS}
    return store.save(document, stage=ACTS, task_id=ACTS, parents=parents or [], **where).doc_id


def commands(place: Path) -> list[list[str]]:
    """Every command that shows something, and every kind of error with a hostile name in it."""
    with DocumentStore(place / "data" / "docs", place / "data" / "db" / "documents.sqlite") as store:
        _, old, new, _ = (row.doc_id for row in store.index.scan())
    return [
        ["status"],
        ["ls"],
        ["ls", "--stage", ACTS, "--json"],
        ["show", new],
        ["show", new, "--json"],
        ["history", f"{ACTS}/{ACTS}"],
        ["pins"],
        ["failures", "--all"],
        ["ls", "--failed"],
        ["ls", "--words", "text", "--run", ACTS],
        ["diff", old, new],
        ["lineage", new],
        *(["usage", "--by", column] for column in ("model", "template", "stage", "run", "experiment")),
        ["search", "text"],
        ["search", ACTS],
        ["sql", "SELECT * FROM documents"],
        ["sql", f"SELECT '{ACTS}"],
        ["verify", "--full"],
        ["prune", "--grace", "0s"],
        ["export"],
        ["show", ACTS],
        ["history", f"no/{ACTS}"],
        ["history", f"{ACTS}/{ACTS}@{ACTS}"],
        ["ls", "--stage", f"no {ACTS}"],
        ["show", new, ACTS],
        ["pin", ACTS],
        ["unpin", ACTS],
        ["recover", ACTS],
        [ACTS],
        ["reindex"],
    ]


def test_nothing_acts_in_a_pipe(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody opens the log in a terminal later. Only `cat` and `prompt` give a pipe the text itself, as it is."""
    monkeypatch.chdir(place)
    shown = 0
    for words in commands(place):
        said = CliRunner().invoke(group, words).output

        assert not ACTING.findall(said), (words, said)
        shown += "owned" in said
    assert shown > 15


def test_nothing_acts_in_a_terminal(place: Path) -> None:
    """All commands in one program, `cat` and `prompt` too; Rich's own markup is text as well."""
    words = [*commands(place), ["cat", f"{ACTS}/{ACTS}"], ["prompt", f"{ACTS}/{ACTS}"]]
    program = f"""
from doc_io.cli.main import group
for words in {words!r}:
    try:
        group(words)
    except BaseException:  # each ends its program
        pass
"""
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "2000", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    ) as running:
        os.close(slave)
        said = b""
        while chunk := read(master):
            said += chunk
        running.wait()
    os.close(master)
    text = COLOURS.sub("", said.decode())

    assert text.count("owned") > 30
    assert not ACTING.findall(text), text
    assert "[red]x[/red]" in text


def read(master: int) -> bytes:
    """The next bytes of a pseudo-terminal; none at its end, of which Linux says EIO."""
    try:
        return os.read(master, 65536)
    except OSError:
        return b""
