"""A text whose process is killed while it is written is filed by the next process on the machine."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg

from doc_io import DocDirIOManager, DocumentStore
from doc_io.writing.spool import spooled

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


def test_the_next_run_files_what_a_killed_process_was_writing(tmp_path: Path) -> None:
    """Nobody has to know that there was such a process."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        check=False,
        stderr=subprocess.DEVNULL,
        timeout=100,
        env=os.environ,
    )
    assert done.returncode == -signal.SIGKILL
    with DocumentStore(tmp_path / "docs", tmp_path / "documents.sqlite") as store:
        assert store.latest("draft", "draft") is None
        manager = DocDirIOManager(
            docs_root=str(tmp_path / "docs"), db_path=str(tmp_path / "documents.sqlite"), spool=str(tmp_path / "spool")
        )
        dg.materialize([other], resources={"io_manager": manager})

        assert store.read(store.find("draft/draft")) == "paid for"
    assert spooled(tmp_path / "spool") == 0
    assert not (tmp_path / "spool/.answers").exists()
