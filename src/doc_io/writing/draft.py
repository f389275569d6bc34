"""A document on its way into the store: its identity, its files, and the record that will commit them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from doc_io import clock
from doc_io.commit_record import (
    EXTRAS_FOLDER,
    PARSED_NAME,
    PROMPT_NAME,
    RAW_NAME,
    RECORD_COLUMNS,
    RECORD_NAME,
    CommitRecord,
    CommitRecordError,
    FileEntry,
    decode,
    encode,
    encode_text,
    file_entry,
    frozen_metadata,
)
from doc_io.document import Document, Parent, Usage
from doc_io.document_checks import as_document, checked
from doc_io.errors import InvalidDocumentError
from doc_io.ids import compute_logical_key_id, doc_dir, new_doc_id, path_segment, unstorable
from doc_io.index.base import TaskKey
from doc_io.parsers import parse

MAX_SMALL_CHARS = 200  # characters of a string in meta_small; the whole of it is in metadata.json
_MAX_SMALL_FACTS = 32


@dataclass(frozen=True)
class Origin:
    """Where a document comes from: what its text does not say.

    Args:
        stage: Kind of document.
        task_id: What it was made for.
        attempt: What tells it from other attempts of the same run. Default: a name that no other attempt has.
        run_id: The run that made it. Default: none.
        asset_key: The asset as text. Default: none.
        experiment_id: The experiment it belongs to. Default: none.
        prompt_path: The file of another document that was its prompt. Default: its own prompt.txt, where it has one.
        prompt_hash: SHA-256 of the prompt in hexadecimal, where the prompt itself is not kept. Default: that of its
            prompt.txt.
        parents: Every document it was made from; one alone is the primary one. Default: only
            ``Document.parent_doc_id``.
        doc_id: Its id, where it follows from something else than key, run and attempt. Default: it does not.
        created_at: When it was made, for what is brought in from elsewhere: a time with its zone, also as ISO 8601; not in
            the future. Default: when it is saved, after everything that its task has.
    """

    stage: str
    task_id: str
    attempt: str = field(default_factory=lambda: os.urandom(8).hex())
    run_id: str | None = None
    asset_key: str | None = None
    experiment_id: str | None = None
    prompt_path: str | None = None
    prompt_hash: str | None = None
    parents: tuple[Parent, ...] = ()
    doc_id: str | None = None
    created_at: datetime | str | None = None


@dataclass(frozen=True)
class Draft:
    """All of a document that is to be written: what `doc_io.writing.commit` takes.

    Attributes:
        record: Its commit record; without a ``created_at`` where its place in history is still to be found.
        contents: Path inside its folder to bytes; all files but the record.
    """

    record: CommitRecord
    contents: Mapping[str, bytes]

    @property
    def doc_id(self) -> str:
        """Its id, which follows from its content."""
        return str(self.record.row["doc_id"])

    @cached_property
    def doc_dir(self) -> str:
        """Its folder, relative to the docs root."""
        return self.record.doc_dir

    @property
    def task(self) -> TaskKey:
        """Whose history it belongs to."""
        return self.record.row["stage"], self.record.row["task_id"]

    @property
    def is_placed(self) -> bool:
        """Whether its place in history is settled."""
        return self.record.row["created_at"] is not None

    @property
    def files(self) -> dict[str, bytes]:
        """Every file of its folder, the commit record last."""
        return {**self.contents, RECORD_NAME: encode(self.record)}

    def at(self, created_at: str | None, prev_doc_id: str | None) -> Draft:
        """The same document at a place in history; with ``None`` for the time, at none."""
        return Draft(self.record.with_row(created_at=created_at, lineage_prev_doc_id=prev_doc_id), self.contents)


def logical_key_id(document: Document, stage: str, task_id: str) -> str:
    """The logical key of a document: stage, source, template, model and its own identifiers (docs/reference.md)."""
    named = {
        "source": document.parent_doc_id or task_id,
        "template_id": document.template_id,
        "model_id": document.model_id,
        **(document.identifiers or {}),
    }
    return compute_logical_key_id(stage, {name: value for name, value in named.items() if value is not None})


def hash_of_prompt(prompt: str) -> str:
    """What the column ``prompt_hash`` has for a prompt: SHA-256 of its UTF-8, in hexadecimal."""
    return hashlib.sha256(encode_text(prompt)).hexdigest()


def make_draft(document: Document, origin: Origin) -> Draft:
    """Everything that follows from a document and its origin; what the caller does with either later changes nothing.

    Raises:
        InvalidDocumentError: A name cannot be stored in a database, a text is not text, or the metadata is no JSON that
            can be read back.
    """
    if document.parent_doc_id is None and len(origin.parents) == 1:
        document = replace(document, parent_doc_id=origin.parents[0].doc_id)
    document, problems = checked(document)
    if problems:
        raise InvalidDocumentError(what="A document", reason="; ".join(problems), hint="Correct these fields.")
    for name, value in _names(origin):
        reason = None if value is None else unstorable(value)
        if reason is not None:
            raise InvalidDocumentError(
                what=f"A document with {name} {value!r}", reason=reason, hint="Give another name."
            )
    document = _completed(document)
    metadata = frozen_metadata(document.metadata or {})
    contents, extras = _contents(document)
    files = {path: file_entry(data) for path, data in contents.items()}
    row = _row(document, origin, files, _small(document.finish_reason, metadata))
    unnamed = CommitRecord(row, _all_parents(document, origin), files, extras, metadata)
    doc_id = origin.doc_id
    if doc_id is None:
        digest = hashlib.sha256(encode(unnamed))
        digest.update(encode_text(repr(document.finish_reason)))  # the record has only the start of a long one
        doc_id = new_doc_id(row["logical_key_id"], origin.run_id or "", f"{origin.attempt}:{digest.hexdigest()}")
    prompt_path = origin.prompt_path
    if prompt_path is None and document.prompt is not None:
        prompt_path = f"{doc_dir(origin.stage, row['logical_key_id'], doc_id)}/{PROMPT_NAME}"
    return Draft(unnamed.with_row(doc_id=doc_id, prompt_path=prompt_path), contents)


def _row(document: Document, origin: Origin, files: Mapping[str, FileEntry], small: dict[str, Any]) -> dict[str, Any]:
    """What a record says of the row, but the id, what follows from it, and the place in history."""
    usage = document.usage if isinstance(document.usage, Usage) else Usage()
    row = {
        "doc_id": None,
        "logical_key_id": logical_key_id(document, origin.stage, origin.task_id),
        "stage": origin.stage,
        "task_id": origin.task_id,
        "asset_key": origin.asset_key,
        "parent_doc_id": document.parent_doc_id,
        "template_id": document.template_id,
        "model_id": document.model_id,
        "run_id": origin.run_id,
        "experiment_id": origin.experiment_id,
        "attempt": origin.attempt,
        "prompt_path": origin.prompt_path,
        "parser": document.parser,
        "status": document.outcome.value,
        "usage_prompt_tokens": usage.prompt_tokens,
        "usage_completion_tokens": usage.completion_tokens,
        "usage_max_tokens": usage.max_tokens,
        "score": document.score,
        "created_at": None,
        "raw_chars": None if document.raw is None else len(document.raw),
        "parsed_chars": None if document.parsed is None else len(document.parsed),
        "content_hash": files[RAW_NAME].sha256 if RAW_NAME in files else None,
        "prompt_hash": files[PROMPT_NAME].sha256 if PROMPT_NAME in files else origin.prompt_hash,
        "meta_small": small,
        "lineage_prev_doc_id": None,
    }
    return {column: row[column] for column in RECORD_COLUMNS}


def make_drafts(documents: Iterable[tuple[Document | str, Origin]]) -> list[Draft]:
    """The drafts of texts, each parsed by the parser that it names, once: `commit` takes the same drafts any number of times.

    Errors as for `make_draft`.
    """
    return [make_draft(parse(as_document(document)), origin) for document, origin in documents]


def draft_from_files(folder: str, files: Mapping[str, bytes]) -> Draft:
    """The draft of a document that was written before, at the place in history that its record says.

    Args:
        folder: Where its files were, relative to their docs root.
        files: All of them, the record too.

    Raises:
        CommitRecordError: They are not what its record says.
    """
    record = decode(files[RECORD_NAME])
    if record.doc_dir != folder:
        raise CommitRecordError(f"{RECORD_NAME} is of another document, {record.row['doc_id']}")
    contents = {path: files[path] for path in record.files}
    for path, data in contents.items():
        if file_entry(data) != record.files[path]:
            raise CommitRecordError(f"{path} is not what was saved")
    return Draft(record, contents)


def next_created_at(newest: str | None) -> str:
    """The time of a document that comes after another: the clock's, or one microsecond later where that ran ahead.

    Args:
        newest: Time of the newest document of the task, in the same form; ``None`` where there is none.

    Returns:
        ISO 8601, UTC, with microseconds: text that sorts by time.
    """
    return later_created_at(time_text(clock.utc_now()), newest)


def past_time(origin: Origin) -> str | None:
    """The time that an import is given, in the form of ``created_at``.

    Raises:
        InvalidDocumentError: It is no time, has no zone, or is in the future.
    """
    given = origin.created_at
    if given is None:
        return None
    try:
        # Python 3.10 does not know the Z.
        time = given if isinstance(given, datetime) else datetime.fromisoformat(given.replace("Z", "+00:00"))
        if time.tzinfo is None:
            raise ValueError("it has no zone")  # noqa: TRY301 - one answer for every reason
        text = time_text(time.astimezone(timezone.utc))
        if text > time_text(clock.utc_now()):
            raise ValueError("it is in the future")  # noqa: TRY301 - as above
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise InvalidDocumentError(
            what=f"A document with created_at {given!r}",
            reason=str(error),
            hint="Give a time with its zone, such as 2024-01-31T12:00:00Z.",
        ) from None
    return text


def later_created_at(time: str, newest: str | None) -> str:
    """A time, or one microsecond after the newest where that is not earlier; both in the form of ``created_at``."""
    if newest is None or newest < time:
        return time
    return time_text(datetime.fromisoformat(newest.removesuffix("Z") + "+00:00") + timedelta(microseconds=1))


def time_text(time: datetime) -> str:
    """A time in UTC in the form of ``created_at``."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _completed(document: Document) -> Document:
    """The document with what follows from the rest of it: why it is not ok, and the model that answered for want of another."""
    metadata, reason = dict(document.metadata or {}), document.reason
    if reason is not None:
        metadata.setdefault("error", reason)
    model = document.model_id or metadata.get("provider_model")
    if reason is None and model == document.model_id:
        return document
    return replace(document, metadata=metadata, model_id=model if isinstance(model, str) else None)


def _names(origin: Origin) -> Iterable[tuple[str, object]]:
    if not origin.stage:
        raise InvalidDocumentError(what="A document without a stage", reason="stage is empty", hint="Name its stage.")
    for name in ("stage", "task_id", "attempt", "run_id", "asset_key", "experiment_id"):
        yield name, getattr(origin, name)
    for parent in origin.parents:
        yield "parent", parent.doc_id
        yield "input name", parent.input_name


def _contents(document: Document) -> tuple[dict[str, bytes], dict[str, str]]:
    texts = {RAW_NAME: document.raw, PARSED_NAME: document.parsed, PROMPT_NAME: document.prompt}
    contents = {path: encode_text(text) for path, text in texts.items() if text is not None}
    extras = {}
    for name, content in (document.extras or {}).items():
        path = f"{EXTRAS_FOLDER}/{path_segment(name)}"
        contents[path] = encode_text(content) if isinstance(content, str) else content
        extras[path] = name
    return contents, extras


def _all_parents(document: Document, origin: Origin) -> tuple[Parent, ...]:
    primary = document.parent_doc_id
    if primary is None or any(parent.doc_id == primary for parent in origin.parents):
        return origin.parents
    return (Parent(primary), *origin.parents)


def _small(finish_reason: str | None, metadata: Mapping[str, Any]) -> dict[str, Any]:
    small: dict[str, Any] = {}
    for name, value in {"finish_reason": finish_reason, **metadata}.items():
        if isinstance(value, str):
            small[name] = value[:MAX_SMALL_CHARS]
        elif isinstance(value, (bool, int, float)):
            small[name] = value
    return dict(list(small.items())[:_MAX_SMALL_FACTS])
