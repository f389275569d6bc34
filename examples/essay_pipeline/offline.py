"""A writer that is no model: it copies sentences and counts words, so the pipeline runs anywhere, and the same every time."""

import re
from collections import Counter
from collections.abc import Callable

from doc_io import Usage
from examples.essay_pipeline import prompts
from examples.essay_pipeline.corpus import sentences
from examples.essay_pipeline.prompts import Prompt
from examples.essay_pipeline.writer import Answer, Writer, WriterError

NOTES = 8
PARAGRAPH = 3  # sentences


class OfflineWriter(Writer):
    """Extracts; it understands nothing and writes no word of its own but in its evaluations.

    Notes are the sentences whose words are the most frequent in the description, an essay is the notes in paragraphs
    without the least central ones (by the second template: all of them), an evaluation counts how much of the notes the
    essay kept. A token is a word.
    """

    @property
    def model_id(self) -> str:
        """Says that there is no model."""
        return "extractive-no-model-1"

    def write(self, prompt: Prompt, max_tokens: int) -> Answer:
        """Answer by copying and counting; see `Writer.write`."""
        try:
            answer = _METHODS[prompt.template_id](*prompt.materials)
        except KeyError:
            reason = f"it knows no template {prompt.template_id!r}, only {', '.join(_METHODS)}"
            raise WriterError(self.model_id, reason) from None
        words = list(re.finditer(r"\S+", answer))
        cut = len(words) > max_tokens
        return Answer(
            text=answer[: words[max_tokens].start()].rstrip() if cut else answer,
            usage=Usage(
                prompt_tokens=len(prompt.text.split()),
                completion_tokens=min(len(words), max_tokens),
                max_tokens=max_tokens,
            ),
            finish_reason="length" if cut else "stop",
        )


def _notes(description: str) -> str:
    return "\n".join(_central(sentences(description), NOTES))


def _essay(draft: str) -> str:
    notes = [line for line in draft.splitlines() if line]
    return _paragraphs(_central(notes, max(1, len(notes) - 2)))


def _whole_essay(draft: str) -> str:
    return _paragraphs([line for line in draft.splitlines() if line])


def _paragraphs(kept: list[str]) -> str:
    return "\n\n".join(" ".join(kept[start : start + PARAGRAPH]) for start in range(0, len(kept), PARAGRAPH))


def _evaluation(essay: str, draft: str) -> str:
    notes = [line for line in draft.splitlines() if line]
    kept = sum(note in essay for note in notes)
    wanted = set(_words(draft))
    share = len(wanted & set(_words(essay))) / max(1, len(wanted))
    return (
        f"The essay keeps {kept} of the {len(notes)} notes, word for word. "
        f"Of the long words in the notes, {share:.0%} appear in it.\n\n"
        f"SCORE: {round(10 * share)}/10"
    )


def _central(candidates: list[str], count: int) -> list[str]:
    """The sentences with the most frequent words on average, in their own order; none twice."""
    candidates = list(dict.fromkeys(candidates))
    frequency = Counter(word for sentence in candidates for word in _words(sentence))

    def weight(position: int) -> tuple[float, int]:
        words = _words(candidates[position])
        return sum(frequency[word] for word in words) / max(5, len(words)), -position

    best = sorted(range(len(candidates)), key=weight, reverse=True)[:count]
    return [candidates[position] for position in sorted(best)]


def _words(text: str) -> list[str]:
    # Short words are mostly grammar: what they are about is said by the long ones.
    return re.findall(r"[a-z]{5,}", text.lower())


_METHODS: dict[str, Callable[..., str]] = {
    prompts.DRAFT: _notes,
    prompts.ESSAYS[0]: _essay,
    prompts.ESSAYS[1]: _whole_essay,
    prompts.EVALUATION: _evaluation,
}
