"""How a table is laid out: what can be typed again stays whole."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from doc_io.cli import grid as tables

LISTED = ("doc_id", "stage", "task_id", "status", "model_id", "template_id", "created_at", "chars")
ROW = ("0123456789abcdef", "evaluation", "a task with a long name", "truncated", "a-model-of-mine", "a-template1", "2026-01-31 12:00:00", "1,234")  # fmt: skip


def grid(columns: tuple[str, ...], rows: list[tuple[str, ...]], width: int) -> list[str]:
    """The lines of a table in a terminal so wide."""
    console = Console(width=width, color_system=None)
    with console.capture() as shown:
        console.print(tables.grid(columns, rows, width))
    return [line.rstrip() for line in shown.get().splitlines()]


def test_a_wide_terminal_shows_all() -> None:
    """Numbers to the right, under their names."""
    head, line = grid(LISTED, [ROW], 200)

    assert line == "  ".join(ROW)
    assert head.endswith("chars")
    assert len(head) == len(line)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_narrow_one_has_room_for_what_can_be_typed_again(width: int) -> None:
    """No line is longer than it."""
    for line in grid(LISTED, [ROW], width):
        assert cell_len(line) <= width
    assert "0123456789abcdef" in line
    assert "truncated" in line


def test_what_tells_rows_apart_stays_and_other_columns_are_left_out() -> None:
    """The task is whole in 80 columns, where model, template and time have no room beside it."""
    head, line = grid(LISTED, [ROW], 80)

    assert "a task with a long name" in line
    assert "template_id" not in head


@pytest.mark.parametrize("task", ["30-dubbel|gpt-large-2026-01-31", "t"])
def test_the_model_and_the_time_give_way_before_the_stage(task: str) -> None:
    """Stage and task say which document it is; the time is cut to the minute before it is left out."""
    for width in range(80, 140):
        _, line = grid(LISTED, [("0123456", "evaluation", task, *ROW[3:])], width)

        assert f"evaluation  {task}" in line
        assert "2026-01-31 12:00" in line


def test_the_stage_gives_way_before_the_task() -> None:
    """Where both have no room, the task is what tells rows apart."""
    _, line = grid(("doc_id", "stage", "task_id", "status"), [("0123456", "a" * 40, "b" * 40, "ok")], 80)

    assert "b" * 40 in line
    assert "a" * 8 in line


def test_the_first_column_is_never_left_out() -> None:
    """It is what a comparison is by."""
    columns = ("template_id", "documents", "ok", "score", "median", "quartiles", "tokens", "characters")

    head, line = grid(columns, [("essay-v1", "80", "68%", "5.2", "5", "3 to 8", "1123", "294.9")], 40)

    assert head.split()[1:] == ["documents", "ok", "score", "tokens"]
    assert line.startswith("essay-v1")


def test_a_column_that_says_nothing_gives_way_first() -> None:
    """A comparison without scores keeps whole names; see docs/cli.md, "Output"."""
    columns = ("essay.model_id", "documents", "ok", "score", "median", "quartiles", "tokens", "characters")

    head, line = grid(columns, [("a-model-with-a-name-2026-01-31", "80", "68%", "-", "-", "-", "1123", "294.9")], 70)

    assert line.startswith("a-model-with-a-name-2026-01-31  ")
    assert head.split()[1:] == ["documents", "ok", "tokens", "characters"]


def test_of_a_failure_the_reason_is_kept_and_the_status_gives_way() -> None:
    """In 40 columns there is room for which task and why."""
    head, *_ = grid(("doc_id", "task_id", "status", "chars", "reason"), [("abcdef", "a task of mine", "parse_error", "30", "no score")], 40)  # fmt: skip

    assert head.split() == ["doc_id", "task_id", "reason"]


def test_wide_characters_take_two_cells() -> None:
    """The columns after them stay in line."""
    head, first, second = grid(("task_id", "status"), [("\u8349\u7a3f", "ok"), ("e\u0301t\u00e9", "ok")], 40)

    assert head.index("status") == 9
    assert cell_len(first[: first.index("ok")]) == cell_len(second[: second.index("ok")]) == 9


def test_a_sentence_goes_on_in_the_next_line() -> None:
    """And loses no word."""
    lines = list(grid(("where", "details"), [("draft/x", "raw.txt has 774 bytes and not 772")], 30))

    assert len(lines) == 3
    assert " ".join(" ".join(lines[1:]).split()) == "draft/x raw.txt has 774 bytes and not 772"


def test_two_columns_of_one_name_are_two() -> None:
    """As SQL may have them."""
    assert list(grid(("x", "x"), [("1", "2")], 40)) == ["x  x", "1  2"]


CELLS = {**dict(zip(LISTED, ROW, strict=True)), "doc_id": "0123456"}


@given(
    names=st.sampled_from([LISTED, ("doc_id", "task_id", "status", "chars"), ("doc_id", "stage", "status")]),
    prose=st.sampled_from(["reason", "details", "because", "note", "excerpt"]),
    last=st.booleans(),
    text=st.text("cut afte25tokns\u8349", min_size=1, max_size=60) | st.just("cut after 25 of 25 tokens"),
    width=st.integers(40, 140),
)
@example(names=LISTED[:5] + LISTED[6:7], prose="reason", last=True, text="cut after 25 of 25 tokens", width=83)
def test_a_sentence_loses_no_character(names: tuple[str, ...], prose: str, last: bool, text: str, width: int) -> None:  # noqa: FBT001 - drawn
    """Whatever stands beside it, and in any terminal; a long word goes on in the next line too."""
    columns = (*names, prose) if last else (names[0], prose, *names[1:])
    head, *lines = grid(columns, [tuple(text if name == prose else CELLS[name] for name in columns)], width)

    assert all(cell_len(line) <= width for line in (head, *lines))
    start = cell_len(head[: head.index(prose)])
    after = head[head.index(prose) :].split()[1:]
    end = cell_len(head[: head.index(after[0], head.index(prose))]) if after and after[0] in LISTED else width
    if not after or (after[0] in LISTED and after[0] != "chars"):  # numbers stand to the right: no start to cut at
        shown = "".join(chop(line, start, end) for line in lines)
        assert "".join(shown.split()) == "".join(text.split())


def chop(line: str, start: int, end: int) -> str:
    """The part of a line between two cells."""
    ends = list(accumulate(map(cell_len, line)))
    return "".join(letter for letter, stop in zip(line, ends, strict=True) if start < stop <= end)
