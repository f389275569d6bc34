"""A store like one after some weeks of work: two models, two templates, scores, and every kind of failure.

``python -m tests.web.example_store FOLDER`` makes one to look at with ``doc-io serve``.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

from doc_io import Document, DocumentRow, DocumentStore, Status, Usage

TOPICS = (
    "tide pools", "the first lighthouse keepers", "why bread rises", "glacier mice", "paper marbling", "the slow loris",
    "harbour pilots", "salt roads", "the smell of rain", "bells and their makers", "moss gardens", "night trains",
    "the grammar of bees", "ink recipes", "a history of stairs", "wind over dunes", "the mapmaker's error",
    "river ice", "the colour of shadows", "old orchards", "clockwork birds", "cities of ants", "fog signals",
    "the last telegram", "growing sugar", "a field guide to clouds", "rope walks", "the year without a summer",
)  # fmt: skip
MODELS = ("claude-sonnet-4-5", "gpt-5-mini")
TEMPLATES = ("essay-v1", "essay-v2")
_OPENERS = (
    "Most people meet {topic} by accident, and keep thinking about it for the rest of the day.",
    "There is a short answer to the question of {topic}, and it is wrong.",
    "To understand {topic}, begin with what nobody wrote down.",
    "In the archives, {topic} takes up one thin folder and a great deal of silence.",
)
_SENTENCES = (
    "What looks like chance is, on a closer look, a habit of the place.",
    "The oldest account we have was written by somebody who had not been there, and it shows.",
    "Measured over a year, the difference is smaller than a fingernail; measured over a century, it moves a coast.",
    "Those who did the work rarely described it, so we read it from their tools.",
    "A careful observer in 1847 counted them by hand, every morning, for eleven years.",
    "None of this was planned, yet all of it was maintained.",
    "The usual explanation leaves out the cost, which was paid in winter.",
    "It is tempting to call this beautiful and stop there.",
    "Change one condition and the pattern goes away; restore it, and it returns within hours.",
    "The names changed with each generation, the practice did not.",
    "Here the evidence runs out, and one should say so.",
    "Two rival schools agreed on the facts and on nothing else.",
)


def essay(topic: str, chance: random.Random, *, rich: bool) -> str:
    """An essay of three or four paragraphs; a rich one is longer and has headings."""
    paragraphs = []
    for number in range(4 if rich else 3):
        sentences = chance.sample(_SENTENCES, 4 if rich else 3)
        start = [chance.choice(_OPENERS).format(topic=topic)] if number == 0 else []
        paragraphs.append(" ".join([*start, *sentences]))
    if rich:
        paragraphs.insert(1, "## What the record shows")
        paragraphs.insert(
            4, "- the first survey was private\n- the second was lost\n- the **third** is the one we quote"
        )
    return "\n\n".join(paragraphs)


def fill(store: DocumentStore, *, tasks: int = 28, seed: int = 7) -> None:
    """Fill a store: drafts, essays of two templates, evaluations; a fifth of the attempts fail in some way."""
    chance = random.Random(seed)  # noqa: S311 - a made-up store, no secret
    for number, topic in enumerate(TOPICS[:tasks]):
        task = topic.replace(" ", "-").replace("'", "")
        for run, template in (("run-0817-night", TEMPLATES[0]), ("run-0902-retry", TEMPLATES[1])):
            model = MODELS[number % 2]
            common: dict[str, Any] = {
                "run_id": run,
                "experiment_id": "baseline" if template == TEMPLATES[0] else "longer-essays",
            }
            notes = "\n".join(f"- {line}" for line in chance.sample(_SENTENCES, 5))
            draft = store.save(
                Document(
                    notes, prompt=f"Five notes on {topic}, one line each.", template_id="notes-v1", model_id=model,
                    usage=Usage(60 + number, 210, 1024), finish_reason="stop", metadata={"cost_usd": 0.0011},
                ),
                stage="draft", task_id=task, asset_key="draft", **common,
            )  # fmt: skip
            _essay(store, draft, topic, template=template, model=model, chance=chance, common=common)


def _essay(
    store: DocumentStore,
    draft: DocumentRow,
    topic: str,
    *,
    template: str,
    model: str,
    chance: random.Random,
    common: dict[str, Any],
) -> None:
    rich = template == TEMPLATES[1]
    text = essay(topic, chance, rich=rich)
    prompt = f"Write an essay on {topic} from these notes.{' Use headings.' if rich else ''}\n\n{store.read(draft)}\n"
    usage = Usage(300, len(text) // 4, 2048)
    made: dict[str, Any] = {"prompt": prompt, "template_id": template, "model_id": model, "usage": usage}
    where: dict[str, Any] = {
        "stage": "essay",
        "task_id": draft.task_id,
        "asset_key": "essay",
        "parents": [draft.doc_id],
    } | common
    luck = chance.random()
    if luck < 0.08:
        cut = text[: len(text) // 3]
        store.save(Document(cut, **made | {"usage": Usage(300, 512, 512)}, finish_reason="length"), **where)
        if luck < 0.04:
            return
    elif luck < 0.16:
        error = f"APITimeoutError: Request timed out after {chance.randint(30, 90)} s"
        store.save(
            Document(None, **made | {"usage": None}, status=Status.GEN_ERROR, metadata={"error": error}), **where
        )
        if luck < 0.12:
            return
    row = store.save(Document(text, **made, finish_reason="stop", metadata={"cost_usd": 0.0123, "seed": 11}), **where)
    _evaluation(store, row, rich=rich, chance=chance, common=common)


def _evaluation(
    store: DocumentStore, row: DocumentRow, *, rich: bool, chance: random.Random, common: dict[str, Any]
) -> None:
    score = max(1, min(10, round(chance.gauss(7.6 if rich else 6.1, 1.4))))
    reasons = f"The essay keeps to its notes and {'organises them well' if rich else 'repeats two of them'}."
    where: dict[str, Any] = {
        "stage": "evaluation",
        "task_id": row.task_id,
        "asset_key": "evaluation",
        "parents": [row.doc_id],
    } | common
    made: dict[str, Any] = {
        "prompt": f"Judge this essay from 0 to 10 as JSON.\n\n{store.read(row)}", "template_id": "judge-v1",
        "model_id": "claude-opus-4-1", "usage": Usage(800, 60, 256),
    }  # fmt: skip
    if chance.random() < 0.12:
        raw = f'{{"score": {score}, "reasons": "{reasons}",}}'
        error = f"JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column {len(raw)} (char {len(raw) - 1})"
        store.save(
            Document(raw, **made, status=Status.PARSE_ERROR, parser="judge_json", metadata={"error": error}), **where
        )
        return
    raw = f'{{"score": {score}, "reasons": "{reasons}"}}'
    document = Document(raw, parsed=str(score), parser="judge_json", score=float(score), **made)
    store.save(document, **where)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with DocumentStore(folder / "docs") as opened:
        fill(opened)
    sys.stdout.write(f"doc-io --docs-root {folder / 'docs'} serve\n")
