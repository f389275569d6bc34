"""Rows and texts as columns, for a notebook, another tool, or a training set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from doc_io import ConfigurationError, Document, DocumentStore, Filter, Usage, reports
from doc_io.document import COLUMNS
from doc_io.reports.frames import write_parquet
from tests.cli.conftest import Run


@pytest.fixture
def filled(store: DocumentStore) -> DocumentStore:
    """One document with counts and a prompt, and one without."""
    store.save(Document("one", prompt="p", usage=Usage(7, 3), finish_reason="stop"), stage="draft", task_id="a")
    store.save(Document.skipped("nothing to do"), stage="draft", task_id="b")
    return store


def test_a_frame_has_times_and_counts_that_may_be_missing(filled: DocumentStore) -> None:
    """Newest first, as everything."""
    frame = reports.frame(filled, texts=["raw", "prompt"])

    assert list(frame.columns) == [*COLUMNS, "raw", "prompt"]
    assert list(frame["task_id"]) == ["b", "a"]
    assert str(frame["created_at"].dtype) == "datetime64[us, UTC]"
    assert str(frame["usage_prompt_tokens"].dtype) == "Int64"
    assert frame["usage_prompt_tokens"].sum() == 7
    assert list(frame["raw"].fillna("-")) == ["-", "one"]


def test_a_frame_of_nothing_has_the_same_columns(filled: DocumentStore) -> None:
    """A notebook that counts its rows need not know."""
    empty = reports.frame(filled, Filter(stage="nobody's"))

    assert len(empty) == 0
    assert dict(empty.dtypes) == dict(reports.frame(filled).dtypes)


def test_a_parquet_file_holds_what_arrow_does(filled: DocumentStore, tmp_path: Path) -> None:
    """Row for row."""
    path = tmp_path / "rows.parquet"

    assert write_parquet(str(path), reports.export(filled, texts=["raw"]), ["raw"]) == 2
    assert parquet.read_table(path).equals(reports.arrow(filled, texts=["raw"]))


def test_an_interrupted_parquet_file_does_not_have_its_name(filled: DocumentStore, tmp_path: Path) -> None:
    """Half a training set would be taken for a whole one; what was there before stays."""
    path = tmp_path / "rows.parquet"
    write_parquet(str(path), reports.export(filled))
    before = path.read_bytes()

    def interrupted() -> Iterator[dict[str, Any]]:
        yield next(reports.export(filled))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(str(path), interrupted())

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.glob("rows*")] == ["rows.parquet"]


def test_a_parquet_file_that_cannot_be_written_is_an_error_of_ours(filled: DocumentStore, tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(ConfigurationError, match=r"no folder '.*no'\. Make it"):
        write_parquet(str(tmp_path / "no" / "rows.parquet"), reports.export(filled))
    with pytest.raises(ConfigurationError, match=r"it is a folder.*--partition-by"):
        write_parquet(str(tmp_path), reports.export(filled))
    with pytest.raises(ConfigurationError, match=r"File name too long\. Name a file that can be written"):
        write_parquet(str(tmp_path / ("x" * 300)), reports.export(filled))


@pytest.mark.parametrize("how", [("--json",), ("--parquet", "x", "--partition-by", "stage")])
def test_an_export_leaves_out_what_cannot_be_read_says_so_and_ends_with_6(
    place: Path, run: Run, how: tuple[str, ...]
) -> None:
    """One damaged document costs no other; run again on a sound store it ends well."""
    with DocumentStore(place / "data" / "docs", place / "data" / "db" / "documents.sqlite") as store:
        row = store.select(Filter(stage="essay"), limit=1)[0]
    raw = place / "data" / "docs" / row.doc_dir / "raw.txt"
    text = raw.read_bytes()
    raw.unlink()

    damaged = run("export", "--raw", *how)
    raw.write_bytes(text)
    sound = run("export", "--raw", *how)

    assert damaged.returncode == 6
    assert f"Left out: Document {row.doc_id}" in damaged.stderr
    assert (sound.returncode, "Left out" in sound.stderr) == (0, False)
    if "--parquet" not in how:
        assert damaged.stdout.count('"doc_id"') == 6
        assert sound.stdout.count('"doc_id"') == 7
    else:
        assert "Wrote 6 documents" in damaged.stderr
        assert "Wrote 1 document " in sound.stderr or "Wrote 7 documents" in sound.stderr
