"""A store whose index holds many rows already, made once a run and size and copied from then on."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.floors import seed
from doc_io import DocumentStore


def seeded_store(folder: Path, size: int) -> tuple[DocumentStore, Path]:
    """A store in a folder of a contest, and its database.

    Args:
        folder: The contest's own; the model to copy lies beside it.
        size: Rows; their documents are not on disk.

    Returns:
        The store, and the path of its index.
    """
    model = folder.parent / f"model-{size}.sqlite"
    if not model.exists():
        with DocumentStore(folder.parent / "model", model) as store:
            store.unchecked.claim()  # makes the schema, and gives root and index their id
        seed(model, size)
    database = folder / f"docs-{size}.sqlite"
    shutil.copyfile(model, database)
    docs_root = folder / f"docs-{size}"
    shutil.copytree(folder.parent / "model", docs_root)
    return DocumentStore(docs_root, database), database
