"""The table and its indexes: one description, from which each engine makes its own statements.

Which index answers which question (look at the query plan; tests do):

- ``documents_ok_by_task``, ``documents_ok_by_key``: the latest ok. Partial, so that hundreds of newer failed attempts
  cost nothing. No ``DESC``: read backwards they give newest first with ``seq`` as the tie-breaker; a descending column
  would make the tie-breaker a sort (sqlite.org/queryplanner.html).
- ``documents_by_task``, ``documents_by_key``: history, and the newest of any status.
- ``documents_by_run``: one run's documents, and those of its tasks.
- ``documents_by_parent``, ``document_parents_by_parent``: what was made from a document.
- ``documents_newest``: the newest of all, and of every filter. It covers what can be filtered by, so that a kind that is
  rare, or not there at all, costs one pass over the index and no look at a row.
- ``documents_usage``: token totals, read from the index alone; only for an engine that keeps no totals.
"""

from __future__ import annotations

from doc_io.document import COLUMNS

SCHEMA_VERSION = 2
"""Of the table. An index of a newer one is refused and left as it is."""

INSERTED: tuple[str, ...] = tuple(column for column in COLUMNS if column != "seq")
"""The columns a writer gives."""

INTEGERS = ("usage_prompt_tokens", "usage_completion_tokens", "usage_max_tokens", "raw_chars", "parsed_chars")
"""Those of them that hold counts."""

REALS = ("score",)
"""Those that hold numbers; the others hold text."""

_REQUIRED = ("doc_id", "logical_key_id", "stage", "task_id", "attempt", "status", "created_at", "doc_dir", "meta_small")


def create_statements(seq: str, integer: str, text: str = "TEXT", real: str = "REAL") -> list[str]:
    """The statements that make an empty index, in an engine that counts totals when it is asked.

    Args:
        seq: How this engine declares a primary key that grows.
        integer: Its type for counts of up to 63 bits.
        text: Its type for texts that compare by their bytes. Default: SQLite's.
        real: Its type for 64-bit floating-point numbers. Default: SQLite's.
    """
    usage = f"CREATE INDEX documents_usage ON documents (model_id, template_id, {_TOKENS})"
    return [*create_tables(seq, integer, text, real), *create_indexes(), usage]


def create_tables(seq: str, integer: str, text: str = "TEXT", real: str = "REAL") -> list[str]:
    """The two tables; arguments as for `create_statements`."""
    columns = [f"seq {seq}"]
    for column in INSERTED:
        kind = integer if column in INTEGERS else real if column in REALS else text
        required = " NOT NULL" if column in _REQUIRED else ""
        unique = " UNIQUE" if column == "doc_id" else ""
        columns.append(f"{column} {kind}{required}{unique}")
    documents = ",\n    ".join(columns)
    parents = (
        f"doc_id {text} NOT NULL, position {integer} NOT NULL, parent_doc_id {text} NOT NULL, input_name {text} NOT NULL,"
        " PRIMARY KEY (doc_id, position)"
    )
    return [f"CREATE TABLE documents (\n    {documents}\n)", f"CREATE TABLE document_parents ({parents})"]


def create_indexes() -> list[str]:
    """What answers the questions; made after the rows where many are inserted at once."""
    ok = "WHERE status = 'ok'"
    kinds = "stage, task_id, status, model_id, template_id, experiment_id"
    return [
        "CREATE INDEX documents_by_task ON documents (stage, task_id, created_at, seq)",
        "CREATE INDEX documents_by_key ON documents (logical_key_id, created_at, seq)",
        f"CREATE INDEX documents_by_run ON documents (run_id, stage, task_id, created_at, seq, {_TOKENS})",
        "CREATE INDEX documents_by_parent ON documents (parent_doc_id) WHERE parent_doc_id IS NOT NULL",
        f"CREATE INDEX documents_newest ON documents (created_at, seq, {kinds})",
        "CREATE INDEX document_parents_by_parent ON document_parents (parent_doc_id)",
        # Last: of two indexes that would serve equally well, SQLite takes the one that was made later.
        f"CREATE INDEX documents_ok_by_task ON documents (stage, task_id, created_at, seq) {ok}",
        f"CREATE INDEX documents_ok_by_key ON documents (logical_key_id, created_at, seq) {ok}",
    ]


_TOKENS = "usage_prompt_tokens, usage_completion_tokens"
