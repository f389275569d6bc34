"""The offline writer: honest, deterministic, and cut at its limit like a model."""

import pytest

from doc_io import Usage
from examples.essay_pipeline import prompts
from examples.essay_pipeline.offline import OfflineWriter
from examples.essay_pipeline.score import parse_score
from examples.essay_pipeline.writer import WriterError

DESCRIPTION = " ".join(f"Sentence number {n} tells something about storage and documents." for n in range(20))


def test_it_says_that_it_is_no_model() -> None:
    """Nobody shall take its texts for a model's."""
    assert "no-model" in OfflineWriter().model_id


def test_it_writes_the_same_every_time() -> None:
    """Extraction has no chance in it."""
    prompt = prompts.for_draft("x", DESCRIPTION)

    assert OfflineWriter().write(prompt, 500) == OfflineWriter().write(prompt, 500)


def test_it_writes_only_sentences_of_its_source() -> None:
    """Extractive: not a word of its own."""
    answer = OfflineWriter().write(prompts.for_draft("x", DESCRIPTION), 500)

    assert len(answer.text.splitlines()) == 8
    assert all(line in DESCRIPTION for line in answer.text.splitlines())


def test_a_limit_cuts_the_answer_and_says_so() -> None:
    """Like a chat model: the text ends at the limit and the finish reason is ``length``."""
    prompt = prompts.for_draft("x", DESCRIPTION)
    whole = OfflineWriter().write(prompt, 500)
    cut = OfflineWriter().write(prompt, 5)

    assert cut.finish_reason == "length"
    assert cut.text == "Sentence number 0 tells something"
    assert whole.text.startswith(cut.text)
    assert cut.usage == Usage(prompt_tokens=len(prompt.text.split()), completion_tokens=5, max_tokens=5)


def test_an_answer_as_long_as_the_limit_is_whole() -> None:
    """The limit is the longest answer allowed, not the first one forbidden."""
    prompt = prompts.for_draft("x", DESCRIPTION)
    whole = OfflineWriter().write(prompt, 500)

    assert OfflineWriter().write(prompt, len(whole.text.split())).finish_reason == "stop"


def test_its_evaluation_counts_what_the_essay_kept() -> None:
    """All notes kept is a ten, none is a zero."""
    notes = "Storage keeps documents whole.\nIndexes answer questions quickly."

    best = OfflineWriter().write(prompts.for_evaluation(notes, notes), 500).text
    worst = OfflineWriter().write(prompts.for_evaluation("No.", notes), 500).text

    assert "keeps 2 of the 2 notes" in best
    assert (parse_score(best), parse_score(worst)) == (10, 0)


def test_an_unknown_template_is_refused() -> None:
    """It cannot improvise."""
    with pytest.raises(WriterError, match="extractive-no-model-1 gave no answer: it knows no template 'poem-1'"):
        OfflineWriter().write(prompts.Prompt("poem-1", "Write a poem.", ()), 10)


def test_the_second_template_for_essays_loses_none_of_the_notes() -> None:
    """So that comparing the two shows a difference."""
    notes = "\n".join(f"Note {n} is about documents{' and storage' * n}." for n in range(8))
    first, second = (
        OfflineWriter().write(prompts.for_essay("x", notes, template), 500).text for template in prompts.ESSAYS
    )

    assert all(note in second for note in notes.splitlines())
    assert not all(note in first for note in notes.splitlines())
