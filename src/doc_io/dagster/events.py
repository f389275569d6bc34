"""What Dagster gets to see of a document: metadata, observations, and the failure of a step."""

from __future__ import annotations

import dataclasses
import logging
import textwrap
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetObservation, Failure, MetadataValue

from doc_io.document import FAILED, DocumentRow
from doc_io.escaping import counted, fenced, printable
from doc_io.reports.failures import reason as reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from doc_io.errors import DocIOError
    from doc_io.store import DocumentStore

Reported = tuple["str | None", "DocumentRow", "dict[str, Any]"]
"""Partition, row, and what Dagster gets to see of it."""

_COUNTS = ("raw_chars", "usage_prompt_tokens", "usage_completion_tokens", "usage_max_tokens")
_IDS = ("doc_id", "logical_key_id", "parent_doc_id", "doc_dir", "prompt_path")

_PREVIEW_COLUMNS = 80
"""Where lines of a preview are wrapped: Dagster's page scrolls a code block sideways otherwise."""


def say(log: Callable[[str], None], message: str) -> None:
    """A message in Dagster's log, or in this process's own where Dagster's storage is away: then Dagster's raises.

    Args:
        log: ``context.log.error`` or another of its methods.
        message: What to say, where an error of the log must not cost an answer.
    """
    try:
        log(message)
    except Exception:  # noqa: BLE001 - whatever that storage raises
        logging.getLogger(__name__).warning("%s", message)


@dataclasses.dataclass(frozen=True)
class Shown:
    """How documents are shown to Dagster.

    Attributes:
        store: Where they are.
        preview_chars: The longest preview, in characters; 0 turns it off. Default: 500.
        page_url: Where `doc-io serve` answers. Default: there is no page.
    """

    store: DocumentStore
    preview_chars: int = 500
    page_url: str | None = None

    def metadata_of(self, row: DocumentRow, text: str | None) -> dict[str, Any]:
        """The metadata of a materialization: what a person looks for first, then counts, then ids and paths.

        Args:
            row: The document.
            text: What the preview is taken from; none where there is no text.
        """
        return {
            **self._page(row),
            "status": str(row.status),
            **self._judged(row, text),
            **{name: _value(getattr(row, name)) for name in (*_COUNTS, *_IDS)},
            **self._path(row),
            "dagster/uri": MetadataValue.url(self.store.storage.url(row.doc_dir)),
        }

    def metadata_of_failed(self, row: DocumentRow, text: str | None) -> dict[str, Any]:
        """The metadata of a kept failure, under names that do not replace those of the good document before it.

        Arguments as for `metadata_of`.
        """
        facts = {
            "status": str(row.status),
            "reason": reason(row),
            **self._judged(row, text),
            **{name: _value(getattr(row, name)) for name in (*_COUNTS, *_IDS)},
            **self._path(row),
        }
        return {f"failed_{name}": value for name, value in {**self._page(row), **facts}.items()}

    def listed(self, partition: str | None, row: DocumentRow) -> dict[str, Any]:
        """One of several failures, for their list."""
        return {
            "partition": partition,
            "status": str(row.status),
            "reason": reason(row),
            "doc_id": row.doc_id,
            "doc_dir": row.doc_dir,
            **({"page": self.url(row)} if self.page_url else {}),
        }

    def url(self, row: DocumentRow) -> str:
        """The page of a document."""
        return f"{self.page_url}/d/{row.doc_id}"

    def _page(self, row: DocumentRow) -> dict[str, Any]:
        return {"page": MetadataValue.url(self.url(row))} if self.page_url else {}

    def _judged(self, row: DocumentRow, text: str | None) -> dict[str, Any]:
        found: dict[str, Any] = {} if row.score is None else {"score": MetadataValue.float(row.score)}
        if text and self.preview_chars > 0:
            found["preview"] = MetadataValue.md(fenced(_wrapped(_cut(text, self.preview_chars))))
        return found

    def _path(self, row: DocumentRow) -> dict[str, Any]:
        # Not str(UPath): for sftp and webdav it drops the host.
        return {"path": MetadataValue.path(self.store.storage.shown(row.doc_dir))}


def beside(metadata: Mapping[str, Any], authors: Mapping[str, Any]) -> dict[str, Any]:
    """What doc_io says of a document without the names that its author uses: theirs are not replaced."""
    return {name: value for name, value in metadata.items() if name not in authors}


def observation_of(
    asset_key: AssetKey, partition: str | None, row: DocumentRow, metadata: Mapping[str, Any]
) -> AssetObservation:
    """The trace that a kept failure leaves on its asset: a materialization would mark the partition as made."""
    return AssetObservation(
        asset_key=asset_key,
        partition=partition,
        description=f"A {row.status} document was kept ({reason(row)}): {row.doc_id}",
        metadata=dict(metadata),
    )


def failure_of_one(label: str, row: DocumentRow, metadata: Mapping[str, Any]) -> Failure:
    """The failure of a step whose document was kept but is not good.

    Args:
        label: The output in words.
        row: Its row.
        metadata: What Dagster gets to see of it.

    Returns:
        A `dagster.Failure`. A RetryPolicy may try again: another generation may be good.
    """
    why = reason(row)
    because = "" if why == row.status else f" ({why})"
    return Failure(
        description=f"{printable(label)}: the document is {row.status}{because}. It was kept as {row.doc_id} in"
        f" {row.doc_dir}; the older ok version, where there is one, stays the latest.",
        metadata=dict(metadata),
    )


def failure_of_refused(label: str, error: DocIOError, kept: Sequence[Reported]) -> Failure:
    """The failure of a step whose documents cannot be written as they are; no retry would help.

    Args:
        label: The output in words.
        error: Why they cannot.
        kept: What was kept of them all the same.
    """
    listed = ", ".join(f"{row.doc_id} in {row.doc_dir}" for _, row, _ in kept[:10])
    where = f" The text, with all that is right of its fields, was kept as a gen_error document: {listed}."
    metadata = kept[0][2] if len(kept) == 1 else {}
    return Failure(description=f"{label}: {error}{where if kept else ''}", metadata=metadata, allow_retries=False)


def failure_of_many(label: str, shown: Shown, kept: Sequence[Reported]) -> Failure:
    """The failure of a run over many partitions, of which some are not good.

    Args:
        label: The output in words.
        shown: How documents are shown.
        kept: Partition, row and metadata of each that is not.

    Returns:
        One `dagster.Failure` that lists them all.
    """
    lines = [f"{partition}: {row.status} ({reason(row)}), kept as {row.doc_id}" for partition, row, _ in kept]
    are = "is" if len(kept) == 1 else "are"
    page = {} if shown.page_url is None else {"page": MetadataValue.url(f"{shown.page_url}/failures")}
    return Failure(
        description=f"{printable(label)}: {counted(len(kept), 'document')} {are} not ok. What was made is kept, and"
        " the older ok versions stay the latest.\n" + "\n".join(printable(line) for line in lines),
        metadata={
            **page,
            "failed_documents": MetadataValue.json([shown.listed(partition, row) for partition, row, _ in kept]),
        },
    )


def reason(row: DocumentRow) -> str:
    """Why a document is not ok, in one short line that can be shown."""
    return printable(reason_of(row), limit=200)


def is_failed(row: DocumentRow) -> bool:
    """Whether a document makes its step fail."""
    return row.status in FAILED


def _value(value: object) -> object:
    return MetadataValue.null() if value is None else MetadataValue.int(value) if isinstance(value, int) else str(value)


def _wrapped(text: str) -> str:
    lines = [
        textwrap.wrap(line, _PREVIEW_COLUMNS, expand_tabs=False, replace_whitespace=False, drop_whitespace=False)
        or [""]
        for line in text.split("\n")
    ]
    return "\n".join(part for parts in lines for part in parts)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
