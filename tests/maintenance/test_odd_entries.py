"""Whatever somebody put into the docs root: every scan goes on past it, ends, and lists what it passed over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from doc_io import DocumentStore, maintenance, reports
from tests.storage.test_local_files import device, fifo, listening, sparse

pytestmark = [pytest.mark.timeout(60), pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


def no_utf8(path: Path) -> None:
    """A name that is no text."""
    os.mkdir(os.fsencode(path.parent) + b"/\xff\xfe")  # noqa: PTH102 - a Path holds no bytes


def unreadable(path: Path) -> None:
    """A folder that its owner may not list either, where that is not root."""
    path.mkdir(mode=0)


@pytest.mark.parametrize("odd", [fifo, listening, device, sparse, no_utf8, unreadable])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_no_scan_ends_at_what_is_no_document(
    store: DocumentStore, tmp_path: Path, odd: Callable[[Path], None], depth: int
) -> None:
    """Beside the stages, the keys and the documents."""
    rows = [store.save(f"whale {n}", stage="draft", task_id=f"t{n}") for n in range(3)]
    odd(Path(store.docs_root).joinpath(*rows[0].doc_dir.split("/")[:depth]) / "odd")

    list(maintenance.verify(store, full=True, grace=0))
    assert maintenance.reindex(store, full=True).documents == 3
    assert len(list(reports.export(store, texts=["raw"]))) == 3
    assert len(list(reports.search(store, "whale"))) == 3
    maintenance.prune(store, dry_run=False)
    with DocumentStore(tmp_path / "copy" / "docs") as target:
        assert maintenance.copy(store, target).copied == 3


@pytest.mark.parametrize("odd", [fifo, listening, device, sparse])
@pytest.mark.parametrize("name", ["raw.txt", "metadata.json"])
def test_each_scan_lists_the_document_that_it_passed_over(
    store: DocumentStore, tmp_path: Path, odd: Callable[[Path], None], name: str
) -> None:
    """And does the rest."""
    bad, good = (store.save(f"whale {n}", stage="draft", task_id=f"t{n}") for n in range(2))
    path = Path(store.docs_root) / bad.doc_dir / name
    path.unlink()
    odd(path)

    assert [each.where for each in maintenance.verify(store, full=True, grace=0) if each.kind == "damaged"] == [
        bad.doc_dir
    ]
    with DocumentStore(tmp_path / "copy" / "docs") as target:
        copied = maintenance.copy(store, target)
        assert (copied.copied, [each.path for each in copied.rejected]) == (1, [bad.doc_dir])
    assert good.doc_id in {hit.row.doc_id for hit in reports.search(store, "whale")}
    left_out: list[str] = []
    exported = reports.export(store, texts=["raw"], leave_out=lambda row, _: left_out.append(row.doc_id))
    assert good.doc_id in {each["doc_id"] for each in exported}
    assert left_out == ([bad.doc_id] if name == "raw.txt" else [])
    assert [each.path for each in maintenance.reindex(store, full=True).rejected] == [bad.doc_dir]
