"""A text whose process is killed while it is written is filed by the next process on the machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from doc_io import DocDirIOManager, DocumentStore
from doc_io.cli.main import group

KILLED = """
import os, signal, sys
import dagster as dg
from doc_io import DocDirIOManager, DocumentStore

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

@dg.asset
def draft() -> str:
    DocumentStore.commit = killed  # in the middle of the write
    DocumentStore.is_local = False  # else nothing is waited for
    return "paid for"

root = sys.argv[1]
where = {"docs_root": f"{root}/docs", "db_path": f"{root}/documents.sqlite", "spool": f"{root}/spool"}
dg.materialize([draft], resources={"io_manager": DocDirIOManager(**where)})
"""


@dg.asset
def other() -> str:
    """Anything."""
    return "something else"


@pytest.fixture
def after_the_kill(tmp_path: Path) -> Iterator[DocumentStore]:
    """The store, after a process was killed that was about to write into it."""
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(words, check=False, stderr=subprocess.DEVNULL, timeout=100, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    with DocumentStore(tmp_path / "docs", tmp_path / "documents.sqlite") as store:
        assert store.latest("draft", "draft") is None
        yield store
        assert store.read(store.find("draft/draft")) == "paid for"
    assert not (tmp_path / "spool/.answers").exists()


def test_the_next_run_files_what_a_killed_process_was_writing(after_the_kill: DocumentStore, tmp_path: Path) -> None:
    """Nobody has to know that there was such a process."""
    docs_root, db_path, spool = (str(tmp_path / name) for name in ("docs", "documents.sqlite", "spool"))
    manager = DocDirIOManager(docs_root=docs_root, db_path=db_path, spool=spool)
    dg.materialize([other], resources={"io_manager": manager})


def test_recover_files_what_a_killed_process_was_writing(after_the_kill: DocumentStore, tmp_path: Path) -> None:
    """Where no run follows on that machine."""
    where = ["--docs-root", str(tmp_path / "docs"), "--db", str(tmp_path / "documents.sqlite")]
    done = CliRunner().invoke(group, [*where, "recover", str(tmp_path / "spool")])

    assert done.output == f"Saved 1 document; 0 still in {tmp_path}/spool.\n"
