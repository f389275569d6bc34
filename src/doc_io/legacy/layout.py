"""Where legacy files are: stage by stage, from a TOML file, or the layout of `generation.toml`."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from doc_io.errors import ConfigurationError
from doc_io.legacy.versioned_files import NAME
from doc_io.task_table import Task, TaskTable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_OWN = Path(__file__).with_name("generation.toml")


@dataclasses.dataclass(frozen=True)
class StageLayout:
    """The files of one stage. Every path is relative to the data root.

    Attributes:
        stage: Kind of document.
        raw: Folders of whole answers.
        parsed: Folders of parsed texts; of two files of one task that in the folder named first is the newer.
        prompts: Folders of prompts.
        pattern: The names of its files, with the groups ``task`` and ``version``.
        tables: Tables of its tasks; for each field the first one that names it counts.
    """

    stage: str
    raw: tuple[str, ...] = ()
    parsed: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    pattern: re.Pattern[str] = NAME
    tables: tuple[TaskTable, ...] = ()


@dataclasses.dataclass(frozen=True)
class Layout:
    """The stages of a data root, parents before children.

    Attributes:
        stages: What is known of each.
        lenient: Whether a column that a table does not have is left out; else it is an error.
    """

    stages: tuple[StageLayout, ...]
    lenient: bool = False

    def tasks(self, stage: StageLayout, data_root: Path) -> dict[str, Task] | None:
        """What the tables of a stage say of its tasks; ``None`` where there is no table.

        Raises:
            ConfigurationError: A table cannot be read, or is not what the layout says.
        """
        tables = [
            dataclasses.replace(table, path=str(data_root / table.path))
            for table in stage.tables
            if (data_root / table.path).is_file()
        ]
        if not tables:
            return None
        tasks: dict[str, Task] = {}
        for table in tables:
            for task_id, task in (_fitting(table) if self.lenient else table).read().items():
                tasks[task_id] = _first_of(tasks.get(task_id, Task()), task)
        return tasks


def read_layout(path: str | os.PathLike[str] | None = None) -> Layout:
    """A layout from its TOML file.

    Args:
        path: The file. Default: the layout of ``2_tasks``, ``3_generation`` and ``4_evaluation``.

    Raises:
        ConfigurationError: The file cannot be read, or says something that is not understood.
    """
    file = _OWN if path is None else Path(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        stages = tuple(_stages(content))
    except ConfigurationError:
        raise
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from None
    except ValueError as error:  # of TOML and of UTF-8 too
        raise _unusable(file, str(error)) from None
    if not stages:
        raise _unusable(file, "it names no stage")
    return Layout(stages, lenient=path is None)


def _stages(content: Mapping[str, Any]) -> Iterator[StageLayout]:
    unknown = set(content) - {"stage"}
    if unknown:
        raise ValueError(f"there is no setting {min(unknown)!r}")
    for number, settings in enumerate(_tables(content.get("stage", []), "stage"), start=1):
        name = settings.pop("name", None)
        if not isinstance(name, str):
            raise ValueError(f'stage number {number} has no name; write name = "essay" below its [[stage]]')  # noqa: TRY004 - as the others
        pattern = _pattern(name, settings.pop("pattern", NAME.pattern))
        tables = tuple(_task_table(name, table) for table in _tables(settings.pop("tasks", []), "stage.tasks"))
        folders = {kind: _inside(name, kind, settings.pop(kind, [])) for kind in ("raw", "parsed", "prompts")}
        if settings:
            raise ValueError(f"stage {name!r} has no setting {min(settings)!r}")
        yield StageLayout(name, pattern=pattern, tables=tables, **folders)


def _tables(value: object, name: str) -> list[dict[str, Any]]:
    """Copies of the tables of a TOML array."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"{name!r} is not a list of tables; write [[{name}]], with two brackets on each side")
    return [dict(each) for each in value]


def _pattern(stage: str, pattern: object) -> re.Pattern[str]:
    example = r"pattern = '(?P<task>.+)_v(?P<version>\d+)\.txt'"
    try:
        compiled = re.compile(pattern, re.DOTALL) if isinstance(pattern, str) else None
    except re.error as error:
        raise ValueError(f"the pattern of stage {stage!r} is no regular expression: {error}; write {example}") from None
    if compiled is None or "task" not in compiled.groupindex:
        raise ValueError(f"the pattern of stage {stage!r} has no group 'task'; write {example}")
    return compiled


def _task_table(stage: str, settings: Mapping[str, Any]) -> TaskTable:
    known = {each.name for each in dataclasses.fields(TaskTable)}
    if unknown := set(settings) - known:
        raise ValueError(
            f"the tasks of stage {stage!r} have no setting {min(unknown)!r}; there are {', '.join(sorted(known))}"
        )
    if not isinstance(settings.get("path"), str):
        raise ValueError(f'the tasks of stage {stage!r} have no path; write path = "tasks.csv"')  # noqa: TRY004 - as the others
    return TaskTable(**settings)


def _inside(stage: str, kind: str, folders: object) -> tuple[str, ...]:
    """The folders; none may leave the data root, since reports name files by their path below it."""
    if not isinstance(folders, list) or not all(isinstance(each, str) for each in folders):
        example = folders if isinstance(folders, str) else "essays"
        raise ValueError(f'{kind!r} of stage {stage!r} is not a list of folders; write {kind} = ["{example}"]')
    for folder in folders:
        if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
            raise ValueError(f"the folder {folder!r} leaves the data root")
    return tuple(folder.rstrip("/") for folder in folders)


def _fitting(table: TaskTable) -> TaskTable:
    """The table without the columns that its file lacks."""
    existing = set(table.columns())
    columns = ("template_id", "model_id", "parent_task_id")
    missing: dict[str, None] = {name: None for name in columns if getattr(table, name) not in existing}
    if "parent_task_id" in missing:
        missing["parent_stage"] = None
    return dataclasses.replace(table, **missing)  # type: ignore[arg-type] # names of fields that may be None


def _first_of(known: Task, more: Task) -> Task:
    parent = known if known.parent_task_id else more
    return Task(
        template_id=known.template_id or more.template_id,
        model_id=known.model_id or more.model_id,
        parent_task_id=parent.parent_task_id,
        parent_stage=parent.parent_stage,
    )


def _unusable(file: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        setting=f"The layout {file}",
        reason=reason,
        hint="`doc-io backfill --help` shows a layout, docs/adopting.md all that it may say.",
    )
