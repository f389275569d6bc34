"""The measuring frame: lanes run side by side in shuffled rounds, each ratio taken within its own round.

A shared machine drifts from minute to minute by more than the differences of interest. So a lane is never compared with
a floor measured at another time: every round runs every lane once, in a new order, and the ratio is taken inside the round.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Timed = Callable[[], float]
"""Does the measured thing and returns the seconds one operation of it took."""


@dataclass(frozen=True)
class Lane:
    """One thing to time, and the lane it is held against.

    Args:
        name: What stands in the table; unique within its contest.
        run: One round of it; returns seconds per operation.
        floor: The name of the lane that counts as 1, or ``None`` for a floor itself.
        goal: The highest ratio that reaches the goal, where there is one.
        goal_seconds: The most seconds that reach the goal, where the goal is no ratio.
        size: How many versions the index held, for the plot of cost against size.
        note: What a reader must know to judge the figure: what it does not do, above all.
    """

    name: str
    run: Timed
    floor: str | None = None
    goal: float | None = None
    goal_seconds: float | None = None
    size: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Contest:
    """Lanes that are measured against each other, in one run.

    Args:
        name: What is measured, as a heading.
        lanes: What runs; every floor named by a lane is among them.
        rounds: Counted rounds.
        facts: Asked after the last round for what is no duration: errors, versions, sizes.
    """

    name: str
    lanes: Sequence[Lane]
    rounds: int
    facts: Callable[[], Mapping[str, str | float]] = dict


@dataclass(frozen=True)
class Result:
    """What one lane took: seconds of every round, and the ratio to its floor in the same round."""

    lane: Lane
    seconds: list[float]
    ratios: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median of the rounds, in seconds per operation."""
        return statistics.median(self.seconds)

    @property
    def ratio(self) -> float | None:
        """Median of the ratios taken within each round; ``None`` for a floor."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached in this run; ``None`` where there is no goal."""
        if self.lane.goal is not None and self.ratio is not None:
            return self.ratio <= self.lane.goal
        return None if self.lane.goal_seconds is None else self.median <= self.lane.goal_seconds


@dataclass(frozen=True)
class Outcome:
    """The results of one contest, in the order of its lanes, and its facts."""

    contest: str
    results: list[Result]
    facts: Mapping[str, str | float]


@dataclass
class Stopwatch:
    """Seconds measured inside a ``with timed()`` block, divided by the operations done in it."""

    per_operation: float = 0.0


@contextmanager
def timed(operations: int = 1) -> Iterator[Stopwatch]:
    """Time a block; the stopwatch holds seconds per operation when the block has ended."""
    watch = Stopwatch()
    start = time.perf_counter()
    yield watch
    watch.per_operation = (time.perf_counter() - start) / operations


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The lower and upper quartile; both the value itself where there is only one."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def hold(contest: Contest, seed: int) -> Outcome:
    """Run every lane once a round, in a new order each time, with the disk's backlog written out in between.

    The first round warms caches, held connections and imports, and is not counted.

    Args:
        contest: The lanes; a lane whose floor is not among them is an error.
        seed: Makes the order of lanes repeatable.

    Returns:
        The results.

    Raises:
        KeyError: A lane names a floor that is not in the contest.
    """
    shuffle = random.Random(seed).shuffle  # noqa: S311 - an order of measurements, no secret
    seconds: dict[str, list[float]] = {lane.name: [] for lane in contest.lanes}
    for round_ in range(contest.rounds + 1):
        order = list(contest.lanes)
        shuffle(order)
        for lane in order:
            os.sync()  # what the lane before left in the page cache is not this one's to pay
            took = lane.run()
            if round_ > 0:
                seconds[lane.name].append(took)
    results = []
    for lane in contest.lanes:
        mine, base = seconds[lane.name], seconds[lane.floor] if lane.floor else []
        results.append(Result(lane, mine, [one / other for one, other in zip(mine, base, strict=False)]))
    return Outcome(contest.name, results, contest.facts())
