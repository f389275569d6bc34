"""Many processes at once on one root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.harness import REPOSITORY
from tests.faults.promises import broken_promises

CROWD = """
import os, sys
from pathlib import Path
from tests.faults.writers import open_store
root, writers, each = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ready, go = os.pipe()
children = []
for writer in range(writers):
    child = os.fork()
    if not child:
        os.close(go)
        os.read(ready, 1)  # all begin at once, on a root that is not there yet
        try:
            with open_store(root) as store:
                for number in range(each):
                    store.save(f"text {writer} {number}", stage="essay", task_id=str(number % 4), attempt=f"{writer}/{number}")
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\\n".encode())
            os._exit(1)
        os._exit(0)
    children.append(child)
os.close(go)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def test_thirty_two_writers_begin_at_once(tmp_path: Path) -> None:
    """All make the same folders and the same index at the same moment; none fails and nothing is lost."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-c", CROWD, str(tmp_path), "32", "6"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.returncode == 0
    assert len(list(tmp_path.rglob("raw.txt"))) == 32 * 6
    assert broken_promises(tmp_path, {}) == []
