"""A dataset of Parquet files: other programs read it as one table, and the same command goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset
import pytest

from doc_io import ConfigurationError, Document, DocumentStore
from doc_io.index.base import Filter
from doc_io.reports import dataset
from doc_io.reports.dataset import PartitionedBy, write_dataset
from tests.maintenance.many import fill

SEEN = ["doc_id", "stage", "day", "raw_chars", "raw"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the dataset goes."""
    return tmp_path / "dataset"


def expected(store: DocumentStore, where: Filter | None = None) -> list[tuple[Any, ...]]:
    """What a reader has to see."""
    rows = store.select_all(where or Filter())
    return sorted((row.doc_id, row.stage, row.created_at[:10], row.raw_chars, store.read(row, "raw")) for row in rows)


def by_duckdb(folder: Path) -> list[tuple[Any, ...]]:
    """All of it, as DuckDB reads it."""
    query = "SELECT doc_id, stage, day::VARCHAR, raw_chars, raw FROM read_parquet(?, hive_partitioning = true)"
    with duckdb.connect() as connection:
        return sorted(connection.execute(query, [f"{folder}/**/*.parquet"]).fetchall())


def by_polars(folder: Path) -> list[tuple[Any, ...]]:
    """All of it, as Polars reads it."""
    frame = pl.scan_parquet(folder, hive_partitioning=True).collect()
    return sorted(frame.select("doc_id", "stage", pl.col("day").cast(str), "raw_chars", "raw").rows())


def by_pandas(folder: Path) -> list[tuple[Any, ...]]:
    """All of it, as pandas reads it."""
    frame = pd.read_parquet(folder)
    return sorted(frame[SEEN].astype({"stage": str, "day": str}).itertuples(index=False, name=None))


def by_pyarrow(folder: Path) -> list[tuple[Any, ...]]:
    """All of it, as pyarrow reads it."""
    table = pyarrow.dataset.dataset(folder, partitioning="hive").to_table(SEEN)
    return sorted(tuple(row.values()) for row in table.to_pylist())


READERS = [by_duckdb, by_polars, by_pandas, by_pyarrow]
ODD = ["a/b", "ü = 50%", "%2F", "a+b c", "草稿", ".hidden.", "A:b?*", "007", "y" * 200]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("by", [["stage"], ["stage", "day"], ["status", "day", "stage"]])
def test_every_reader_sees_one_table(
    store: DocumentStore, folder: Path, by: list[PartitionedBy], read: Callable[[Path], list[tuple[Any, ...]]]
) -> None:
    """Every document once, with its texts; stages of any name, as they are."""
    fill(store, 30)
    for number, stage in enumerate(ODD):
        store.save(f"text {number}", stage=stage, task_id="t")

    came = write_dataset(store, folder, texts=["raw"], by=by)

    assert came == (30 + len(ODD), len(list(folder.rglob("*.parquet"))), 0)
    if "day" in by:
        assert read(folder) == expected(store)
    else:
        assert sorted(pd.read_parquet(folder)["stage"].astype(str)) == sorted(each[1] for each in expected(store))


@pytest.mark.parametrize("stage", ["x" * 250, "草" * 70, "__HIVE_DEFAULT_PARTITION__"])
def test_a_stage_that_cannot_be_read_back_from_a_folder_is_refused(
    store: DocumentStore, folder: Path, stage: str
) -> None:
    """Before anything is written; divided by the day it goes in, in a column."""
    store.save("text", stage="a", task_id="t")
    store.save("text", stage=stage, task_id="t")

    with pytest.raises(ConfigurationError, match="Partition it by day"):
        write_dataset(store, folder, texts=["raw"])
    assert not folder.exists()

    write_dataset(store, folder, texts=["raw"], by=["day"])
    assert by_pandas(folder) == expected(store)


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(store: DocumentStore, folder: Path) -> None:
    """A file has its name."""
    store.save("text", stage="draft", task_id="t")
    folder.write_text("")

    with pytest.raises(ConfigurationError, match="Name a folder"):
        write_dataset(store, folder)


def test_what_is_new_is_added_and_nothing_else_is_touched(store: DocumentStore, folder: Path) -> None:
    """A second call writes the documents that came since, also one that was made earlier."""
    fill(store, 30)
    write_dataset(store, folder, texts=["raw"])
    before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    store.save("new", stage="draft", task_id="new")
    store.save("late", stage="draft", task_id="late", created_at=datetime(2025, 12, 31, tzinfo=timezone.utc))

    came = write_dataset(store, folder, texts=["raw"])

    assert (came.documents, came.existing) == (2, 30)
    assert {path: path.read_bytes() for path in before} == before
    assert by_duckdb(folder) == expected(store)


def test_since_looks_at_nothing_that_is_older(store: DocumentStore, folder: Path) -> None:
    """Of what is older not even the list of what is there is read."""
    store.save("old", stage="draft", task_id="old", created_at=datetime(2025, 12, 31, tzinfo=timezone.utc))
    new = store.save("new", stage="draft", task_id="new")
    day = new.created_at[:10]

    came = write_dataset(store, folder, Filter(since=day), texts=["raw"])

    assert came.documents == 1
    assert by_duckdb(folder) == expected(store, Filter(since=day))


def test_files_are_bounded_and_an_interrupted_call_goes_on(
    store: DocumentStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their number of documents; what is whole stays, what is not is made anew."""
    monkeypatch.setattr(dataset, "MAX_FILE_ROWS", 7)
    fill(store, 90)

    def interrupt(done: int, _total: int | None) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(store, folder, texts=["raw"], progress=interrupt)
    whole = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    (next(iter(whole)).parent / "killed.parquet.unfinished").write_bytes(b"PAR1")
    came = write_dataset(store, folder, texts=["raw"])

    assert (came.documents, came.existing) == (69, 21)
    assert {path: path.read_bytes() for path in whole} == whole
    assert not list(folder.rglob("*.unfinished"))
    assert by_polars(folder) == expected(store)
    assert max(pl.read_parquet(path).height for path in folder.rglob("*.parquet")) == 7


def test_files_are_bounded_by_the_length_of_texts(
    store: DocumentStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that is longer has a file of its own."""
    monkeypatch.setattr(dataset, "MAX_FILE_CHARACTERS", 1000)
    for number, length in enumerate([2000, 400, 400, 400, 2000]):
        store.save("x" * length, stage="draft", task_id=f"t{number}")

    came = write_dataset(store, folder, texts=["raw"])

    assert came.files == 3
    assert by_duckdb(folder) == expected(store)


def test_a_file_that_is_no_parquet_is_named(store: DocumentStore, folder: Path) -> None:
    """It is not taken for an empty one."""
    store.save(Document("text"), stage="draft", task_id="t")
    write_dataset(store, folder, by=["status"])
    [path] = folder.rglob("*.parquet")
    path.write_bytes(b"PAR1 and then the power went away")

    with pytest.raises(ConfigurationError, match=path.name):
        write_dataset(store, folder, by=["status"])
