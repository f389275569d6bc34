"""A run as a table for people and as JSON for later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Outcome, Result, spread

_MICRO, _MILLI = 1e-6, 1e-3


def duration(seconds: float) -> str:
    """Seconds in the unit a person would use, three digits."""
    size = abs(seconds)
    if size < _MILLI:
        return f"{seconds / _MICRO:.3g} µs"
    return f"{seconds / _MILLI:.3g} ms" if size < 1 else f"{seconds:.3g} s"


def table(outcome: Outcome) -> str:
    """One contest as a Markdown table, its facts as lines below.

    Args:
        outcome: The measured contest.

    Returns:
        Text that ends in a newline.
    """
    lines = [f"### {outcome.contest}", ""]
    header = ("", "median", "middle half", "ratio", "middle half", "goal", "")
    rows = [_row(result) for result in outcome.results]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines.append(_line(header, widths))
    lines.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    lines.extend(_line(row, widths) for row in rows)
    lines.extend(["", *(f"- {name}: {value}" for name, value in outcome.facts.items())] if outcome.facts else [])
    return "\n".join(lines) + "\n"


def _row(result: Result) -> tuple[str, ...]:
    low, high = spread(result.seconds)
    goal, ratio, ratios = "", "", ""
    if result.lane.goal is not None:
        goal = f"≤ {result.lane.goal:.2f}"
    if result.lane.goal_seconds is not None:
        goal = f"≤ {duration(result.lane.goal_seconds)}"
    if result.ratio is not None:
        ratio = f"{result.ratio:.2f}"
        ratios = "{:.2f} to {:.2f}".format(*spread(result.ratios))
    verdict = {True: "reached", False: "**not reached**", None: result.lane.note}[result.reached]
    return (
        result.lane.name,
        duration(result.median),
        f"{duration(low)} to {duration(high)}",
        ratio,
        ratios,
        goal,
        verdict,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def as_json(outcomes: Iterable[Outcome], machine: Mapping[str, Any]) -> dict[str, Any]:
    """Every sample of every lane, with where it was measured.

    Args:
        outcomes: The measured contests.
        machine: What `benchmarks.ground.machine` says.

    Returns:
        A mapping that JSON can hold.
    """
    return {
        "machine": dict(machine),
        "contests": [
            {
                "name": outcome.contest,
                "facts": dict(outcome.facts),
                "lanes": [
                    {
                        "name": result.lane.name,
                        "floor": result.lane.floor,
                        "size": result.lane.size,
                        "goal": result.lane.goal,
                        "goal_seconds": result.lane.goal_seconds,
                        "reached": result.reached,
                        "note": result.lane.note,
                        "median_seconds": result.median,
                        "ratio": result.ratio,
                        "seconds": result.seconds,
                        "ratios": result.ratios,
                    }
                    for result in outcome.results
                ],
            }
            for outcome in outcomes
        ],
    }


def with_earlier(results: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A run with the contests of earlier ones; of two of one name the later counts.

    Args:
        results: A run, as `as_json` gives it.
        earlier: Others, the earliest first.
    """
    contests = {contest["name"]: contest for run in (*earlier, results) for contest in run["contests"]}
    return {**results, "contests": list(contests.values())}


def save_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write the run next to earlier ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
