"""The tables and their indexes: one description, from which each engine makes its own statements.

Which index answers which query (tests hold the query plans):

- ``documents_ok_by_task``, ``documents_ok_by_key``: the latest ok. Partial, so that hundreds of newer failed attempts
  cost nothing. No ``DESC``: read backwards they give newest first with ``seq`` as the tie-breaker; a descending column
  would make the tie-breaker a sort (sqlite.org/queryplanner.html).
- ``documents_by_task``, ``documents_by_key``: history, and the newest of any status.
- ``documents_by_run``: one run's documents, and those of its tasks.
- ``documents_by_parent``, ``document_parent_lists_by_parent`` and ``documents_by_parent_list``: what was made from a
  document.
- ``documents_newest``: the newest of all, and of every filter. It covers what can be filtered by, so that a kind that is
  rare, or not there at all, costs one pass over the index and reads no row.
- ``documents_by_prompt``: the documents of a task that answer the same prompt.

A document that was made from its ``parent_doc_id`` alone has its parent and the input's name in its row. Any other list of
parents is stored once, in ``document_parent_lists``, for all documents that have it: a step that reads 2,000 documents and
writes 200 stores 2,000 rows. The view ``document_parents`` shows every parent of every document, for people's SQL.
"""

from __future__ import annotations

from dataclasses import dataclass

from doc_io.document import COLUMNS

SCHEMA_VERSION = 4
"""Number of this schema. An index of an older one must be rebuilt; one of a newer is refused. Neither is touched."""

REBUILD = "Rebuild it from the files with `doc-io reindex`."
"""What to do about an index of an older schema."""

NAME_ANOTHER = "Name another file or database as the index."
"""What to do about a database of something else, which no rebuild touches."""

SET_ASIDE = "Rebuild it with `doc-io reindex`, which keeps this file under another name; or name another index."
"""What to do about a file that is no sound index."""

UPGRADE = "Upgrade doc_io."
"""What to do about an index of a newer schema."""

INSERTED: tuple[str, ...] = (
    *(column for column in COLUMNS if column != "seq"),
    "parent_input_name",  # of the one parent, where that is parent_doc_id; no document has both this and a list
    "parent_list_id",
)
"""The columns that a writer gives: those of a row, and how its parents are found."""

INTEGERS = ("usage_prompt_tokens", "usage_completion_tokens", "usage_max_tokens", "raw_chars", "parsed_chars")
"""Those of them that hold counts."""

REALS = ("score",)
"""Those that hold numbers; the others hold text."""

_REQUIRED = ("doc_id", "logical_key_id", "stage", "task_id", "attempt", "status", "created_at", "doc_dir", "meta_small")


@dataclass(frozen=True)
class Dialect:
    """How an engine declares columns.

    Attributes:
        seq: A primary key that grows.
        integer: Counts of up to 63 bits.
        text: Texts that compare by their bytes.
        real: 64-bit floating-point numbers.
        clustered: What makes a table a tree of its primary key, where the engine has that.
    """

    seq: str
    integer: str
    text: str
    real: str
    clustered: str = ""


def create_tables(dialect: Dialect, suffix: str = "") -> list[str]:
    """The statements that make the tables of documents, without indexes.

    Args:
        dialect: The engine's.
        suffix: Appended to each name: of tables that are built beside the index. Default: the index itself.
    """
    columns = [f"seq {dialect.seq}"]
    for column in INSERTED:
        kind = dialect.integer if column in INTEGERS else dialect.real if column in REALS else dialect.text
        required = " NOT NULL" if column in _REQUIRED else ""
        unique = " UNIQUE" if column == "doc_id" else ""
        columns.append(f"{column} {kind}{required}{unique}")
    documents = ",\n    ".join(columns)
    text = dialect.text
    listed = (
        f"list_id {text} NOT NULL, position {dialect.integer} NOT NULL, parent_doc_id {text} NOT NULL,"
        f" input_name {text} NOT NULL, PRIMARY KEY (list_id, position)"
    )
    return [
        f"CREATE TABLE documents{suffix} (\n    {documents}\n)",
        f"CREATE TABLE document_parent_lists{suffix} ({listed}){dialect.clustered}",
    ]


CREATE_VIEW = (
    "CREATE VIEW document_parents AS"
    " SELECT doc_id, 0 AS position, parent_doc_id, parent_input_name AS input_name FROM documents"
    " WHERE parent_input_name IS NOT NULL UNION ALL"
    " SELECT made.doc_id, listed.position, listed.parent_doc_id, listed.input_name"
    " FROM documents AS made JOIN document_parent_lists AS listed ON listed.list_id = made.parent_list_id"
)
"""The statement that makes the view of all parents. It is for people: not every SQLite joins a view through an index."""


def create_properties(dialect: Dialect) -> str:
    """The statement that makes the table of what is known of the index as a whole: the id of its store."""
    return f"CREATE TABLE documents_properties (name {dialect.text} PRIMARY KEY, value {dialect.text} NOT NULL)"


def create_indexes(suffix: str = "") -> list[str]:
    """The statements that make the indexes; run after the rows where many are inserted at once.

    Args:
        suffix: As for `create_tables`.
    """
    ok = "WHERE status = 'ok'"
    filters = "stage, task_id, status, model_id, template_id, experiment_id"
    indexes = {
        "documents_by_task": "documents (stage, task_id, created_at, seq)",
        "documents_by_key": "documents (logical_key_id, created_at, seq)",
        "documents_by_run": f"documents (run_id, stage, task_id, created_at, seq, {_TOKENS})",
        "documents_by_parent": "documents (parent_doc_id) WHERE parent_doc_id IS NOT NULL",
        "documents_by_parent_list": "documents (parent_list_id) WHERE parent_list_id IS NOT NULL",
        "documents_newest": f"documents (created_at, seq, {filters})",
        "documents_by_prompt": "documents (stage, task_id, prompt_hash, created_at, seq) WHERE prompt_hash IS NOT NULL",
        "document_parent_lists_by_parent": "document_parent_lists (parent_doc_id)",
        # Last: of two indexes that would serve equally well, SQLite takes the one that was made later.
        "documents_ok_by_task": f"documents (stage, task_id, created_at, seq) {ok}",
        "documents_ok_by_key": f"documents (logical_key_id, created_at, seq) {ok}",
    }
    return [
        f"CREATE INDEX {name}{suffix} ON {definition.replace(' (', f'{suffix} (', 1)}"
        for name, definition in indexes.items()
    ]


_TOKENS = "usage_prompt_tokens, usage_completion_tokens"
