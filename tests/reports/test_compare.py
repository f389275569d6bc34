"""Comparisons count by a column of the documents or of their ancestors; the same on both engines."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from doc_io import DocumentStore, Filter, Parent, Status, reports
from doc_io.cli.main import group
from doc_io.errors import InvalidGroupError
from tests.reports.rows import insert, row
from tests.servers.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store on either engine."""
    server: Postgres | None = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    (tmp_path / "docs").mkdir()
    path = None if server else tmp_path / "rows.sqlite"
    with DocumentStore(tmp_path / "docs", path, db_url=server.new_database() if server else None) as opened:
        yield opened


def chain(
    number: int, template: str, score: float | None, status: str = "ok"
) -> list[tuple[dict[str, object], tuple[Parent, ...]]]:
    """Draft, essay and evaluation."""
    task = f"task-{number}"
    draft, essay, verdict = (f"{stage}{number}" for stage in ("draft", "essay", "verdict"))
    return [
        (row(draft, "draft", task, number, template_id=template), ()),
        (row(essay, "essay", task, number, template_id="essay"), (Parent("lost"), Parent(draft, "draft"))),
        (row(verdict, "evaluation", task, number, score=score, status=status), (Parent(essay, "essay"),)),
    ]


def test_evaluations_are_grouped_by_the_template_of_their_draft(store: DocumentStore) -> None:
    """Two generations up, through whichever parent; the best mean score first."""
    scores: dict[str, list[float | None]] = {"old": [1.0, 2.0, 3.0, 4.0], "new": [5.0, None, 9.0]}
    number = 0
    for template, values in scores.items():
        for value in values:
            insert(store, chain(number, template, value, "parse_error" if value is None else "ok"))
            number += 1

    new, old = reports.compare(store, "evaluation", "draft.template_id")

    assert (new.group, new.documents, new.ok, new.ok_rate) == ("new", 3, 2, 2 / 3)
    assert new.score is not None
    assert (new.score.count, new.score.mean, new.score.median) == (2, 7.0, 7.0)
    assert old.score is not None
    assert (old.score.lower_quartile, old.score.median, old.score.upper_quartile) == (1.75, 2.5, 3.25)
    assert [each.group for each in reports.compare(store, "evaluation", "essay.template_id")] == ["essay"]
    assert [each.group for each in reports.compare(store, "evaluation", "day")] == ["2026-01-01"]


def test_the_nearest_ancestor_counts(store: DocumentStore) -> None:
    """Of two drafts in a row the later one; of two parents the one that was made first; none is a group too."""
    insert(
        store,
        [
            (row("a", "draft", "a", template_id="far"), ()),
            (row("b", "draft", "b", template_id="near"), (Parent("a"),)),
            (row("c", "draft", "c", template_id="second"), ()),
            (row("v", "evaluation", "1"), (Parent("b"),)),
            (row("w", "evaluation", "2"), (Parent("c"), Parent("b"))),
            (row("x", "evaluation", "3"), ()),
            (row("y", "evaluation", "4"), (Parent("a"), Parent("b"))),
        ],
    )

    found = {each.group: each.documents for each in reports.compare(store, "evaluation", "draft.template_id")}

    assert found == {"near": 2, None: 1, "far": 1}


def test_only_the_newest_of_each_task_can_be_compared(store: DocumentStore) -> None:
    """As every other filter says it."""
    insert(store, [(row(name, "draft", "t", number, model_id=name), ()) for number, name in enumerate("ab")])

    assert [each.group for each in reports.compare(store, "draft", "model_id", Filter(newest=True))] == ["b"]


def test_a_circle_ends(store: DocumentStore) -> None:
    """A forged one."""
    insert(store, [(row("a", "s", "1"), (Parent("b"),)), (row("b", "s", "2"), (Parent("a"),))])

    [only] = reports.compare(store, "s", "draft.model_id")

    assert (only.group, only.documents) == (None, 2)


def test_retries_count_once_in_each_group(store: DocumentStore) -> None:
    """The newest of a task, whatever its status; a task that was done with two templates counts for both."""
    attempts = [
        ("old", 1.0, "ok"),
        ("old", None, "gen_error"),
        ("new", 2.0, "ok"),
        ("old", 3.0, "ok"),
        ("new", None, "truncated"),
    ]
    insert(
        store,
        [
            (row(f"d{number}", "draft", "t", number, template_id=template, score=score, status=status), ())
            for number, (template, score, status) in enumerate(attempts)
        ],
    )

    newest = {each.group: (each.documents, each.ok) for each in reports.compare(store, "draft")}
    every = {each.group: (each.documents, each.ok) for each in reports.compare(store, "draft", attempts="all")}
    until = reports.compare(store, "draft", where=Filter(status=(Status.OK,)))

    assert newest == {"old": (1, 1), "new": (1, 0)}
    assert every == {"old": (3, 2), "new": (2, 1)}
    assert [(each.group, each.score and each.score.mean) for each in until] == [("old", 3.0), ("new", 2.0)]


def test_tokens_and_characters_are_those_that_are_known(store: DocumentStore) -> None:
    """Prompt and completion together; the parsed text where there is one."""
    insert(
        store,
        [
            (row("a", "s", "1", usage_prompt_tokens=10, usage_completion_tokens=5, raw_chars=100, parsed_chars=7), ()),
            (row("b", "s", "2", usage_completion_tokens=1, raw_chars=9), ()),
            (row("c", "s", "3"), ()),
        ],
    )

    [found] = reports.compare(store, "s")

    assert found.tokens is not None
    assert found.characters is not None
    assert (found.documents, found.score) == (3, None)
    assert (found.tokens.count, found.tokens.mean) == (2, 8.0)
    assert (found.characters.count, found.characters.mean) == (2, 8.0)


@pytest.mark.parametrize("by", ["", "draft.", ".model_id", "raw_chars", "draft.no", "1; DROP TABLE documents"])
def test_a_column_that_is_none_is_refused(store: DocumentStore, by: str) -> None:
    """By name."""
    with pytest.raises(InvalidGroupError, match="template_id"):
        reports.compare(store, "s", by)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
@settings(max_examples=20)
def test_quartiles_are_those_of_the_statistics_module(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float]
) -> None:
    """For any scores."""
    folder = tmp_path_factory.mktemp("scores")
    with DocumentStore(folder / "docs", folder / "rows.sqlite") as store:
        insert(store, [(row(f"d{n}", "s", f"{n}", score=score), ()) for n, score in enumerate(scores)])

        [found] = reports.compare(store, "s")

    assert found.score is not None
    quartiles = statistics.quantiles(scores, n=4, method="inclusive")
    assert [found.score.lower_quartile, found.score.median, found.score.upper_quartile] == quartiles


def test_the_command_shows_what_the_function_returns(tmp_path: Path) -> None:
    """Short names of columns, too."""
    with DocumentStore(tmp_path / "docs", tmp_path / "rows.sqlite") as store:
        store.save("draft", stage="draft", task_id="t")
        insert(store, [each for number in range(3) for each in chain(number, f"t{number % 2}", float(number))])
    place = ["--docs-root", str(tmp_path / "docs"), "--db", str(tmp_path / "rows.sqlite")]

    lines = CliRunner().invoke(group, [*place, "compare", "evaluation", "--by", "draft.template"])
    found = CliRunner().invoke(group, [*place, "compare", "evaluation", "--by", "draft.template_id", "--all", "--json"])
    wrong = CliRunner().invoke(group, [*place, "compare", "evaluation", "--by", "no"])

    assert [line.split("\t")[:4] for line in lines.output.splitlines()[1:]] == [
        ["t0", "2", "100%", "1"],
        ["t1", "1", "100%", "1"],
    ]
    assert [each["group"] for each in json.loads(found.output)] == ["t0", "t1"]
    assert isinstance(wrong.exception, InvalidGroupError)


@pytest.mark.slow
def test_a_hundred_thousand_documents_take_a_second(store: DocumentStore) -> None:
    """Also by an ancestor two generations up; three seconds here, as other tests run beside it."""
    insert(store, (each for number in range(100_000) for each in chain(number, f"t{number % 4}", number / 7)))
    for by in ("day", "draft.template_id"):
        started = time.monotonic()

        groups = reports.compare(store, "evaluation", by)

        assert time.monotonic() - started < 3
        assert sum(each.documents for each in groups) == 100_000
