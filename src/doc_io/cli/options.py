"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import click

from doc_io.document import Status
from doc_io.index.base import Filter

_F = TypeVar("_F", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
doc = click.argument("doc")

_AGE = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic from click 8.3 on
    """A duration: a number and s, m, h, d or w."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration of ``30d``; click's own signature."""
        if isinstance(value, timedelta):
            return value
        found = _AGE.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is no age; give a number and s, m, h, d or w, such as 30d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class Since(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # as above
    """A point in time: a date or time in ISO 8601 (UTC where it does not say), or an age such as 2h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The time in the form of ``created_at``; click's own signature."""
        if _AGE.fullmatch(value):
            moment = datetime.now(timezone.utc) - Age().convert(value, param, ctx)
        else:
            try:
                moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                self.fail(f"{value!r} is no time; give 2026-01-31, 2026-01-31T12:00, or an age such as 2h", param, ctx)
            moment = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def filters(command: _F) -> _F:
    """The options that choose documents; `wanted` makes one filter of them."""
    options = (
        click.option("--stage", help="Only this stage."),
        click.option("--task", "task_id", help="Only this task."),
        click.option(
            "--status",
            multiple=True,
            type=click.Choice([each.value for each in Status]),
            help="Only this; repeatable.",
        ),
        click.option("--model", "model_id", help="Only this model."),
        click.option("--template", "template_id", help="Only this template."),
        click.option("--run", "run_id", help="Only this run."),
        click.option("--experiment", "experiment_id", help="Only this experiment."),
        click.option("--since", type=Since(), help="Made at or after a time (2026-01-31) or within an age (2h, 7d)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def wanted(chosen: dict[str, Any]) -> Filter:
    """The filter that the options of `filters` spell."""
    status = tuple(Status(each) for each in chosen.pop("status"))
    return Filter(status=status, **chosen)
