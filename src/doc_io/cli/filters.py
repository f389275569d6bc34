"""The filters: one set of options, for every command that is about many documents."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from doc_io.cli.options import complete, groups, listed, starting, tasks_starting
from doc_io.document import FAILED, DocumentRow, Status
from doc_io.index.base import Filter, GroupedBy

if TYPE_CHECKING:
    from doc_io.progress import Progress
    from doc_io.store import DocumentStore

# ruff: noqa: PLC0415 - `ls` need not wait for what only another command, or a mistake, needs

_F = TypeVar("_F", bound=Callable[..., Any])
_MAX_SUGGESTED = 10_000  # rows that are read to suggest a task
_MAX_HITS = 10_000  # documents that have the words; their ids become parameters of one statement
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_DAYS_AGO = {"today": 0, "yesterday": 1}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


_REPEATED = frozenset(
    {"stage", "task_id", "status", "model_id", "template_id", "run_id", "experiment_id", "since", "until", "words"}
)
"""The filters that `given` hands on."""


class Age(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic from click 8.3 on
    """A duration: a number and s, m, h, d or w."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration of ``30d``; click's own signature."""
        if isinstance(value, timedelta):
            return value
        found = _AGE.fullmatch(value)
        if value == "0":
            return timedelta(0)
        if found is None:
            self.fail(f"{value!r} is no age; give a number and s, m, h, d or w, such as 30d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class Time(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # as above
    """A point in time: a date or time in ISO 8601 (UTC where it does not say), the start of a UTC day, or an age such as 2h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The time in the form of ``created_at``; click's own signature."""
        try:
            if _AGE.fullmatch(value):
                moment = datetime.now(timezone.utc) - Age().convert(value, param, ctx)
            elif value in _DAYS_AGO:
                today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
                moment = today - timedelta(days=_DAYS_AGO[value])
            else:
                moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
                moment = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time; give 2026-01-31, 2026-01-31T12:00 (UTC), today, yesterday, or an age such as 2h",
                param,
                ctx,
            )
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def given() -> list[str]:
    """The filters of this command line, as words for another command; without -n, and without the flags --failed and --newest."""
    context = click.get_current_context()
    words: list[str] = []
    for option in context.command.params:
        if isinstance(option, click.Option) and option.name in _REPEATED and context.params.get(option.name):
            value = context.params[option.name]
            words += [option.opts[0], value if isinstance(value, str) else _as_csv(value)]
    return words


def _as_csv(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


@dataclass(frozen=True)
class Selection:
    """The documents that the filters of a command line choose.

    Attributes:
        filter: What the index can tell.
        words: Words that the text must have. Default: any text.
        limit: How many at most. Default: as many as there are.
        failed: Whether only failures are asked for.
    """

    filter: Filter
    words: str | None = None
    limit: int | None = None
    failed: bool = False

    def as_filter(self, store: DocumentStore, progress: Progress | None = None) -> Filter | None:
        """One filter for all of it; ``None`` where no document has the words.

        Raises:
            UnknownNameError: No document has such a stage, task, model, …
        """
        where = refuse_unknown(store, self.filter)
        if self.words is None:
            return where
        from doc_io.reports.search import search

        hits = search(store, self.words, where, limit=_MAX_HITS, progress=progress)
        if len(hits) == _MAX_HITS:
            click.echo(f"Only the newest {_MAX_HITS:,} documents with these words are counted.", err=True)
        return replace(where, doc_id=tuple(hit.row.doc_id for hit in hits)) if hits else None

    def rows(self, store: DocumentStore, after: DocumentRow | None = None) -> Iterator[DocumentRow]:
        """The rows, newest first."""
        where = self.as_filter(store)
        if where is None:
            return iter(())
        return islice(_pages(store, where, after, self.limit), self.limit)


def _pages(store: DocumentStore, where: Filter, after: DocumentRow | None, limit: int | None) -> Iterator[DocumentRow]:
    while page := store.select(where, after=after, limit=min(limit or 1000, 1000)):
        yield from page
        after = page[-1]


_GROUPS: dict[str, tuple[str, GroupedBy]] = {
    "stage": ("stage", "stage"),
    "model_id": ("model", "model_id"),
    "template_id": ("template", "template_id"),
    "run_id": ("run", "run_id"),
    "experiment_id": ("experiment", "experiment_id"),
}
"""What can be unknown, its name for people, and the totals that know all of it."""


def refuse_unknown(store: DocumentStore, where: Filter) -> Filter:
    """Raise for a name that no document has: a typing error must not look like an empty result.

    Returns:
        The filter; a run that was named by the start of its id, which no other begins with, is there with all of it.

    Raises:
        UnknownNameError: No document has such a stage, task, model, …
    """
    one_of_each = all(len(_several(getattr(where, name))) <= 1 for name in ("task_id", *_GROUPS))
    if where == Filter() or (one_of_each and store.select(where, limit=1)):
        return where
    from doc_io.naming import unknown_value

    for column, (what, group) in _GROUPS.items():
        names = _several(getattr(where, column))
        known = groups(store, group) if names else []
        if column == "run_id" and names:
            names = tuple(_whole(name, known) for name in names)
            where = replace(where, run_id=names[0] if len(names) == 1 else names)
        for name in names:
            if name not in known:
                raise unknown_value(store.docs_root, what, name, known)
    for task in _several(where.task_id):
        if not store.select(Filter(stage=where.stage, task_id=task), limit=1):
            rows = store.select(Filter(stage=where.stage), limit=_MAX_SUGGESTED)
            raise unknown_value(store.docs_root, "task", task, {row.task_id for row in rows})
    return where


def _whole(start: str, known: Sequence[str]) -> str:
    """The one name that begins like this; what was given where it is a name itself, or not one alone begins so."""
    longer = [each for each in known if each.startswith(start)]
    return longer[0] if len(longer) == 1 and start not in known else start


def _several(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _statuses(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Status, ...]:
    choice = click.Choice([each.value for each in Status])
    if "failed" in values:
        raise click.BadParameter(
            "'failed' is no status; for tasks whose newest attempt failed, use --failed.", ctx, param
        )
    return tuple(Status(choice.convert(each, param, ctx)) for each in listed(ctx, param, values))


def _complete_status(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    return [each.value for each in Status if each.value.startswith(incomplete)]


def _names(
    option: str, name: str, help_text: str, suggest: Callable[[DocumentStore, str], list[str]]
) -> Callable[[_F], _F]:
    return click.option(
        option, name, multiple=True, metavar="NAMES", callback=listed, help=help_text, shell_complete=complete(suggest)
    )


stage = _names("--stage", "stage", "Only these stages; commas between them.", starting("stage"))
run = _names("--run", "run_id", "Only these runs; the start of an id is enough.", starting("run_id"))
experiment = _names("--experiment", "experiment_id", "Only these experiments.", starting("experiment_id"))
_FILTERS = (
    stage,
    _names("--task", "task_id", "Only these tasks.", lambda store, start: tasks_starting(store, start, None)),
    click.option(
        "--status",
        multiple=True,
        metavar="NAMES",
        callback=_statuses,
        shell_complete=_complete_status,
        help="Only these: ok, truncated, parse_error, gen_error, skipped.",
    ),
    click.option("--failed", is_flag=True, help="Only tasks whose newest attempt failed."),
    click.option("--newest", is_flag=True, help="Only the newest attempt of each task."),
    _names("--model", "model_id", "Only these models.", starting("model_id")),
    _names("--template", "template_id", "Only these templates.", starting("template_id")),
    run,
    experiment,
    click.option(
        "--since",
        type=Time(),
        help="Made at or after a time in UTC (2026-01-31, today, yesterday) or within an age (2h, 7d).",
    ),
    click.option("--until", type=Time(), help="Made before a time in UTC, or longer ago than an age."),
)
words = click.option("--words", help="Only texts that have all these words.")
"""The one filter that `search` takes as its argument."""

limit = click.option("-n", "--limit", type=click.IntRange(1), help="How many at most.")


def filters(command: _F) -> _F:
    """The options that choose documents, handed to the command as one ``chosen``, a `Selection`."""
    return _choosing(command, _FILTERS)


def filters_within_stage(command: _F) -> _F:
    """The same, for a command whose argument is the stage."""
    return _choosing(command, _FILTERS[1:])


def _choosing(command: _F, options: Sequence[Any]) -> _F:
    @wraps(command)
    def selecting(*args: Any, words: str | tuple[str, ...] | None = None, limit: int | None, **values: Any) -> Any:
        names = ("task_id", "model_id", "template_id", "run_id", "experiment_id")
        # One name is asked for by equality, which the index's own plans are made for.
        several = {name: values.pop(name) for name in (*names, *(["stage"] if options is _FILTERS else []))}
        named: dict[str, Any] = {name: each[0] if len(each) == 1 else each or None for name, each in several.items()}
        status, failed, newest = values.pop("status"), values.pop("failed"), values.pop("newest")
        if failed:
            if status and FAILED.isdisjoint(status):
                raise click.UsageError(f"--failed and --status {','.join(status)} exclude each other.")
            status = tuple(FAILED.intersection(status) or FAILED)
        times = {"since": values.pop("since"), "until": values.pop("until")}
        chosen = Filter(status=status, newest=newest or failed, **times, **named)
        text = " ".join(words) if isinstance(words, tuple) else words
        return command(*args, chosen=Selection(chosen, text, limit, failed), **values)

    for option in reversed((*options, limit)):
        option(selecting)
    return selecting  # type: ignore[return-value]
