"""Rows and texts as columns: an Arrow table, a pandas frame, a Parquet file; needs the extra ``pandas``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doc_io.document import COLUMNS
from doc_io.errors import ConfigurationError
from doc_io.index.base import ALL, Filter
from doc_io.reading import Which
from doc_io.reports.export import export
from doc_io.storage.local_files import sync_file
from doc_io.store import DocumentStore

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_INTEGERS = ("seq", "usage_prompt_tokens", "usage_completion_tokens", "usage_max_tokens", "raw_chars", "parsed_chars")
_BATCH_SIZE = 1000  # documents in a row group
_BATCH_CHARACTERS = 16 * 2**20  # of their texts

# ruff: noqa: PLC0415 - pandas and pyarrow are an extra


def arrow(store: DocumentStore, where: Filter = ALL, *, texts: Sequence[Which] = ()) -> pa.Table:
    """What `export` gives as an Arrow table, for polars, DuckDB and others; the same columns whatever the rows hold.

    Args:
        store: Which store.
        where: Which documents. Default: all.
        texts: Which of their texts. Default: none.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    schema = schema_of(texts)
    import pyarrow as pa

    return pa.concat_tables([schema.empty_table(), *_tables(export(store, where, texts=texts), schema, texts)])


def frame(store: DocumentStore, where: Filter = ALL, *, texts: Sequence[Which] = ()) -> pd.DataFrame:
    """The same as a pandas frame: ``created_at`` as times in UTC, counts as integers that may be missing.

    Args:
        store: Which store.
        where: Which documents. Default: all.
        texts: Which of their texts. Default: none.

    Raises:
        ConfigurationError: pandas or pyarrow is not installed.
    """
    table = arrow(store, where, texts=texts)
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise _missing("pandas") from None
    made = table.to_pandas(types_mapper={table.schema.field("seq").type: pd.Int64Dtype()}.get)
    times = pd.to_datetime(made["created_at"], format="%Y-%m-%dT%H:%M:%S.%fZ", utc=True)
    made["created_at"] = times.astype("datetime64[us, UTC]")  # pandas takes seconds for no times at all
    return made


def write_parquet(
    path: str, values: Iterable[Mapping[str, Any]], texts: Sequence[str] = (), *, without: Sequence[str] = ()
) -> int:
    """Write an Arrow table to a file in flat memory; the file has its name only when it is whole.

    Args:
        path: The file to write, over one that is there.
        values: Rows as `export` gives them; read as they are written.
        texts: The names of the texts among them.
        without: Columns that are left out. Default: none.

    Returns:
        How many rows were written.

    Raises:
        ConfigurationError: pyarrow is not installed, or the file cannot be written.
    """
    schema = schema_of(texts, without)
    from pyarrow import parquet

    if os.path.isdir(path):  # noqa: PTH112 - pathlib's raises for a name that is too long
        raise ConfigurationError(
            setting=path, reason="it is a folder", hint="Name a file; --partition-by writes many files into a folder."
        )
    if not (folder := Path(path).parent).is_dir():
        raise ConfigurationError(
            setting=path,
            reason=f"there is no folder {str(folder)!r}",
            hint="Make it, or name a file in another one.",
        )
    unfinished = f"{path}.unfinished"
    written = 0
    try:
        with parquet.ParquetWriter(unfinished, schema) as writer:
            for table in _tables(values, schema, texts):
                writer.write_table(table)
                written += table.num_rows
        sync_file(unfinished)
        os.replace(unfinished, path)  # noqa: PTH105 - a path as text, as it came
    except OSError as error:
        raise ConfigurationError(
            setting=path,
            reason=os.strerror(error.errno) if error.errno else error,
            hint="Name a file that can be written.",
        ) from None
    finally:
        with suppress(OSError):
            os.unlink(unfinished)  # noqa: PTH108 - as above
    return written


def schema_of(texts: Sequence[str], without: Sequence[str] = ()) -> pa.Schema:
    """The columns of a table with these texts, and without some of the others.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise _missing("pyarrow") from None
    kinds = (
        {name: pa.large_string() for name in (*COLUMNS, *texts)}
        | dict.fromkeys(_INTEGERS, pa.int64())
        | {"score": pa.float64()}
    )
    return pa.schema([each for each in kinds.items() if each[0] not in without])


def _tables(values: Iterable[Mapping[str, Any]], schema: pa.Schema, texts: Sequence[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    batch: list[dict[str, Any]] = []
    characters = 0
    for each in values:
        batch.append({**each, "meta_small": json.dumps(each["meta_small"])})
        characters += sum(len(each[name] or "") for name in texts)
        if len(batch) >= _BATCH_SIZE or characters >= _BATCH_CHARACTERS:
            yield pa.Table.from_pylist(batch, schema)
            batch, characters = [], 0
    if batch:
        yield pa.Table.from_pylist(batch, schema)


def _missing(package: str) -> ConfigurationError:
    return ConfigurationError(
        setting="A table of documents", reason=f"{package} is not installed", hint="pip install 'doc-io[pandas]'"
    )
