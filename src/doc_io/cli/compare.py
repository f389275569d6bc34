"""The command that asks whether the new prompt helped."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from doc_io import reports
from doc_io.cli import filters, options, render
from doc_io.index.base import Filter

if TYPE_CHECKING:
    from doc_io.cli.config import StoreLocation
    from doc_io.reports.compare import Distribution

_SHORT = ("template", "model", "run", "experiment", "task")


@click.command()
@click.argument("stage", shell_complete=options.complete(options.starting("stage")))
@click.option(
    "--by",
    default="template",
    show_default=True,
    metavar="[STAGE.]COLUMN",
    help="template, model, run, experiment, task, day, status …; of an ancestor with its stage: draft.template.",
)
@click.option("--all", "every", is_flag=True, help="Count every attempt, not the newest of each task and group.")
@filters.filters_within_stage
@filters.words
@options.as_json
@click.pass_obj
def compare(
    location: StoreLocation, /, stage: str, by: str, *, chosen: filters.Selection, every: bool, as_json: bool
) -> None:
    """Compare templates, models, runs by what a stage made of them.

    Share of ok documents, scores, tokens and lengths of each group; best mean score first. --by draft.template groups
    evaluations by the template of the draft that they go back to.
    """
    ancestor, dot, column = by.rpartition(".")
    by = f"{ancestor}{dot}{column}_id" if column in _SHORT else by
    with location.existing() as store:
        filters.refuse_unknown(store, Filter(stage=[stage, *([ancestor] if ancestor else [])]))
        where = replace(chosen, filter=replace(chosen.filter, stage=stage)).as_filter(store)
        groups = (
            [] if where is None else reports.compare(store, stage, by, where, attempts="all" if every else "newest")
        )
        groups = groups[: chosen.limit]
    if as_json:
        render.as_json([{**asdict(each), "ok_rate": each.ok_rate} for each in groups])
        return
    priced = any(each.cost for each in groups)
    render.table(
        (
            by,
            "documents",
            "ok",
            "score",
            "median",
            "quartiles",
            "tokens",
            "characters",
            *(("cost_usd",) if priced else ()),
        ),
        [
            (
                *(each.group, each.documents, f"{each.ok_rate:.0%}", _mean(each.score)),
                *(_number(None if each.score is None else each.score.median), _quartiles(each.score)),
                *(_mean(each.tokens), _mean(each.characters), *((_mean(each.cost),) if priced else ())),
            )
            for each in groups
        ],
    )


def _mean(found: Distribution | None) -> str | None:
    return None if found is None else _number(found.mean)


def _quartiles(found: Distribution | None) -> str | None:
    return None if found is None else f"{_number(found.lower_quartile)} to {_number(found.upper_quartile)}"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"  # noqa: PLR2004 - digits
