"""From an input to what it gets: its annotation decides the shape, the index decides the versions."""

from __future__ import annotations

import collections.abc
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from doc_io.dagster.as_of import AS_OF_TAG, view_of
from doc_io.dagster.identity import own_task_of, stage_of
from doc_io.dagster.internals import in_a_check, in_order, is_fanned_in, known, step_of
from doc_io.dagster.loaded import note_loaded
from doc_io.document import DocumentRow, Status
from doc_io.errors import ConfigurationError, DocIOError, DocumentNotFoundError, UnknownDocumentError
from doc_io.escaping import counted, shell_words
from doc_io.index.base import Filter
from doc_io.maintenance.leases import lease
from doc_io.reading import StoredDocument

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun, InputContext

    from doc_io.dagster.internals import StepExecutionContext
    from doc_io.reading import Which
    from doc_io.store import DocumentStore

_WHICH: tuple[Which, ...] = ("text", "raw", "parsed", "prompt")
_KEYS = ("doc_io/read", "doc_io/version")

MAX_ANCESTORS = 100
"""How many runs back the chain of re-executions is followed."""

Reader = Callable[["DocumentStore", Sequence[DocumentRow], "Which"], "list[Any]"]


@dataclass(frozen=True)
class InputRequest:
    """What an input asks for.

    Attributes:
        label: The input's source in words, for messages.
        stage: Kind of document.
        tasks: Partition key, or ``None`` for what has none, to task.
        shape: ``one``, ``dict``, ``list`` or ``iterator``.
        read: What turns rows into values.
        which: Which text of a document.
        version: A pinned doc_id, or ``None`` for the latest.
        allow_missing: Whether a partition without a document is left out.
    """

    label: str
    stage: str
    tasks: Mapping[str | None, str]
    shape: str
    read: Reader
    which: Which
    version: str | None
    allow_missing: bool


def load(store: DocumentStore, context: InputContext, as_of: str | None = None, read: Reader | None = None) -> Any:
    """Give an input its documents, and note which versions those were.

    Args:
        store: Where they are.
        context: What Dagster knows of the input.
        as_of: A time or a run, whose view of the documents counts. Default: the present.
        read: What turns rows into values, whatever the annotation says. Default: what the annotation says.

    Raises:
        DocumentNotFoundError: A task has no ok document.
        UnknownDocumentError: The pinned version does not exist.
        ConfigurationError: The input's annotation or metadata cannot be followed.
    """
    request = input_request(context, read)
    rows = resolve(store, context, request, as_of)
    found = list(rows.values())
    if request.shape == "iterator":
        return (value for row in found for value in request.read(store, [row], request.which))
    return shaped(request, dict(zip(rows, request.read(store, found, request.which), strict=True)))


def shaped(request: InputRequest, values: Mapping[str | None, Any]) -> Any:
    """The values of some partitions in the shape that an input asks for."""
    if request.shape == "one":
        return next(iter(values.values()), None)
    if request.shape == "iterator":
        return iter(values.values())
    return list(values.values()) if request.shape == "list" else dict(values)


def input_request(context: InputContext, read: Reader | None = None) -> InputRequest:
    """What an input asks for.

    Args:
        context: What Dagster knows of the input.
        read: What turns rows into values. Default: what the annotation says.

    Raises:
        ConfigurationError: Its annotation or metadata cannot be followed.
    """
    metadata = context.definition_metadata or {}
    label = _label(context)
    tasks = _tasks(context, label)
    shape, element = _shape(context, several=len(tasks) > 1)
    if shape == "dict" and None in tasks:
        raise ConfigurationError(
            setting=f"The annotation of the input from {label}",
            reason="there are no partitions that the keys of a dict could be",
            hint="Annotate it as str.",
        )
    unknown = [key for key in metadata if key.startswith("doc_io/") and key not in _KEYS]
    if unknown:  # not only a warning: a version that is pinned under another name would not be read
        raise ConfigurationError(
            setting=f"{unknown[0]} of {label}",
            reason="there is no such key",
            hint=f"An input may have {', '.join(_KEYS)}.",
        )
    which = str(metadata.get("doc_io/read", "text"))
    if which not in _WHICH:
        raise ConfigurationError(
            setting=f"doc_io/read = {which!r} of {label}",
            reason="there is no such text",
            hint=f"Use one of {', '.join(_WHICH)}.",
        )
    version = metadata.get("doc_io/version", "latest")
    if version != "latest" and len(tasks) != 1:
        raise ConfigurationError(
            setting=f"doc_io/version of {label}",
            reason=f"one version cannot stand for {len(tasks)} partitions",
            hint="Pin an input of one partition.",
        )
    return InputRequest(
        label=label,
        stage=stage_of(context),
        tasks=tasks,
        shape=shape,
        read=read or _reader(element, label),
        which=which,
        version=None if version == "latest" else str(version),
        # What has no partitions cannot miss one: an asset that was never made is an error.
        allow_missing=bool(metadata.get("allow_missing_partitions", False)) and None not in tasks,
    )


def _tasks(context: InputContext, label: str) -> dict[str | None, str]:
    if context.has_asset_key and context.has_asset_partitions:
        # Dagster gives MultiPartitionKeys, which are strings; the value of one is its text.
        return {key: str(key) for key in _in_order(context)}
    if context.has_asset_key and known(context, "asset_partitions_def") is not None:
        raise ConfigurationError(
            setting=f"Loading {label}",
            reason="the asset is partitioned and no partition was named",
            hint="Give a partition_key.",
        )
    return {None: own_task_of(context)}


def resolve(
    store: DocumentStore, context: InputContext, request: InputRequest, as_of: str | None = None
) -> dict[str | None, DocumentRow]:
    """Which document each partition is given; noted as read by the step. Arguments and errors as for `load`."""
    step = step_of(context)
    view = as_of_run(context, as_of)
    rows = _resolved(store, context, request, view)
    if step is not None:
        note_loaded(step, known(context, "name") or _label(context), rows.values())
        chosen = request.version is not None or view is not None
        runs = _runs(context)
        _lease(store, step, request, [row for row in rows.values() if chosen or row.run_id in runs])
    return rows


def _lease(
    store: DocumentStore, step: StepExecutionContext, request: InputRequest, chosen: Sequence[DocumentRow]
) -> None:
    """Keep what was not read as the latest ok from being pruned before the run has made anything of it."""
    try:
        latest = store.latest_many(request.stage, [row.task_id for row in chosen]) if chosen else {}
        lease(store, [row for row in chosen if latest.get(row.task_id) != row], step.run_id)
    except DocIOError as error:  # a lease is a safeguard: a store that takes none can still be read
        step.log.warning(f"{request.label}: what was read is not protected from pruning: {error}")


def as_of_run(context: InputContext, as_of: str | None) -> str | None:
    """The time or run whose view an input is given: the run tag ``doc_io/as_of``, else the setting ``as_of``."""
    step = step_of(context)
    return as_of if step is None else step.dagster_run.tags.get(AS_OF_TAG, as_of)


def _resolved(
    store: DocumentStore, context: InputContext, request: InputRequest, as_of: str | None
) -> dict[str | None, DocumentRow]:
    if request.version is not None:
        return {key: _pinned(store, request, task) for key, task in request.tasks.items()}
    tasks = list(request.tasks.values())
    if as_of is None:
        latest = store.latest_many(request.stage, tasks, runs=_runs(context))
    else:
        latest = view_of(store, as_of).latest(request.stage, tasks)
    missing = [key for key, task in request.tasks.items() if task not in latest]
    if missing and not request.allow_missing:
        raise not_found(store, request, missing)
    if missing:
        context.log.warning(
            f"{request.label}: {len(missing)} of {len(request.tasks)} partitions have no ok document and are left out"
            f" (allow_missing_partitions), the first is {missing[0]!r}"
        )
    return {key: latest[task] for key, task in request.tasks.items() if task in latest}


def _in_order(context: InputContext) -> Sequence[str]:
    """The partitions as their definition orders them: Dagster gives those of several dimensions in any order."""
    return in_order(context.asset_partition_keys, known(context, "asset_partitions_def"), known(context, "instance"))


def _runs(context: InputContext) -> Sequence[str]:
    """This run and those it re-executes, newest first: what they wrote comes before anything newer from elsewhere."""
    step = step_of(context)
    if step is None:
        return []
    if step not in _ancestry:
        _ancestry[step] = tuple(_run_and_ancestors(step.dagster_run, step.instance))
    return _ancestry[step]


_ancestry: WeakKeyDictionary[StepExecutionContext, Sequence[str]] = WeakKeyDictionary()


def _run_and_ancestors(run: DagsterRun, instance: DagsterInstance) -> Iterator[str]:
    seen: set[str] = set()
    next_run: DagsterRun | None = run
    while next_run is not None and next_run.run_id not in seen and len(seen) < MAX_ANCESTORS:
        seen.add(next_run.run_id)
        yield next_run.run_id
        parent = next_run.parent_run_id
        next_run = None if parent is None else instance.get_run_by_id(parent)
        if parent is not None and next_run is None:  # deleted from the instance; its documents may still be there
            yield parent
    if run.root_run_id is not None and run.root_run_id not in seen:
        yield run.root_run_id


def _pinned(store: DocumentStore, request: InputRequest, task: str) -> DocumentRow:
    row = store.get(request.version or "")
    if row is None:
        raise UnknownDocumentError(doc_id=request.version, docs_root=store.docs_root)
    if (row.stage, row.task_id) != (request.stage, task):
        raise ConfigurationError(
            setting=f"doc_io/version = {request.version} of {request.label}",
            reason=f"that document belongs to stage {row.stage!r}, task {row.task_id!r}",
            hint=f"Pin one of stage {request.stage!r}, task {task!r}; `doc-io history` lists them.",
        )
    return row


def not_found(store: DocumentStore, request: InputRequest, missing: Sequence[str | None]) -> DocumentNotFoundError:
    """The error for partitions without an ok document: which, of what, and how their newest attempt ended."""
    key = missing[0]
    task = request.tasks[key]
    newest = store.latest(request.stage, task, frozenset(Status))
    more = f" (and {counted(len(missing) - 1, 'more partition')})" if len(missing) > 1 else ""
    none = "none"
    if newest is None and not store.select(Filter(stage=request.stage), limit=1):
        renamed = f"`doc-io rename OLD_STAGE {shell_words([request.stage])}`"
        none = f"none, as of every task of this stage; where the asset had another name, {renamed} brings its documents along"
    return DocumentNotFoundError(
        kind="ok",
        of=f"{request.label}{'' if key is None else f', partition {key}'}{more}",
        stage=request.stage,
        task=task,
        newest=none if newest is None else f"{newest.status}, {newest.doc_id} of {newest.created_at}",
    )


def _label(context: InputContext) -> str:
    if context.has_asset_key:
        return f"asset {context.asset_key.to_user_string()}"
    return f"input {known(context, 'name', '(no name)')}"


def _shape(context: InputContext, *, several: bool) -> tuple[str, Any]:
    """How an annotation wants its documents, and as what each of them."""
    annotation = _without_none(context.dagster_type.typing_type if known(context, "dagster_type") is not None else Any)
    origin = typing.get_origin(annotation) or annotation
    arguments = typing.get_args(annotation)
    if origin in (dict, collections.abc.Mapping):
        return "dict", arguments[1] if arguments else Any
    if origin in (list, collections.abc.Sequence) and is_fanned_in(context):
        return "one", arguments[0] if arguments else Any
    if origin in (list, collections.abc.Sequence):
        return "list", arguments[0] if arguments else Any
    if origin in (collections.abc.Iterator, collections.abc.Iterable):
        return "iterator", arguments[0] if arguments else StoredDocument
    if several and annotation is not Any:
        raise ConfigurationError(
            setting=f"The annotation of input {known(context, 'name', '(no name)')}",
            reason=f"it stands for one document, and {_label(context)} has {len(context.asset_partition_keys)} partitions",
            hint="A check of one partition needs partitions_def: @asset_check(asset=…, partitions_def=…), Dagster 1.12 or later."
            " A check of all of them takes a dict, a list or an Iterator."
            if in_a_check(context)
            else "Annotate it as a dict, a list or an Iterator.",
        )
    return "dict" if several else "one", annotation


def _without_none(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    if type(None) in arguments:
        return next(each for each in arguments if each is not type(None))
    return annotation


def _reader(element: Any, label: str) -> Reader:
    if element in (Any, object, str):
        return texts
    if element is bytes:
        return raw_bytes
    if element is StoredDocument:
        return _stored
    if isinstance(element, type) and issubclass(element, (Path, *_upath())):
        return _folders
    raise ConfigurationError(
        setting=f"The annotation {element!r} of the input from {label}",
        reason="doc_io does not know how to give that",
        hint="Use str, StoredDocument, bytes, UPath or Path, alone or in a dict, list or Iterator.",
    )


def _upath() -> tuple[type, ...]:
    """The class UPath, if it was imported: no annotation can name it before, and importing it takes 0.1 s."""
    module = sys.modules.get("upath")
    return () if module is None else (module.UPath,)


def texts(store: DocumentStore, rows: Sequence[DocumentRow], which: Which) -> list[Any]:
    """Gives each document as its text."""
    found = store.read_many(rows, which)
    return [found[row.doc_id] for row in rows]


def raw_bytes(store: DocumentStore, rows: Sequence[DocumentRow], which: Which) -> list[Any]:
    """Gives each document as the bytes of its text's file."""
    return [store.read_bytes(row, which) for row in rows]


def _stored(store: DocumentStore, rows: Sequence[DocumentRow], which: Which) -> list[Any]:  # noqa: ARG001 - a Reader
    return [store.stored(row) for row in rows]


def _folders(store: DocumentStore, rows: Sequence[DocumentRow], which: Which) -> list[Any]:  # noqa: ARG001 - a Reader
    return [store.resolve_doc_dir(row) for row in rows]
