"""The table and its indexes: one description, from which each engine makes its own statements.

Which index answers which question (look at the query plan; tests do):

- ``documents_ok_by_task``, ``documents_ok_by_key``: the latest ok. Partial, so that hundreds of newer failed attempts
  cost nothing. No ``DESC``: read backwards they give newest first with ``seq`` as the tie-breaker; a descending column
  would make the tie-breaker a sort (sqlite.org/queryplanner.html).
- ``documents_by_task``, ``documents_by_key``: history, and the newest of any status.
- ``documents_by_run``: one run's documents, and those of its tasks.
- ``documents_by_parent``, ``document_parents_by_parent``: what was made from a document.
- ``documents_usage``: token totals, read from the index alone.
"""

from __future__ import annotations

from doc_io.document import COLUMNS

SCHEMA_VERSION = 1
"""Of the table. An index of a newer one is refused and left as it is."""

INSERTED: tuple[str, ...] = tuple(column for column in COLUMNS if column != "seq")
"""The columns a writer gives."""

INTEGERS = ("usage_prompt_tokens", "usage_completion_tokens", "usage_max_tokens", "raw_chars", "parsed_chars")
"""Those of them that hold counts; the others hold text."""

_REQUIRED = ("doc_id", "logical_key_id", "stage", "task_id", "attempt", "status", "created_at", "doc_dir", "meta_small")


def create_statements(seq: str, integer: str, text: str = "TEXT") -> list[str]:
    """The statements that make an empty index.

    Args:
        seq: How this engine declares a primary key that grows.
        integer: Its type for counts of up to 63 bits.
        text: Its type for texts that compare by their bytes. Default: SQLite's.
    """
    columns = [f"seq {seq}"]
    for column in INSERTED:
        kind = integer if column in INTEGERS else text
        required = " NOT NULL" if column in _REQUIRED else ""
        unique = " UNIQUE" if column == "doc_id" else ""
        columns.append(f"{column} {kind}{required}{unique}")
    documents = ",\n    ".join(columns)
    parents = (
        f"doc_id {text} NOT NULL, position {integer} NOT NULL, parent_doc_id {text} NOT NULL, input_name {text} NOT NULL,"
        " PRIMARY KEY (doc_id, position)"
    )
    usage = "model_id, template_id, usage_prompt_tokens, usage_completion_tokens"
    ok = "WHERE status = 'ok'"
    return [
        f"CREATE TABLE documents (\n    {documents}\n)",
        f"CREATE TABLE document_parents ({parents})",
        "CREATE INDEX documents_by_task ON documents (stage, task_id, created_at, seq)",
        "CREATE INDEX documents_by_key ON documents (logical_key_id, created_at, seq)",
        "CREATE INDEX documents_by_run ON documents (run_id, stage, task_id, created_at, seq)",
        "CREATE INDEX documents_by_parent ON documents (parent_doc_id)",
        f"CREATE INDEX documents_usage ON documents ({usage})",
        "CREATE INDEX document_parents_by_parent ON document_parents (parent_doc_id)",
        # Last: of two indexes that would serve equally well, SQLite takes the one that was made later.
        f"CREATE INDEX documents_ok_by_task ON documents (stage, task_id, created_at, seq) {ok}",
        f"CREATE INDEX documents_ok_by_key ON documents (logical_key_id, created_at, seq) {ok}",
    ]
