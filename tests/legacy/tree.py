"""A legacy tree as years of pipelines leave it behind, made from a seed, and what a backfill must find in it."""

from __future__ import annotations

import csv
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = {
    "draft": ("3_generation/draft_responses_raw", "3_generation/draft_responses", "3_generation/draft_prompts"),
    "essay": ("3_generation/essay_responses_raw", "3_generation/essay_responses", "3_generation/essay_prompts"),
    "evaluation": (
        "4_evaluation/evaluation_responses_raw",
        "4_evaluation/evaluation_responses",
        "4_evaluation/evaluation_prompts",
    ),
}
LINKS = "3_generation/links_responses"

NAMES = (
    "combo_v1_ab12_links-v4_deepseek",
    "a task",
    "Über_日本",
    "it's (1), [x]",
    "end_v",
    "_vx",
    "v2_v2_v2",
    "50%",
    "a.b",
)


@dataclass
class Tree:
    """What was made.

    Attributes:
        root: The data root.
        texts: Path of each file that must be found again to its bytes; prompts too.
        bad: Paths of those that must be reported.
        newest: Stage and task to the text that a reader of the old layout gets; only tasks without bad files.
        parents: Stage and task to the task it is made from.
        lines: Stage to the tasks of its table.
    """

    root: Path
    texts: dict[str, bytes] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    newest: dict[tuple[str, str], bytes] = field(default_factory=dict)
    parents: dict[tuple[str, str], str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """How many there are."""
        return len(self.texts) + len(self.bad)


def make_tree(root: Path, files: int, seed: int) -> Tree:
    """Make a tree of at least so many files."""
    chance = random.Random(seed)  # noqa: S311 - must come out the same for a seed
    tree = Tree(root)
    for folders in FOLDERS.values():
        for folder in folders:
            (root / folder).mkdir(parents=True)
    (root / LINKS).mkdir()
    (root / "2_tasks").mkdir()
    for stage in FOLDERS:
        _odd_files(tree, stage)
    number = 0
    tasks: dict[str, list[str]] = {stage: [] for stage in FOLDERS}
    while tree.files < files:
        for stage in FOLDERS:
            task = f"{chance.choice(NAMES)}_{number}"
            if chance.random() < 0.1:
                task += f"_v{chance.randrange(1, 12)}"  # only its table tells it from a version of another task
            tasks[stage].append(task)
            _task(tree, chance, stage, task)
        number += 1
    _tables(tree, chance, tasks)
    return tree


def _task(tree: Tree, chance: random.Random, stage: str, task: str) -> None:
    raw, parsed, prompts = FOLDERS[stage]
    bad_before, newest = len(tree.bad), None
    versions = sorted(chance.sample((1, 2, 3, 4, 5, 9, 10, 11), chance.randrange(4)))  # gaps, and v10 after v9
    if "_v" not in task[-4:] and chance.random() < 0.1:
        newest = _file(tree, chance, f"{raw}/{task}.txt")
    for version in versions:
        newest = _file(tree, chance, f"{raw}/{task}_v{version}.txt", newest)
    if stage == "draft" and chance.random() < 0.3:
        of_links = _file(tree, chance, f"{LINKS}/{task}.txt")
        newest = of_links if newest is None or not _has_parsed(tree, parsed, task) else newest
    if chance.random() < 0.6 or newest is None:
        newest = _file(tree, chance, f"{parsed}/{task}.txt", newest)
        if chance.random() < 0.3:
            newest = _file(tree, chance, f"{parsed}/{task}_v{chance.randrange(1, 20)}.txt")
    elif stage == "draft" and f"{LINKS}/{task}.txt" in tree.texts:
        newest = tree.texts[f"{LINKS}/{task}.txt"]
    if chance.random() < 0.2 and len(tree.bad) == bad_before:  # else there may be no version that it matches
        name = f"{task}.txt" if chance.random() < 0.5 else f"{task}_v{max(versions, default=1)}.txt"
        _file(tree, chance, f"{prompts}/{name}")
    if len(tree.bad) == bad_before and newest is not None:
        tree.newest[stage, task] = newest


def _has_parsed(tree: Tree, folder: str, task: str) -> bool:
    return f"{folder}/{task}.txt" in tree.texts


def _file(tree: Tree, chance: random.Random, path: str, before: bytes | None = None) -> bytes | None:
    """Write one file, now and then one that cannot be taken in; its bytes where it can."""
    kind = chance.random()
    if kind < 0.01:
        data = b""
    elif kind < 0.02:
        data = b"caf\xe9 " * chance.randrange(1, 5)
    elif kind < 0.06 and before is not None:
        data = before  # the same answer twice is two versions
    else:
        data = _text(chance).encode()
    file = tree.root / path
    file.write_bytes(data)
    # Times as a copied tree has them: some the same, some the wrong way round.
    moment = 1_600_000_000 + chance.randrange(1_000) * 86_400
    os.utime(file, ns=(moment * 10**9, moment * 10**9 + chance.randrange(10**9)))
    if kind < 0.02:
        tree.bad.add(path)
        return None
    tree.texts[path] = data
    return data


def _text(chance: random.Random) -> str:
    line = chance.choice(["\n", "\r\n", "\r", "\u2028", "\n\n"])
    words = ["essay", "Über", "日本", "\U0001f600", "\t", "", "\0", "\x1b[31m", "a_v1.txt"]
    text = line.join(" ".join(chance.choices(words, k=8)) for _ in range(chance.randrange(1, 20)))
    return chance.choice(["", "", "\ufeff"]) + str(chance.random()) + text + chance.choice(["", line])


def _odd_files(tree: Tree, stage: str) -> None:
    """What is no file of a task."""
    raw, parsed, prompts = FOLDERS[stage]
    for name in ("notes.md", ".hidden", "_v1", "t_v1.TXT"):
        (tree.root / raw / name).write_text("odd", encoding="utf-8")
        tree.bad.add(f"{raw}/{name}")
    (tree.root / parsed / "folder.txt").mkdir()
    (tree.root / parsed / "link.txt").symlink_to(tree.root / raw / "notes.md")
    (tree.root / prompts / f"prompt without answer {stage}.txt").write_text("why?", encoding="utf-8")
    with open(os.fsencode(tree.root / raw) + b"/bad\xff_v1.txt", "w", encoding="utf-8") as file:  # noqa: PTH123 - no Path has such a name
        file.write("text")
    tree.bad |= {f"{parsed}/folder.txt", f"{parsed}/link.txt", f"{prompts}/prompt without answer {stage}.txt"}
    tree.bad.add(f"{raw}/bad\udcff_v1.txt")


def _tables(tree: Tree, chance: random.Random, tasks: dict[str, list[str]]) -> None:
    names = {
        "draft": ("draft_generation_tasks", "draft_task_id", "draft_template", "generation_model", ""),
        "essay": ("essay_generation_tasks", "essay_task_id", "essay_template", "generation_model", "draft_task_id"),
        "evaluation": (
            "evaluation_tasks",
            "evaluation_task_id",
            "evaluation_template",
            "evaluation_model",
            "essay_task_id",
        ),
    }
    parents_of = {"draft": [], "essay": tasks["draft"], "evaluation": tasks["essay"]}
    for stage, (name, *of_stage) in names.items():
        columns = [column for column in of_stage if column]
        if stage == "evaluation":
            columns.append("draft_task_id")
        with (tree.root / f"2_tasks/{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            tree.lines[stage] = []
            for task in tasks[stage]:
                if "_v" not in task[-4:] and chance.random() < 0.05:
                    continue  # an orphan
                line = [task, chance.choice(["plain", "bold"]), chance.choice(["m1", "m2"])]
                if stage != "draft":
                    parent = chance.choice(parents_of[stage]) if chance.random() < 0.9 else "gone"
                    tree.parents[stage, task] = parent
                    line.append(parent)
                if stage == "evaluation":
                    line.append(chance.choice(tasks["draft"]))
                writer.writerow(line)
                tree.lines[stage].append(task)
