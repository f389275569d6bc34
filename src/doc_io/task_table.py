"""Task tables: what a CSV says of the tasks that partitions stand for."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from doc_io.errors import ConfigurationError, UnknownTaskError
from doc_io.escaping import counted
from doc_io.storage.open import open_storage


class Task(NamedTuple):
    """What a table says of one task; ``None`` where it has no such column or an empty cell.

    Attributes:
        template_id: The prompt template.
        model_id: The model.
        parent_task_id: The task whose document this one is made from.
        parent_stage: That task's stage.
    """

    template_id: str | None = None
    model_id: str | None = None
    parent_task_id: str | None = None
    parent_stage: str | None = None


@dataclass(frozen=True)
class TaskTable:
    """A CSV of tasks with a line of column names: which column holds what.

    It is read anew at every look-up, so that a table which an asset of the same run has just written counts.

    Args:
        path: The file: a path, or a URL that fsspec knows.
        task_id: The column of the tasks, which are the partition keys.
        template_id: The column of the templates. Default: the table does not say.
        model_id: The column of the models. Default: the table does not say.
        parent_task_id: The column of the tasks that these are made from. Default: the table does not say.
        parent_stage: The stage of those parents; a stage, not a column. Needed with ``parent_task_id``.
        storage_options: Handed to fsspec, never shown. Default: none.

    Raises:
        ConfigurationError: Of ``parent_task_id`` and ``parent_stage`` only one is given.
    """

    path: str
    task_id: str = "task_id"
    template_id: str | None = None
    model_id: str | None = None
    parent_task_id: str | None = None
    parent_stage: str | None = None
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)

    def __post_init__(self) -> None:
        if (self.parent_task_id is None) != (self.parent_stage is None):
            raise self._unusable(
                "only one of parent_task_id and parent_stage is given",
                "Say which column holds the parents and their stage.",
            )

    def as_config(self) -> dict[str, str]:
        """Its fields but ``storage_options``, as plain strings: what a config can hold, and `TaskTable` takes again."""
        fields = ("path", "task_id", "template_id", "model_id", "parent_task_id", "parent_stage")
        return {name: str(value) for name in fields if (value := getattr(self, name)) is not None}

    def lookup(self, task_ids: Iterable[str]) -> dict[str, Task]:
        """What the table says of some tasks; it is read once, however many they are.

        Args:
            task_ids: The tasks.

        Returns:
            Each task with what is known of it, in the order asked for.

        Raises:
            UnknownTaskError: A task has no line.
            ConfigurationError: The table cannot be read, or does not hold the columns it is said to.
        """
        tasks = self.read()
        requested = list(task_ids)
        missing = next((task_id for task_id in requested if task_id not in tasks), None)
        if missing is not None:
            raise UnknownTaskError(
                task=repr(missing), table=self.path, column=self.task_id, lines=counted(len(tasks), "task")
            )
        return {task_id: tasks[task_id] for task_id in requested}

    def read(self) -> dict[str, Task]:
        """Every task of the table; lines without a task are left out.

        Raises:
            ConfigurationError: The table cannot be read, lacks a column, or says two things of one task.
        """
        tasks: dict[str, Task] = {}
        for line in self._lines():
            task_id = line.get(self.task_id)
            if not task_id:
                continue
            parent = self._cell(line, self.parent_task_id)
            task = Task(
                template_id=self._cell(line, self.template_id),
                model_id=self._cell(line, self.model_id),
                parent_task_id=parent,
                parent_stage=self.parent_stage if parent else None,
            )
            if tasks.setdefault(task_id, task) != task:
                raise self._unusable(
                    f"it says two different things of task {task_id!r}", "Keep one line for each task."
                )
        return tasks

    def columns(self) -> list[str]:
        """The names of its columns, in order.

        Raises:
            ConfigurationError: The table cannot be read.
        """
        return list(self._reader().fieldnames or ())

    def _lines(self) -> Iterator[dict[str, str | None]]:
        reader = self._reader()
        columns = reader.fieldnames or ()
        for column in (self.task_id, self.template_id, self.model_id, self.parent_task_id):
            if column is not None and column not in columns:
                raise self._unusable(
                    f"it has no column {column!r}", f"Its columns are: {', '.join(map(repr, columns)) or 'none'}."
                )
        try:
            yield from reader
        except csv.Error as error:
            raise self._unusable(f"line {reader.line_num}: {error}", "Save it as a CSV.") from None

    def _reader(self) -> csv.DictReader[str]:
        folder, separator, name = os.fspath(self.path).rpartition("/")
        storage = open_storage(folder + separator or ".", self.storage_options)
        try:
            # Spreadsheets put a byte order mark first, which would be part of the first column's name.
            text = storage.read(name).decode("utf-8-sig")
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            reader.fieldnames  # noqa: B018 - reads the first line, and raises where that is no CSV
        except FileNotFoundError:
            raise self._unusable("it is not there", "Make it, or correct its path.") from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise self._unusable(str(error), "Save it as a CSV in UTF-8.") from None
        finally:
            storage.close()
        return reader

    def _cell(self, line: Mapping[str, str | None], column: str | None) -> str | None:
        return (line.get(column) or None) if column is not None else None

    def _unusable(self, reason: str, hint: str) -> ConfigurationError:
        return ConfigurationError(setting=f"Task table {self.path}", reason=reason, hint=hint)
