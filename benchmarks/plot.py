"""Cost against size as pictures: ratios to the floor of the same run over the rows in the index, and the growth of each verb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.report import duration

_PANELS = {
    "write against size": ("a write", 0.80),
    "read the latest ok": ("a read of the latest ok", 1.5),
    "history of one key, 100 versions": ("the history of one key", 2.0),
}


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw what a run looked at: ratios as one panel a contest, and beside it ``growth`` with the same suffix.

    Args:
        results: A run as `benchmarks.report.as_json` gives it; several together by `benchmarks.report.with_earlier`.
        path: The picture of ratios; its suffix chooses the format.
    """
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "doc_io"  # the same run draws the same file
    measured = {contest["name"]: contest["lanes"] for contest in results["contests"] if contest["name"] in _PANELS}
    if measured:
        _draw_ratios(measured, path)
    growth = [contest for contest in results["contests"] if contest["name"].startswith("growth at ")]
    if growth:
        _draw_growth(growth, path.with_name(f"growth{path.suffix}"))


def _draw_ratios(measured: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """The median ratio, its middle half, and the goal."""
    figure, axes = plt.subplots(1, len(measured), figsize=(4.2 * len(measured), 3.4), squeeze=False)
    for axis, (name, lanes) in zip(axes[0], measured.items(), strict=True):
        title, goal = _PANELS[name]
        points = sorted((lane["size"], lane) for lane in lanes if lane["floor"] and lane["size"] is not None)
        sizes = [max(size, 100) for size, _ in points]  # an empty index has no place on a logarithmic axis
        middle = [lane["ratio"] for _, lane in points]
        ranges = [sorted(lane["ratios"]) for _, lane in points]
        low = [one - values[len(values) // 4] for one, values in zip(middle, ranges, strict=True)]
        high = [values[-1 - len(values) // 4] - one for one, values in zip(middle, ranges, strict=True)]
        axis.errorbar(sizes, middle, yerr=[low, high], marker="o", capsize=3, label="doc_io")
        axis.axhline(1.0, color="grey", linewidth=1, label="by hand")
        axis.axhline(goal, color="grey", linewidth=1, linestyle=":", label=f"goal {goal:g}")
        axis.set(xscale="log", xlabel="rows in the index (0 drawn at 100)", title=title, ylim=(0, max(2.0, goal * 1.2)))
        axis.legend(fontsize=8)
    axes[0][0].set_ylabel("time, floor = 1")
    figure.tight_layout()
    _save(figure, path)


_ROWS: dict[str, tuple[str, ...]] = {
    "Check and rebuild": ("verify", "verify, no row is left", "verify, no file is left", "reindex"),
    "Read every text or row": ("first search", "export with texts", "compare by the draft's template"),
    "Remove": ("prune, what would go", "prune of a stage"),
    "Ask": (
        "next search",
        "lineage of up to 20,000 children",
        "the same, 10 of them",
        "history of up to 20,000 attempts",
        "status",
        "usage by day",
        "usage by run",
    ),
    "Of fixed size": ("diff, 2 % of 5 MB changed", "look-up of a pin among 50,000", "save_many of 1,000"),
    "In a terminal": (),  # all that begins with doc-io, and what follows it
}
"""The verbs of `benchmarks.contests.growth` that stand in one row of panels; one that is not named stands in the last."""
_THOUSAND = 1000  # seconds, which three digits would show as 1e+03
_SHORTEST = 1e-4  # seconds; less is drawn there


def _draw_growth(contests: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Small multiples: a row for each kind of verb, seconds to the left and memory to the right, over the size of the store."""
    points: dict[str, list[tuple[int, float, float]]] = {}
    for contest in contests:
        facts = contest["facts"]
        for lane in contest["lanes"]:
            name = lane["name"]
            used, memory = max(facts[f"{name}, s of processor time"], _SHORTEST), facts[f"{name}, MB"]
            points.setdefault(name, []).append((lane["size"], used, memory))
    named = {name for names in _ROWS.values() for name in names}
    rest = tuple(name for name in points if name not in named)
    rows = [(title, [name for name in names or rest if name in points]) for title, names in _ROWS.items()]
    rows = [(title, names) for title, names in rows if names]
    figure, axes = plt.subplots(
        len(rows), 2, figsize=(10, 2.1 * len(rows) + 0.8), sharex=True, squeeze=False, layout="constrained"
    )
    for (seconds, memory), (title, names) in zip(axes, rows, strict=True):
        for name in names:
            at, used, peak = zip(*sorted(points[name]), strict=True)
            seconds.plot(at, used, marker="o", markersize=3, linewidth=1.2)
            memory.plot(at, peak, marker="o", markersize=3, linewidth=1.2, label=name)
        _finish_row(seconds, memory, title, [points[name] for name in names])
    sizes = sorted({size for each in points.values() for size, _, _ in each})
    most = max(memory for each in points.values() for _, _, memory in each)
    for _, memory in axes:
        memory.set_ylim(0, most * 1.1)
    for axis in axes[-1]:
        axis.set_xlabel("documents in the store")
    figure.suptitle(
        f"From {sizes[0]:,} to {sizes[-1]:,} documents: each verb in a process of its own, none with more than"
        f" {most:,.0f} MB.\nDotted: what grows as fast as the store.",
        fontsize=10,
    )
    _save(figure, path)


def _finish_row(seconds: Any, memory: Any, title: str, points: Sequence[Sequence[tuple[int, float, float]]]) -> None:
    """Titles that say what the largest store took, axes, and a slope to compare with."""
    sizes = [size for line in points for size, _, _ in line]
    smallest, largest = min(sizes), max(sizes)
    used = [seconds for each in points for _, seconds, _ in each]
    at_end = [each for line in points for each in line if each[0] == largest]
    longest, peak = max(seconds for _, seconds, _ in at_end), max(memory for _, _, memory in at_end)
    seconds.set_title(f"{title}: at most {duration(longest)}", fontsize=9, loc="left")
    memory.set_title(f"at most {peak:,.0f} MB", fontsize=9, loc="left")
    decades = (10.0 ** floor(log10(min(used))), 10.0 ** ceil(log10(max(used))))
    seconds.set(xscale="log", yscale="log", ylabel="processor time", ylim=decades)
    seconds.yaxis.set_major_formatter(lambda value, _: duration(value) if value < _THOUSAND else f"{value:,.0f} s")
    seconds.yaxis.set_minor_formatter("")
    memory.set_ylabel("peak memory, MB")
    begin = max(seconds for line in points for size, seconds, _ in line if size == smallest)
    seconds.plot((smallest, largest), (begin, begin * largest / smallest), color="grey", linewidth=0.8, linestyle=":")
    for axis in (seconds, memory):
        axis.grid(visible=True, color="#dddddd", linewidth=0.5)
        axis.tick_params(labelsize=8)
    memory.legend(fontsize=7, bbox_to_anchor=(1.02, 1), loc="upper left", frameon=False)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
