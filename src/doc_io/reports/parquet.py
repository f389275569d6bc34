"""Rows and texts as a Parquet file, by way of Arrow; needs the extra ``pandas``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from doc_io.document import COLUMNS
from doc_io.errors import ConfigurationError

_INTEGERS = ("seq", "usage_prompt_tokens", "usage_completion_tokens", "usage_max_tokens", "raw_chars", "parsed_chars")
_AT_ONCE = 1000  # documents in a row group


def write_parquet(path: str, values: Iterable[Mapping[str, Any]], texts: Sequence[str] = ()) -> int:
    """Write what `doc_io.reports.export.export` gives; the same columns whatever the rows hold.

    Args:
        path: The file to write; ``meta_small`` becomes JSON text in it.
        values: Rows as mappings, read as they are written.
        texts: The names of the texts among them.

    Returns:
        How many rows were written.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigurationError(
            setting="Parquet", reason="pyarrow is not installed", todo="pip install 'doc-io[pandas]'"
        ) from None
    names = [*COLUMNS, *texts]
    kinds = [pa.int64() if name in _INTEGERS else pa.large_string() for name in names]
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    written = 0
    remaining = iter(values)
    with parquet.ParquetWriter(path, schema) as writer:
        while batch := list(islice(remaining, _AT_ONCE)):
            rows = [{**each, "meta_small": json.dumps(each["meta_small"])} for each in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            written += len(rows)
    return written
