"""Cost against size as a picture: ratios to the floor of the same run, over the rows in the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

_PANELS = {
    "write against size": ("a write", 0.80),
    "read the latest ok": ("a read of the latest ok", 1.5),
    "history of one key, 100 versions": ("the history of one key", 2.0),
}


def draw(results: Mapping[str, Any], path: Path) -> None:
    """One panel a contest that looked at growth: the median ratio, its middle half, and the goal.

    Args:
        results: A run as `benchmarks.report.as_json` gives it.
        path: The picture; its suffix chooses the format.
    """
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "doc_io"  # the same run draws the same file
    measured = {contest["name"]: contest["lanes"] for contest in results["contests"] if contest["name"] in _PANELS}
    figure, axes = plt.subplots(1, max(1, len(measured)), figsize=(4.2 * max(1, len(measured)), 3.4), squeeze=False)
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
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(figure, path)
    growth = [contest for contest in results["contests"] if contest["name"].startswith("growth at ")]
    if growth:
        _draw_growth(growth, path.with_name(f"growth{path.suffix}"))


def _draw_growth(contests: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Seconds and memory of each verb over the documents in the store."""
    seconds: dict[str, list[tuple[int, float]]] = {}
    memory: dict[str, list[tuple[int, float]]] = {}
    for contest in contests:
        for lane in contest["lanes"]:
            name, size = lane["name"], lane["size"]
            seconds.setdefault(name, []).append((size, contest["facts"][f"{name}, s of processor time"]))
            memory.setdefault(name, []).append((size, contest["facts"][f"{name}, MB"]))
    figure, axes = plt.subplots(1, 2, figsize=(11, 5))
    for axis, values, title in ((axes[0], seconds, "seconds of processor time"), (axes[1], memory, "memory, MB")):
        for number, (name, points) in enumerate(values.items()):
            style = ("-", "--", ":")[number // 10 % 3]
            axis.plot(*zip(*sorted(points), strict=True), marker=".", linestyle=style, label=name)
        axis.set(xscale="log", yscale="log", xlabel="documents", title=title)
    axes[1].legend(fontsize=7, bbox_to_anchor=(1.02, 1), loc="upper left")
    figure.tight_layout()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
