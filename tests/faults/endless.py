"""Writes documents until it is stopped, and prints the id and hash of each as soon as it was acknowledged."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
from pathlib import Path

from doc_io import Document
from tests.faults import mutants
from tests.faults.writers import CUT_SHORT, FULL, open_store


def main(root: str, mutant: str = "") -> None:
    """Save forever; a disk that is cut off under it ends it."""
    if mutant:
        getattr(mutants, mutant)()
    os.write(1, b"begins\n")
    with open_store(Path(root)) as store:
        for number in itertools.count():
            document = (FULL, CUT_SHORT, Document(f"text {number}\n" * (number % 700)))[number % 3]
            row = store.save(document, stage="essay", task_id=f"task {number % 5}", run_id="run", attempt=str(number))
            digest = hashlib.sha256((document.raw or "").encode()).hexdigest()
            os.write(1, f"{row.doc_id} {digest}\n".encode())  # one write: a line is there wholly or not at all


if __name__ == "__main__":
    main(*sys.argv[1:])
