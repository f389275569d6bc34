"""``python -m benchmarks``: measure, print a table a contest, keep every sample as JSON, draw cost against size.

A long run can be taken in parts: the JSON is written after every contest, and ``--with`` adds that of earlier runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from benchmarks.ground import Setting, machine, measured_folder
from benchmarks.measure import Outcome, hold
from benchmarks.report import as_json, save_json, table, with_earlier

SUBJECTS = (
    "writes",
    "reads",
    "queries",
    "steps",
    "crowd",
    "generate",
    "starts",
    "memory",
    "servers",
    "engine",
    "backfill",
    "growth",
    "pages",
    "peers",
)
SIZES = (0, 1_000, 10_000, 100_000, 1_000_000)


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen subjects.

    Args:
        arguments: The command line. Default: that of this process.

    Returns:
        0: a goal that was not reached is in the table, and no failure of the run.
    """
    options = _options(arguments)
    outcomes: list[Outcome] = []
    earlier = [json.loads(path.read_text(encoding="utf-8")) for path in options.earlier]
    with measured_folder(options.folder) as folder:
        setting = Setting(
            folder,
            rounds=1 if options.short else options.rounds,
            batch=3 if options.short else 20,
            sizes=(0, 1_000)
            if options.short
            else tuple(size for size in SIZES if options.smallest <= size <= options.largest),
            short=options.short,
            peers=dict(options.peer),
        )
        where = machine(folder)
        results = with_earlier(as_json(outcomes, where), earlier)
        print("Measured on", ", ".join(f"{name}: {value}" for name, value in where.items()), end="\n\n")
        for subject in options.subjects or SUBJECTS:
            for contest in importlib.import_module(f"benchmarks.contests.{subject}").contests(setting):
                outcomes.append(hold(contest, options.seed))
                print(table(outcomes[-1]), flush=True)
                results = with_earlier(as_json(outcomes, where), earlier)
                if options.json:
                    save_json(options.json, results)
    if options.plot:
        from benchmarks.plot import draw  # noqa: PLC0415 - matplotlib is in the extra `bench`

        draw(results, options.plot)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--short", action="store_true", help="see that everything runs; the figures mean nothing")
    parser.add_argument("--rounds", type=int, default=15, help="counted rounds a contest (default 15)")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="the largest index, in rows (default 1,000,000)")
    parser.add_argument("--smallest", type=int, default=0, help="the smallest index, in rows (default 0)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of lanes")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="on the disk to measure (default .bench)")
    parser.add_argument("--json", type=Path, help="keep every sample here")
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        type=Path,
        dest="earlier",
        metavar="JSON",
        help="what --json kept of an earlier run: contests that this run does not hold are taken from there",
    )
    parser.add_argument("--plot", type=Path, help="draw cost against size into this file (.svg or .png)")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        type=_peer,
        metavar="NAME=PYTHON",
        help="the interpreter that has a peer installed",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    return options


def _peer(text: str) -> tuple[str, str]:
    name, found, python = text.partition("=")
    if not found:
        message = f"{text!r} is not NAME=PYTHON"
        raise argparse.ArgumentTypeError(message)
    return name, python


if __name__ == "__main__":
    sys.exit(main())
