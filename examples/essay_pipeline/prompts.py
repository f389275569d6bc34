"""The prompts. Change a template, change its id: the id is part of what identifies a document."""

from dataclasses import dataclass

DRAFT = "notes-1"
ESSAYS = ("essay-1", "essay-2")
EVALUATION = "judge-1"

LONGEST_SOURCE = 8_000
"""Characters of a description that go into a prompt; about 2,000 tokens, which any model takes."""


@dataclass(frozen=True)
class Prompt:
    """A prompt, and what it was made from.

    Args:
        template_id: Which template.
        text: What a model is sent.
        materials: The texts that the template was filled with, the primary one first.
    """

    template_id: str
    text: str
    materials: tuple[str, ...]


def for_draft(package: str, description: str) -> Prompt:
    """Ask for notes on a package."""
    source = description[:LONGEST_SOURCE]
    text = (
        f"Below is what the Python package {package} tells of itself.\n"
        "Pick the eight facts a newcomer needs most. One sentence each, one line each, in a sensible order.\n\n"
        f"{source}\n"
    )
    return Prompt(DRAFT, text, (source,))


def for_essay(package: str, draft: str, template_id: str) -> Prompt:
    """Ask for an essay from notes; the second template is to lose less of them."""
    text = (
        f"Write a short essay on the Python package {package} from the notes below, in two or three paragraphs.\n"
        f"{_ESSAY_RULES[template_id]}\n\n"
        f"{draft}\n"
    )
    return Prompt(template_id, text, (draft,))


def for_evaluation(essay: str, draft: str) -> Prompt:
    """Ask how well an essay keeps to its notes."""
    text = (
        "How well does the essay keep to the notes it was written from? Two sentences of reasons, "
        "then a last line of the form `SCORE: n/10`.\n\n"
        f"Notes:\n{draft}\n\nEssay:\n{essay}\n"
    )
    return Prompt(EVALUATION, text, (essay, draft))


_ESSAY_RULES = {
    ESSAYS[0]: "Say nothing that the notes do not say.",
    ESSAYS[1]: "Say nothing that the notes do not say, and leave no note out.",
}
