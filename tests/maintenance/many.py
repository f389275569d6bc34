"""Large stores in little time: the same bytes and rows that `DocumentStore.save` makes, without its waits for the disk."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from doc_io import Document, DocumentStore, Parent, Status, Usage
from doc_io.writing.draft import Origin, make_draft

STAGES = ("draft", "essay", "evaluation")
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)


MODELS = ("model-0", "model-1", "model-2")


def fill(
    store: DocumentStore, count: int, seed: int = 1, pipelines: int = 1, models: Sequence[str] = MODELS
) -> list[str]:
    """Put many documents into a local store: chains over three stages, retries, failures, several parents, extras.

    Args:
        store: Which store.
        count: How many documents.
        seed: Of what is left to chance.
        pipelines: How many times three stages; the first three have half of the documents where there are more.
        models: Which made them. Default: three that have no price.

    Returns:
        Their ids, oldest first.
    """
    made: list[str] = []
    chance = random.Random(seed)  # noqa: S311
    store.index.insert_placed(
        _documents(Path(store.docs_root), count, chance, made, pipelines=pipelines, models=models)
    )
    return made


def _documents(
    root: Path, count: int, chance: random.Random, made: list[str], *, pipelines: int, models: Sequence[str]
) -> Iterator[tuple[Mapping[str, Any], Sequence[Parent]]]:
    by_stage: dict[str, list[str]] = {}
    newest: dict[tuple[str, str], str] = {}
    for number in range(count):
        chain = number // 3
        suffix = "" if pipelines == 1 or chain % 2 else f"-{chain // 2 % (pipelines - 1) + 1}"
        stage = f"{STAGES[number % 3]}{suffix}"
        above = by_stage.get(f"{STAGES[number % 3 - 1]}{suffix}", []) if number % 3 else []
        parents = tuple(Parent(chance.choice(above), f"input_{i}") for i in range(1 + number % 2)) if above else ()
        document = _document(number, chance, parents[0].doc_id if parents else None, models[number % len(models)])
        origin = Origin(
            stage, f"task-{number % max(1, count // 20)}", f"attempt-{number}", f"run-{number // 50}", parents=parents
        )
        draft = make_draft(document, origin)
        draft = draft.at((_START + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), newest.get(draft.task))
        record = draft.record
        folder = root / draft.doc_dir
        folder.mkdir(parents=True)
        if record.extras:
            (folder / "extras").mkdir()
        for name, data in draft.files.items():
            (folder / name).write_bytes(data)
        newest[draft.task] = draft.doc_id
        made.append(draft.doc_id)
        if document.status == Status.OK:
            by_stage.setdefault(stage, []).append(draft.doc_id)
        yield {**record.row, "doc_dir": draft.doc_dir}, record.parents


def _document(number: int, chance: random.Random, parent: str | None, model: str) -> Document:
    status = chance.choices([Status.OK, Status.TRUNCATED, Status.PARSE_ERROR], [8, 1, 1])[0]
    return Document(
        f"Document {number}: " + "word " * chance.randrange(1, 40),
        parsed=f"parsed {number}" if status is Status.OK else None,
        prompt=f"Write number {number}.",
        status=status,
        template_id=f"template-{number % 5}",
        model_id=model,
        parent_doc_id=parent,
        usage=Usage(100 + number % 50, 50 + number % 30, 4096),
        finish_reason="stop",
        metadata={"provider": "test"},
        extras={"notes.md": "a note"} if number % 10 == 0 else None,
    )
