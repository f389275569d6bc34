"""How PostgreSQL inserts a row: all of it on the server, in one journey, so that a commit is all that a writer waits for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from doc_io.document import Parent
from doc_io.index import queries
from doc_io.index.base import ConcurrentWriteError, DocumentIndexedError, HistoryHead
from doc_io.index.schema import INSERTED

if TYPE_CHECKING:
    import psycopg

_COLUMNS = ", ".join(INSERTED)

# Each statement of a volatile function sees what was committed before it began (postgresql.org/docs/current/
# xfunc-volatility.html): what stands behind the locks sees what the last holder of the locks wrote. A single statement
# would look with eyes from before it waited. The lesser lock first, so that no two writers wait for each other.
CREATE = f"""
CREATE FUNCTION doc_io_insert(
    new documents, task_lock bigint, key_lock bigint, parents text[], input_names text[],
    OUT inserted bigint, OUT newest text, OUT prev text
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(least(task_lock, key_lock));
    PERFORM pg_advisory_xact_lock(greatest(task_lock, key_lock));
    SELECT created_at FROM documents WHERE stage = new.stage AND task_id = new.task_id
        ORDER BY created_at DESC, seq DESC LIMIT 1 INTO newest;
    SELECT doc_id FROM documents WHERE logical_key_id = new.logical_key_id
        ORDER BY created_at DESC, seq DESC LIMIT 1 INTO prev;
    IF (newest IS NULL OR newest < new.created_at) AND prev IS NOT DISTINCT FROM new.lineage_prev_doc_id THEN
        INSERT INTO documents ({_COLUMNS}) VALUES ({", ".join(f"new.{column}" for column in INSERTED)})
            ON CONFLICT (doc_id) DO NOTHING RETURNING seq INTO inserted;
        IF inserted IS NOT NULL THEN
            INSERT INTO document_parents (doc_id, position, parent_doc_id, input_name)
                SELECT new.doc_id, position - 1, parent, name
                FROM unnest(parents, input_names) WITH ORDINALITY AS given(parent, name, position);
        END IF;
    END IF;
END $$
"""
"""Makes the function. ``inserted`` is the new seq; where it is NULL the place or the doc_id was another's, and ``newest``
and ``prev`` say what the place is now."""

CALL = f"SELECT * FROM doc_io_insert(ROW(0, {', '.join(['%s'] * len(INSERTED))})::documents, %s, %s, %s::text[], %s::text[])"
"""Calls it: the values of `queries.values_of`, the two locks, the parents and the names of the inputs."""

# Until the end of the transaction, in a fixed order, so that no two writers wait for each other.
LOCK = "SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest(%s::bigint[]) AS key ORDER BY 1) AS keys"
"""Takes the locks of its one value, a list of numbers."""

_GET = queries.GET.replace("?", "%s")


class Insert:
    """Rows on their way in; asked twice they are still there once, as a doc_id is unique.

    Attributes:
        outcome_unknown: Whether a commit may have reached the server without an answer.
    """

    def __init__(self, rows: Sequence[tuple[Mapping[str, Any], Sequence[Parent]]]) -> None:
        self.outcome_unknown = False
        self._rows = [(row, _arguments(row, parents)) for row, parents in rows]

    def __call__(self, connection: psycopg.Connection[Any]) -> list[int]:
        """Insert them all and commit.

        Returns:
            The ``seq`` of each.
        """
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        before, self.outcome_unknown = self.outcome_unknown, True
        try:
            seqs = self._insert(connection)
        except psycopg.Error as error:
            if not is_lost(error):  # the server said no
                self.outcome_unknown = before
            raise
        except (ConcurrentWriteError, DocumentIndexedError):
            self.outcome_unknown = False
            raise
        self.outcome_unknown = False
        return seqs

    def _insert(self, connection: psycopg.Connection[Any]) -> list[int]:
        if len(self._rows) == 1:
            ((row, arguments),) = self._rows
            return [_seq(connection, row, connection.execute(CALL, arguments))]
        with connection.pipeline(), connection.transaction():
            # All locks first: taken row by row, two writers of many rows could wait for each other.
            locks = {lock for row, _ in self._rows for lock in _locks(row)}
            connection.execute(LOCK, (list(locks),))
            answers = [(row, connection.execute(CALL, arguments)) for row, arguments in self._rows]
            return [_seq(connection, row, answer) for row, answer in answers]


def _arguments(row: Mapping[str, Any], parents: Sequence[Parent]) -> list[Any]:
    ids, names = [parent.doc_id for parent in parents], [parent.input_name for parent in parents]
    return [*queries.values_of(row), *_locks(row), ids, names]


def _locks(row: Mapping[str, Any]) -> tuple[int, int]:
    """What one writer at a time may add to: the task, whose times grow; and the logical key, whose versions are a chain."""
    return lock_key("task", row["stage"], row["task_id"]), lock_key("key", row["logical_key_id"])


def _seq(connection: psycopg.Connection[Any], row: Mapping[str, Any], answer: psycopg.Cursor[Any]) -> int:
    """The number of a new row, where it was new and in its place."""
    seq, newest, prev = answer.fetchone() or (None, None, None)
    if seq is not None:
        return int(seq)
    there = connection.execute(_GET, (row["doc_id"],)).fetchone()
    if there is not None:
        raise DocumentIndexedError(queries.row_from(there))
    raise ConcurrentWriteError(HistoryHead(newest, prev))


def is_lost(error: psycopg.Error) -> bool:
    """Whether it was the connection that failed and not the statement."""
    # Without a code it is the client's own; 08 is a connection's, 57P the server's shutting down
    # (postgresql.org/docs/current/errcodes-appendix.html).
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def lock_key(*names: str) -> int:
    """The number of an advisory lock: 64 bits, signed; a rare collision only makes one writer wait."""
    digest = hashlib.sha256("\0".join(("doc_io", *names)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
