"""One root for every error; each says what happened, to which document, and what to do next.

The docstring of a class is its message: its ``{fields}`` are filled with what the error was made with.
"""

from __future__ import annotations

from typing import ClassVar

from doc_io.escaping import printable

_MAX_FACT = 300  # characters; a task id or a model's text may be a megabyte, a message is for people


class DocIOError(Exception):
    """doc_io could not do this: {reason}."""

    exit_code: ClassVar[int] = 1
    """What the command line ends with when this error ends it."""

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        shown = {name: _shown(name, fact) for name, fact in facts.items()}
        template = type(self).__doc__  # python -OO drops docstrings: the facts alone must do then
        super().__init__(template.format(**shown) if template else f"{type(self).__name__}: {shown}")

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from their positional arguments, and this one has none; a process pool needs it.
        return (_rebuilt, (type(self), self.facts))


class InvalidDocumentError(DocIOError, ValueError):
    """{what} cannot be stored: {reason}. It was not written. {hint}"""

    exit_code = 2


class UnknownStatusError(DocIOError, ValueError):
    """{status} is not a status. Nothing was written. Use one of: ok, truncated, parse_error, gen_error, skipped."""

    exit_code = 2


class UnknownStageError(DocIOError, ValueError):
    """Stage {stage} is not one of the configured stages ({stages}). Add it to the IO manager's `stages`, or correct `doc_io/stage`."""

    exit_code = 2


class ConfigurationError(DocIOError, ValueError):
    """{setting} cannot be used: {reason}. {hint}"""

    exit_code = 3


class DocumentNotFoundError(DocIOError, FileNotFoundError):
    """No {kind} document for {of} (stage {stage}, task {task}); newest attempt: {newest}. Materialize it, or pin a version with `doc_io/version`."""

    exit_code = 4


class UnknownTaskError(DocIOError, LookupError):
    """Task {task} is not in the task table {table} (column {column}, {lines}). Add a line for it, or correct the partition key."""

    exit_code = 4


class UnknownDocumentError(DocIOError, FileNotFoundError):
    """There is no document {doc_id} in the index of {docs_root}. Look for it with `doc-io ls`, or rebuild the index with `doc-io reindex`."""

    exit_code = 4


class UnknownNameError(UnknownDocumentError):
    """There is no {what} {name} in the index of {docs_root}. {hint}"""


class AmbiguousDocumentError(DocIOError, ValueError):
    """Several documents begin with {start}: {first}, {second}, … Give more characters, or stage/task for the latest ok one."""

    exit_code = 4


class NameTakenError(DocIOError, ValueError):
    """There are documents of {stage}/{task} already (tasks that are taken: {tasks}). Nothing was renamed. {hint}"""

    exit_code = 5


class DamagedDocumentError(DocIOError, OSError):
    """Document {doc_id} in {doc_dir} is not whole: {reason}. Look at it with `doc-io verify`; the other attempts are in `doc-io history`."""

    exit_code = 6


class MissingTextError(DocIOError, LookupError):
    """Document {doc_id} (status {status}) has no {which}. {hint} See it with `doc-io show {doc_id}`."""

    exit_code = 4


class StorageError(DocIOError, OSError):
    """The docs root {docs_root} could not {action} {path}: {reason}. Check that it is there, has room and may be written, then run it again."""

    exit_code = 7


class SpooledError(DocIOError):
    """The store could not be reached. Kept on the host {host}, in {spool}: {documents}. When the store is back, file them with: {command}. The reason was: {reason}"""

    exit_code = 7


class TextLostError(DocIOError):
    """The store could not be reached: {reason}. The spool {spool} could not keep {documents} on this machine either: {trouble}. The text is lost; give the IO manager a `spool` on a disk that may be written and has room."""

    exit_code = 7


class IndexAccessError(DocIOError):
    """The index {index} could not be used: {reason}. Check the database, or rebuild it from the files with `doc-io reindex`."""

    exit_code = 8


class IndexBusyError(IndexAccessError):
    """The index {index} stayed locked for {seconds} s by {holder}, while this waited for {what}. Nothing was lost: run it again; if it stays so, end the program that holds it."""


class MaintenanceBusyError(IndexBusyError):
    """Another reindex, prune or copy is at work on {index}: {holder}. Nothing was changed; run it again when that one is done."""


class IndexReadOnlyError(IndexAccessError):
    """The index {index} cannot be written: {reason}. Nothing was changed. Run this as a user who may, or give this one the permission."""


class IndexFormatError(IndexAccessError):
    """{index} is not an index of doc_io: {reason}. It was not touched. {hint}"""


class IndexVersionError(IndexAccessError):
    """The index {index} has schema {found}, and this doc_io uses schema {known}. It was not touched. {hint}"""


class StoreMismatchError(IndexAccessError):
    """The docs root {docs_root} and the index {index} do not belong together: {reason}. Nothing was written or looked up. {hint}"""


class QueryError(DocIOError, ValueError):
    """The index could not answer this: {reason}. Nothing was changed; `doc-io sql` only reads, one statement at a time."""

    exit_code = 2


class InvalidGroupError(DocIOError, ValueError):
    """Documents cannot be grouped by {by}. Give a column ({columns}), or STAGE.COLUMN for that of an ancestor, such as draft.template_id."""

    exit_code = 2


class IndexOnNetworkError(IndexAccessError):
    """The index {index} is on {disk}, where SQLite may lose or damage it. It was not touched. Put the index on a local disk or in PostgreSQL; set `db_on_network` if only one process uses it."""


class CommitUnknownError(IndexAccessError):
    """The connection to the index {index} ended while document {doc_id} was being committed, so it may be there or not. Nothing was deleted. Save the same attempt again: it becomes one document either way."""


def _shown(name: str, fact: object) -> str:
    # A command is made of the user's own configuration, and half a command is of no use.
    return printable(str(fact), limit=None if name == "command" else _MAX_FACT)


def _rebuilt(kind: type[DocIOError], facts: dict[str, object]) -> DocIOError:
    return kind(**facts)
