"""A diff is true for any two texts, and takes a time that grows with their length."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io.reports.diff import Change, diff_texts

TEXTS = (
    st.lists(
        st.sampled_from(["whale ", "sea", "\n", " ", "鲸", ".", "\r\n", "\x85", "\ud800", "e\u0301", "\0"]), max_size=40
    ).map("".join)
    | st.text()
)


def sides(changes: list[Change]) -> tuple[str, str]:
    """The old and the new text that passages make up."""
    old = "".join(each.text for each in changes if each.kind != "added")
    new = "".join(each.text for each in changes if each.kind != "removed")
    return old, new


@given(TEXTS, TEXTS)
def test_passages_make_up_both_texts(old: str, new: str) -> None:
    """Whatever is in them; none is empty."""
    changes = list(diff_texts(old, new))

    assert sides(changes) == (old, new)
    assert all(each.text for each in changes)


@given(TEXTS)
def test_equal_texts_have_no_changes(text: str) -> None:
    """Each passage is the same."""
    assert all(each.kind == "same" for each in diff_texts(text, text))


def test_a_changed_word_is_one_word() -> None:
    """Not its line."""
    changes = list(diff_texts("one\ntwo three four\n", "one\ntwo 3 four\n"))

    assert [(each.kind, each.text) for each in changes if each.kind != "same"] == [("removed", "three"), ("added", "3")]


def words(count: int, seed: int) -> list[str]:
    """So many of 5,000 words."""
    chance = random.Random(seed)  # noqa: S311
    return [f"word{chance.randrange(5000)}" for _ in range(count)]


def changed(old: list[str]) -> list[str]:
    """Two words of a hundred are others."""
    chance = random.Random(7)  # noqa: S311
    return ["other" if chance.random() < 0.02 else word for word in old]


def lines(text: list[str]) -> str:
    """Twelve words a line."""
    return "\n".join(" ".join(text[at : at + 12]) for at in range(0, len(text), 12))


FIVE_MB = words(600_000, 1)
LINES = ["alpha beta\n", "gamma\n", "delta epsilon zeta\n", "eta\n"]
SIZE = 5_000_000


def alternating(other: str) -> str:
    """5 MB of lines of 100 signs, of which every third one is the other one, between lines that stay."""
    line = (other + "!?") * 33
    return "".join(f"{line}\n{number:08}\n" for number in range(SIZE // 109))


def chosen(of: Sequence[str], count: int, seed: int) -> str:
    """So many of some pieces, one after the other."""
    return "".join(random.Random(seed).choices(of, k=count))  # noqa: S311


def by_chance(seed: int) -> str:
    return random.Random(seed).randbytes(SIZE).decode("latin-1")  # noqa: S311


LARGE: dict[str, Callable[[], tuple[str, str]]] = {
    "2 % changed in lines": lambda: (lines(FIVE_MB), lines(changed(FIVE_MB))),
    "2 % changed in one line": lambda: (" ".join(FIVE_MB), " ".join(changed(FIVE_MB))),
    "written anew": lambda: (lines(FIVE_MB), lines(words(600_000, 2))),
    "no word twice": lambda: (" ".join(map(str, range(700_000))), " ".join(map("a{}".format, range(700_000)))),
    "lines of one letter": lambda: (chosen(["a\n", "b\n"], SIZE // 2, 1), chosen(["a\n", "b\n"], SIZE // 2, 2)),
    "nothing but line ends": lambda: ("\n" * SIZE, "\n" * (SIZE - 1000)),
    "one sign, over and over": lambda: ("!" * SIZE, "?" * SIZE),
    "signs by chance": lambda: (chosen("!?.,; ", SIZE, 1), chosen("!?.,; ", SIZE, 2)),
    "bytes by chance": lambda: (by_chance(1), by_chance(2)),
    "every third sign another": lambda: (alternating("("), alternating(")")),
    "four lines, repeated": lambda: (chosen(LINES, 10_000, 3), chosen(LINES, 10_000, 4)),
}
QUICK = ("2 % changed in lines", "lines of one letter", "every third sign another")
MEASURE = """
import sys, time
from pathlib import Path
from doc_io.reports.diff import Change, diff_texts
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
old, new = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is the present size
before, started = peak(), time.process_time()
{work}
print(time.process_time() - started, peak() - before)
for without, text in (("added", old), ("removed", new)):
    assert "".join(change.text for change in changes if change.kind != without) == text
"""
LISTS = """lists = [text.splitlines(keepends=True) for text in (old, new)]
changes = [Change("removed", old), Change("added", new)]"""


class Cost(NamedTuple):
    """What a comparison takes: seconds of the processor, bytes beyond the two texts."""

    seconds: float
    memory: float


def cost(folder: Path, old: str, new: str, work: str = "changes = list(diff_texts(old, new))") -> Cost:
    """Of some work with two texts, in a process of its own."""
    files = folder / "old.txt", folder / "new.txt"
    for file, text in zip(files, (old, new), strict=True):
        file.write_text(text, encoding="utf-8", newline="")
    command = [sys.executable, "-c", MEASURE.format(work=work), *map(str, files)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    return Cost(*map(float, said.stdout.split()))


def bound(old: str, new: str) -> int:
    """The bytes that `diff_texts` promises not to exceed."""
    return 150_000_000 + 4 * (len(old) + len(new))


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in QUICK else [pytest.mark.slow]) for kind in LARGE]
)
def test_5_mb_take_two_seconds_and_a_bounded_memory(kind: str, tmp_path: Path) -> None:
    """Twice that on a busy machine; `difflib` takes 40 s, and a list of 2.5 million lines 150 MB."""
    old, new = LARGE[kind]()

    took = cost(tmp_path, old, new)

    assert (took.seconds < 4, took.memory < bound(old, new)) == (True, True), took


def test_texts_as_lists_of_lines_would_exceed_that_memory(tmp_path: Path) -> None:
    """The negative control."""
    old, new = LARGE["lines of one letter"]()

    assert cost(tmp_path, old, new, LISTS).memory > bound(old, new)


def test_what_stayed_is_reported_also_in_one_long_line() -> None:
    """Of 5 MB with 2 % changed."""
    old, new = LARGE["2 % changed in one line"]()

    same = sum(len(each.text) for each in diff_texts(old, new) if each.kind == "same")

    assert same > 0.97 * len(old)


def test_a_line_that_was_inserted_is_found_in_many_like_it() -> None:
    """Chunks end where the lines themselves say so."""
    before, after = ("".join(f"{number:07}\n" for number in part) for part in (range(110_000), range(110_000, 220_000)))

    changes = list(diff_texts(before + after, f"{before}another\n{after}"))

    assert [each for each in changes if each.kind != "same"] == [Change("added", "another\n")]
