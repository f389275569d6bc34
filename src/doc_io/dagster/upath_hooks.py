"""What `UPathIOManager` leaves to its subclasses, as our IO managers have it.

| hook | `DocDirIOManager` | why |
|---|---|---|
| ``fs``, ``get_metadata``, ``extension`` | inherited; ``get_metadata(context, obj)`` is called once for each document, with what the asset returned for it | |
| ``handle_output``, ``load_input`` | overridden | the index chooses the folder; one call writes or reads all partitions |
| ``has_output`` | overridden: every partition has an ok document, and its folder is there | the same |
| ``path_exists(path)`` | overridden: the folder holds a commit record | without one it is no document |
| ``load_from_path(context, path)`` | overridden: the text of a document's folder. A subclass's own, plain or ``async``, is called for each document that an input gets | |
| ``load_partitions(context)`` | overridden: what an input of several partitions gets | |
| ``get_path_for_partition``, ``_get_path``, ``_get_paths_for_partitions`` | overridden: the folders of the latest ok documents | the path follows from the document, not from the key |
| ``storage_options``, ``_base_path`` | a field, and a property of the docs root | the base class's property would hide the field |
| ``to_document(context, obj)`` | new: what one returned value stands for | takes the place of ``dump_to_path`` |
| ``dump_to_path``, ``make_directory``, ``unlink`` | raise `NotImplementedError`, and so does a subclass that defines one | a document's files appear together, never change, and are removed by `prune` alone |
| ``make_safe_partition_path``, ``get_asset_relative_path``, ``get_op_output_relative_path``, ``load_partitions_async``, ``get_…_message`` | never called; a subclass that defines one is refused | stage, task and doc_id make the path |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from dagster import UPathIOManager

if TYPE_CHECKING:
    from dagster import OutputContext
    from upath import UPath

_PATH = "The asset's metadata doc_io/stage names the first folder; the rest follows from the document's identity."
_MESSAGE = "Log from to_document or load_from_path."

NOT_CALLED = {
    "dump_to_path": "Override to_document(context, obj) to change what is stored, or get_metadata to say more of it.",
    "make_directory": "The store makes a document's folder when it writes its files.",
    "unlink": "A document never changes; remove what is superseded with `doc-io prune`.",
    "make_safe_partition_path": _PATH,
    "get_asset_relative_path": _PATH,
    "get_op_output_relative_path": _PATH,
    "load_partitions_async": "Override load_from_path, which may be a coroutine, or load_partitions.",
    "get_loading_input_log_message": _MESSAGE,
    "get_loading_input_partition_log_message": _MESSAGE,
    "get_writing_output_log_message": _MESSAGE,
    "get_missing_partition_log_message": _MESSAGE,
}
"""Hooks of Dagster's that have no effect here, and what to do instead."""


class UPathHooks(UPathIOManager):
    """`UPathIOManager` where the path is not made from the asset's key: a hook that would have no effect is refused."""

    # A property in the base class, which would hide the field of this name.
    storage_options: Any = None

    not_called: ClassVar[Mapping[str, str]] = NOT_CALLED

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__.startswith("doc_io."):
            return
        for name, instead in cls.not_called.items():
            if name in cls.__dict__:
                raise NotImplementedError(f"{cls.__name__}.{name} would never be called. {instead}")

    def to_document(self, context: OutputContext, obj: Any) -> Any:  # noqa: ARG002 - for those who override it
        """The text or document that one returned value stands for; override it to store other values than text.

        Args:
            context: What Dagster knows of the output.
            obj: What the asset returned: for one partition, where the run has several.

        Returns:
            A ``str``, a `doc_io.Document` or a `doc_io.StoredDocument`. Default: the value itself.
        """
        return obj

    def dump_to_path(self, context: OutputContext, obj: Any, path: UPath) -> NoReturn:  # noqa: ARG002 - a hook of Dagster's
        """Not supported: the folder follows from the document's identity, and its files appear together."""
        self._refuse("dump_to_path")

    def make_directory(self, path: UPath) -> NoReturn:  # noqa: ARG002 - a hook of Dagster's
        """Not supported: the store makes the folders."""
        self._refuse("make_directory")

    def unlink(self, path: UPath) -> NoReturn:  # noqa: ARG002 - a hook of Dagster's
        """Not supported: a text that was paid for is never removed by its path."""
        self._refuse("unlink")

    def _refuse(self, name: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} has no {name}. {self.not_called[name]}")
