"""Puts `DocDirIOManager` in the place of Dagster's default IO managers, for values of any type.

doc_io keeps text and ``dagster_tests`` return anything, so a value is made text on the way in and a value again on the
way out. Everything else (which folder, which version, which partitions, what is missing) is doc_io's.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import pickle
import tempfile
import typing
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster
from dagster import DagsterType, InputContext, IOManager, OutputContext
from dagster._core.storage import fs_io_manager, mem_io_manager
from upath import UPath

from doc_io import DocDirIOManager


class AnyValueIOManager(IOManager):
    """A `DocDirIOManager` with a codec before it. A subclass says what the text of a value is.

    Args:
        root: The folder that holds the documents, their index and the spool.
    """

    def __init__(self, root: str) -> None:
        self.documents = DocDirIOManager(
            docs_root=f"{root}/docs", db_path=f"{root}/db/documents.sqlite", spool=f"{root}/spool"
        )

    @abstractmethod
    def encode(self, context: OutputContext, value: Any) -> str:
        """The text that stands for a value."""

    @abstractmethod
    def decode(self, context: InputContext, text: str) -> Any:
        """The value that a text stands for, or an awaitable of it."""

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write a value, or a mapping of partition keys to values, as documents."""
        keys = _partitions(context)
        if len(keys) > 1 and isinstance(obj, Mapping) and obj.keys() <= set(keys):
            self.documents.handle_output(context, {key: self.encode(context, value) for key, value in obj.items()})
        else:
            self.documents.handle_output(context, self.encode(context, obj))

    def load_input(self, context: InputContext) -> Any:
        """Read the value of an input, or those of its partitions."""
        with _annotated_for_text(context, several=len(_partitions(context)) > 1):
            texts = self.documents.load_input(context)
        if isinstance(texts, Mapping):
            return dict(zip(texts, _awaited([self.decode(context, text) for text in texts.values()]), strict=True))
        return None if texts is None else _awaited([self.decode(context, texts)])[0]


class ValueIOManager(AnyValueIOManager):
    """Stands for `PickledObjectFilesystemIOManager`: JSON where JSON holds the value, else a pickle in base64.

    Args:
        base_dir: As for `PickledObjectFilesystemIOManager`.
    """

    def __init__(self, base_dir: str | None = None) -> None:
        self.base_dir = base_dir
        super().__init__(str(base_dir or tempfile.mkdtemp()))

    def encode(self, context: OutputContext, value: Any) -> str:  # noqa: ARG002 - only FileIOManager needs it
        """JSON, or a pickle in base64."""
        if _is_json(value):
            return json.dumps({"json": value})
        return json.dumps({"pickle": base64.b64encode(pickle.dumps(value)).decode("ascii")})

    def decode(self, context: InputContext, text: str) -> Any:  # noqa: ARG002 - only FileIOManager needs it
        """The inverse of `encode`."""
        kind, held = next(iter(json.loads(text).items()))
        return held if kind == "json" else pickle.loads(base64.b64decode(held))  # noqa: S301 - this process wrote it


class MemoryIOManager(ValueIOManager):
    """Stands for `InMemoryIOManager`: a store of its own for each run, and objects that nothing can hold as text."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Any] = []

    def encode(self, context: OutputContext, value: Any) -> str:
        """JSON, a pickle, or the number of an object in this process."""
        try:
            return super().encode(context, value)
        except (TypeError, AttributeError, pickle.PicklingError):
            self.held.append(value)
            return json.dumps({"held": len(self.held) - 1})

    def decode(self, context: InputContext, text: str) -> Any:
        """The inverse of `encode`."""
        number = json.loads(text).get("held")
        return super().decode(context, text) if number is None else self.held[number]


_ENCODED: dict[str, Any] = {}
"""Text to the value that a `FileIOManager` made it of, for the metadata that a subclass tells of the value."""


class FileIOManager(AnyValueIOManager):
    """Stands for the base class `UPathIOManager`: the file that a subclass writes becomes the text of a document."""

    extension: str | None = None
    _base_path: UPath

    def __init__(self, base_path: UPath | None = None) -> None:
        self._base_path = base_path or UPath(tempfile.mkdtemp())

    @abstractmethod
    def dump_to_path(self, context: OutputContext, obj: Any, path: UPath) -> None:
        """A hook of the subclass in Dagster's test."""

    @abstractmethod
    def load_from_path(self, context: InputContext, path: UPath) -> Any:
        """A hook of the subclass in Dagster's test."""

    def get_metadata(self, context: OutputContext, obj: Any) -> dict[str, Any]:  # noqa: ARG002 - as Dagster has it
        """A hook of the subclass in Dagster's test."""
        return {}

    @property
    def documents(self) -> DocDirIOManager:  # type: ignore[override] # made late: a test may set _base_path after __init__
        """The IO manager under test, which asks the subclass for metadata."""
        root, codec = str(self._base_path), self

        class WithMetadata(DocDirIOManager):
            def get_metadata(self, context: OutputContext, obj: Any) -> dict[str, Any]:
                return codec.get_metadata(context, _ENCODED[obj])

        return WithMetadata(docs_root=f"{root}/docs", db_path=f"{root}/db/documents.sqlite", spool=f"{root}/spool")

    def encode(self, context: OutputContext, value: Any) -> str:
        """The bytes of the file, in base64; or that the subclass wrote none."""
        with tempfile.TemporaryDirectory() as folder:
            path = UPath(folder) / f"value{self.extension or ''}"
            self.dump_to_path(context, value, path)
            text = json.dumps(base64.b64encode(path.read_bytes()).decode("ascii") if path.exists() else None)
            _ENCODED[text] = value
            return text

    def decode(self, context: InputContext, text: str) -> Any:
        """What the subclass makes of that file."""
        path, held = UPath(tempfile.mkdtemp()) / f"value{self.extension or ''}", json.loads(text)
        if held is not None:
            path.write_bytes(base64.b64decode(held))
        return self.load_from_path(context, path)


def install() -> None:
    """Let Dagster and its tests find the adapters where they look for the default IO managers.

    `fs_io_manager`, `FilesystemIOManager` and the default of a job make a `PickledObjectFilesystemIOManager`,
    `mem_io_manager` and `materialize_to_memory` an `InMemoryIOManager`: each by the name in its module.
    """
    fs_io_manager.PickledObjectFilesystemIOManager = ValueIOManager  # type: ignore[assignment, misc]
    mem_io_manager.InMemoryIOManager = dagster.InMemoryIOManager = MemoryIOManager  # type: ignore[assignment, misc]
    dagster.UPathIOManager = FileIOManager  # type: ignore[assignment, misc]


def _partitions(context: InputContext | OutputContext) -> list[str]:
    return list(context.asset_partition_keys) if context.has_asset_key and context.has_asset_partitions else []


@contextmanager
def _annotated_for_text(context: InputContext, *, several: bool) -> Iterator[None]:
    """Let an input of any type ask for text: one alone, or a dict where the annotation allows a dict."""
    asked = context._dagster_type  # noqa: SLF001 - there is no public way to change it
    annotation = Any if asked is None else asked.typing_type
    if not several:
        wanted: Any = Any
    else:
        wanted = dict[str, str] if typing.get_origin(annotation) is dict or annotation is dict else annotation
    context._dagster_type = DagsterType(lambda _, __: True, name="text", typing_type=wanted)  # noqa: SLF001
    try:
        yield
    finally:
        context._dagster_type = asked  # noqa: SLF001


def _is_json(value: Any) -> bool:
    if type(value) is dict:
        return all(type(key) is str for key in value) and all(map(_is_json, value.values()))
    if type(value) is list:
        return all(map(_is_json, value))
    return value is None or type(value) in (bool, int, str) or (type(value) is float and value - value == 0)


def _awaited(values: list[Any]) -> list[Any]:
    async def together() -> list[Any]:
        return list(await asyncio.gather(*values))

    return asyncio.run(together()) if values and all(map(inspect.isawaitable, values)) else values
